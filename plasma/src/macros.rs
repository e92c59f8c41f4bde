//! The macros, re-exported with their documentation.

/// Makes a struct a table.
///
/// The struct stays as it is. It gains a const for each column (`Todo::title`, for queries and changes), a struct of
/// its required columns (`NewTodo`, for inserts) and the [`Table`](crate::Table) implementation.
///
/// ```
/// use plasma::Json;
/// use plasma::prelude::*;
///
/// #[plasma::table(name = "users")]
/// pub struct User {
///     pub id: Id<User>,
///     #[column(unique)]
///     pub name: String,
/// }
///
/// /// A task.
/// #[plasma::table(name = "todos")]
/// #[derive(Debug, Clone, PartialEq)]
/// pub struct Todo {
///     pub id: Id<Todo>,                        // every table has it, with exactly this name and type
///     pub title: String,                       // text, not null
///     #[column(default = false)]
///     pub done: bool,
///     pub note: Option<String>,                // may be null
///     pub created_at: Timestamp,
///     pub labels: Json<Vec<String>>,
///     #[column(on_delete = cascade)]
///     pub owner_id: Id<User>,                  // a foreign key: the type says which table
///     #[column(on_delete = set_null)]
///     pub parent_id: Option<Id<Todo>>,
/// }
///
/// let open = Todo::select().filter(Todo::done.eq(false)).order_by(Todo::created_at.desc());
/// let new = |owner_id| NewTodo {
///     title: "milk".into(),
///     created_at: Timestamp::from_millis(0),
///     labels: Json(vec![]),
///     owner_id,
/// }
/// .with(Todo::note.to("two bottles"));
/// # let _ = (open, new);
/// ```
///
/// # Table options
///
/// | option | meaning |
/// | --- | --- |
/// | `name = ".."` | SQL name; without it the struct's name in `snake_case` (no plural is guessed) |
/// | `auth = open` | everybody may read and write every row; without it the table needs a [`Policy`](crate::Policy) |
/// | `local_only` | the table exists on both sides, never syncs, and needs no policy |
/// | `index(a, b)` | an index over these fields' columns; several may be given. Foreign keys have one by themselves |
/// | `unique(a, b)` | no two rows hold the same values in these columns, rows with a NULL among them excepted |
/// | `check = condition` | every write keeps it, or is rejected with the code `check`; several may be given |
/// | `patch`, `patch(a, b)` | makes `TodoPatch`: changes of all columns, or of these |
/// | `resolve_conflict = path` | merges a row that two sides changed: `fn(`[`Conflict`](crate::Conflict)`<'_, Todo>) -> Todo` |
/// | `blobs = ".."` | the store of the table's files |
/// | `crate = path` | where this crate is found, when it is not `::plasma` |
///
/// # Column options: `#[column(..)]`
///
/// | option | meaning |
/// | --- | --- |
/// | `name = ".."` | SQL name, when it is not the field's |
/// | `default = CONST` | what an insert stores that does not name the column; the column is then not in `NewTodo` |
/// | `default = now` | the time of the mutation, [`tx.now()`](crate::Tx::now), for a `Timestamp` or `Date` (a constant of that name is written `self::now`) |
/// | `on_update = now` | every update that does not set the column stores the time of its mutation |
/// | `unique` | no two rows hold the same value, NULLs excepted |
/// | `index` | rows are found by this column |
/// | `unconstrained` | an `Id<_>` that the database does not hold to its target |
/// | `file(..)` | limits of a `FileRef`: `max_size = "5 MiB"`, `mime("image/*")`, `immutable`, `upload = eager` or `lazy` |
/// | `on_delete = ..` | for a foreign key: `cascade`, `restrict`, `set_null` or `no_action` (the default) |
/// | `accessor = ident` | name of the const, when the field's name would hide a function of the table |
///
/// # Types
///
/// `Id<T>`, `String`, `i32`, `i64`, `f64` (finite), `bool`, `Vec<u8>`, [`Json<T>`](crate::Json),
/// [`Timestamp`](crate::Timestamp), [`Date`](crate::Date), [`Fixed<N>`](crate::Fixed), [`FileRef`](crate::FileRef), the
/// moments and dates of chrono, time and jiff by feature, the CRDTs of [`plasma::crdt`](crate::crdt), your own newtypes and enums with
/// [`#[derive(plasma::Column)]`](macro@crate::Column), and `Option` of each of them. Kind, nullability and the target of
/// a foreign key come from the type and not from how it is spelled, so aliases work everywhere.
///
/// # `NewTodo`
///
/// Holds the columns a new row must have: not `id`, none with a default, and none whose type is spelled `Option<_>`,
/// `GCounter`, `PnCounter` or `OrSet<_>`, which begin empty. Those are added by [`.with(..)`](crate::NewRow::with) and
/// [`.with_id(..)`](crate::NewRow::with_id). A macro sees how a type is spelled and not what it is, so a column whose
/// type is an *alias* of such a type is a required field, in which `None` is written. (A type that is spelled like one
/// of them and is something else does not compile.)
///
/// `NewTodo` derives what the struct derives of `Debug`, `Clone`, `PartialEq`, `Eq`, `Hash`, `Serialize` and
/// `Deserialize`, in `#[derive(..)]` attributes written below `#[plasma::table]`; `#[serde(..)]` attributes are copied.
pub use plasma_macros::table;

/// Makes a unit struct a schema: tables and mutators under one version, with one context.
///
/// ```
/// # use plasma::prelude::*;
/// # #[derive(Clone, PartialEq)] pub struct Ctx;
/// # #[plasma::table(auth = open)] pub struct Note { pub id: Id<Note>, pub text: String }
/// # #[plasma::args] pub struct AddNote { pub text: String }
/// # pub struct Notes;
/// # #[plasma::mutators(App)]
/// # impl Notes {
/// #     pub async fn add(tx: &mut Tx<'_>, _: &Ctx, args: AddNote) -> plasma::Result<()> {
/// #         tx.insert(NewNote { text: args.text }).await?;
/// #         Ok(())
/// #     }
/// # }
/// #[plasma::schema(version = "3", ctx = Ctx, tables(Note), mutators(Notes))]
/// pub struct App;
/// pub type Tx<'a> = plasma::Tx<'a, App>;
/// ```
///
/// | option | meaning |
/// | --- | --- |
/// | `version = ".."` | the version people see; required |
/// | `ctx = Type` | what policies and mutators learn about the caller; without it every table is open |
/// | `tables(..)` | every table; required |
/// | `mutators(..)` | every set of mutators: the one registry of both sides |
/// | `fingerprint = 0x..` | pins the schema: a change of it stops the build, with the new number in the message |
/// | `lock = ".."` | the lock, from the folder of `Cargo.toml`, when it is not `plasma.lock`; `false` for none |
/// | `crate = path` | where this crate is found, when it is not `::plasma` |
///
/// The build stops when two tables have the same SQL name, when a foreign key refers to a table that is not listed, when
/// two mutators have the same wire name, and when a table has neither a [`Policy`](crate::Policy) for the context nor
/// `auth = open`.
///
/// The fingerprint is a hash of names, kinds, nullability, uniqueness and foreign keys, in any order. Client and server
/// compare it at every request.
///
/// When there is a `plasma.lock` beside `Cargo.toml`, the build also stops when the schema differs from the version of
/// the same name in it so that programs with that version could not go on. The message lists every change. A test
/// (`plasma_lock_app` for `App`) says whether the lock is current, and writes it: `PLASMA_LOCK=write cargo test
/// plasma_lock`. See [`schema::lock`](crate::schema::lock) and the guide.
pub use plasma_macros::schema;

/// Makes a struct the arguments of a mutator: what is sent, and what waits in the outbox.
///
/// It derives serde's `Serialize` and `Deserialize` (through this crate: yours needs no serde), so `#[serde(..)]`
/// attributes may be used. Arguments are a JSON object, hence a struct with named fields.
///
/// ```
/// use plasma::prelude::*;
///
/// #[plasma::args]
/// #[derive(Debug, Clone)]
/// pub struct Register {
///     #[arg(len(1..=200), trim)]
///     pub name: String,
///     #[arg(range(18..))]
///     pub age: i32,
///     #[arg(len(..=3))]
///     pub hobbies: Vec<String>,
/// }
///
/// // Rules of your own: `#[plasma::args(validate)]`.
/// #[plasma::args(validate)]
/// pub struct Rename {
///     pub name: String,
/// }
///
/// impl Validate for Rename {
///     fn validate(&self, checks: &mut Checks) {
///         checks.check("name", !self.name.starts_with('_'), "reserved", "must not start with `_`");
///     }
/// }
/// ```
///
/// | `#[arg(..)]` | meaning |
/// | --- | --- |
/// | `len(1..=200)` | characters (Unicode scalar values) of a `String`, items of a `Vec` |
/// | `range(1..=99)` | the value of a number |
/// | `trim` | white space at both ends is removed when the arguments are read; the other rules look at what is left |
/// | `email` | a `String` is an e-mail address as the HTML standard defines one for forms |
/// | `seal(column = .., row = ..)` | the field is a [`Sealed<_>`](crate::Sealed), or an `Option` of it, for this cell |
///
/// Where a field has `seal`, there is a second struct with `Plain` before its name, in which that field is in the clear.
/// `client.mutate(..)` takes it, checks the field's other rules, and seals it with the client's keyring before anything
/// is stored; [`SealArgs::seal`](crate::SealArgs::seal) does the same without a client. `key = ..` names a key
/// ([`KeyId`](crate::KeyId)); else it is the one that the keyring says is current.
///
/// ```
/// # use plasma::prelude::*;
/// # #[plasma::table(name = "notes", auth = open)] pub struct Note { pub id: Id<Note>, pub body: Sealed<String> }
/// #[plasma::args]
/// pub struct EditNote {
///     pub id: Id<Note>,
///     #[arg(len(..=20_000), seal(column = Note::body, row = self.id))]
///     pub body: Sealed<String>,
/// }
///
/// # let id = Id::from_u128(1);
/// // What the application writes: `client.mutate(edit).await?`. The mutator is given an `EditNote`.
/// let edit = PlainEditNote { id, body: "dear diary".into() };
/// # let _ = edit;
/// ```
///
/// | `#[plasma::args(..)]` | meaning |
/// | --- | --- |
/// | `validate` | the struct's own [`Validate`](crate::Validate) runs after the rules of the fields |
/// | `garde` | so does its `garde::Validate` (feature `garde`); the code is `garde` |
/// | `validator` | so does its `validator::Validate` (feature `validator`); the code is the rule's |
/// | `crate = path` | where this crate is found, when it is not `::plasma` |
///
/// An `Option` is checked when it has a value. Bounds are inclusive. Rules run before the optimistic run, on the server
/// and at every replay; what breaks one is rejected with code `validation` and the fields in `data`.
pub use plasma_macros::args;

/// Makes the `pub` async fns of an `impl` block mutators of a schema.
///
/// ```
/// # use plasma::prelude::*;
/// # #[derive(Clone, PartialEq)] pub struct Ctx;
/// # #[plasma::table(auth = open)] pub struct Todo { pub id: Id<Todo>, pub title: String }
/// # #[plasma::schema(version = "1", ctx = Ctx, tables(Todo), mutators(Todos))] pub struct App;
/// # #[plasma::args] pub struct CreateTodo { pub title: String }
/// # #[plasma::args] pub struct SweepTodos {}
/// pub type Tx<'a> = plasma::Tx<'a, App>;
/// pub struct Todos;
///
/// #[plasma::mutators(App)]
/// impl Todos {
///     /// `todos.create` on the wire: the set in `snake_case`, a dot, the fn.
///     pub async fn create(tx: &mut Tx<'_>, ctx: &Ctx, args: CreateTodo) -> plasma::Result<()> {
///         tx.insert(NewTodo { title: Self::tidy(args.title) }).await?;
///         Ok(())
///     }
///
///     /// Only queued by clients, run by the server.
///     #[mutator(server_only, name = "todos.sweep-all")]
///     pub async fn sweep(tx: &mut Tx<'_>, _: &Ctx, _: SweepTodos) -> plasma::Result<()> {
///         tx.delete_where(Filter::<Todo>::all()).await?;
///         Ok(())
///     }
///
///     // A fn without `pub` is a helper.
///     fn tidy(title: String) -> String {
///         title.trim().to_owned()
///     }
/// }
/// ```
///
/// The first word is the schema, which lists the set in `mutators(..)`. Options: `name = ".."` sets the first part of
/// the wire names, `crate = path` says where this crate is found.
///
/// Options of a mutator, in `#[mutator(..)]`: `name = ".."` is the whole wire name, `server_only` leaves it to the server.
/// For clients of earlier versions of the schema, `alias = ".."` is a wire name it had (any number of them), and
/// `upgrade = path` a `fn(&str, serde_json::Value) -> plasma::Result<serde_json::Value>` that is given the version under
/// which the arguments were made, and the arguments, and returns those of today.
///
/// A mutator is found by the type of its arguments, so two mutators cannot share one. Both sides run it, so it returns
/// nothing: an `Err` rejects the mutation, which is then reported, with its code and message.
pub use plasma_macros::mutators;

/// Makes a newtype or an enum of unit variants a column type.
///
/// ```
/// use plasma::prelude::*;
///
/// #[derive(Debug, Clone, PartialEq, plasma::Column)]
/// pub struct Email(pub String);
///
/// #[derive(Debug, Clone, Copy, PartialEq, plasma::Column)]
/// #[column(rename_all = "kebab-case")]
/// pub enum Status {
///     Open,
///     InProgress,
///     #[column(rename = "closed")]
///     Done,
/// }
///
/// #[plasma::table]
/// pub struct Ticket {
///     pub id: Id<Ticket>,
///     pub sender: Email,
///     #[column(default = Status::Open)]
///     pub status: Status,
/// }
///
/// let query = Ticket::select().filter(Ticket::status.eq(Status::Done)).order_by(Ticket::sender.asc());
/// let change = Ticket::status.to(Status::InProgress);
/// # let _ = (query, change);
/// ```
///
/// A **newtype** is stored like its field, and has an order or is searched as text exactly when its field is.
/// `#[column(numeric)]` lets it be added to and subtracted from its own kind, and multiplied with and divided by plain
/// numbers, as far as its field can. `#[column(text)]` lets it be compared with `&str`; a `&str` is not stored in it.
///
/// An **enum** is stored as text: the variant's name in `snake_case`, or as `rename_all` (serde's words) and `rename`
/// say. It has no order, because its texts would sort by their letters. With `#[column(as = int)]` it is stored as the
/// number of the variant, an `i32` that must be written down, and is ordered by it.
///
/// Reading a value that is no variant, from a newer program, is an error unless a variant stands for it:
///
/// | `#[column(other)]` on | reading | writing |
/// | --- | --- | --- |
/// | `Other(String)`, with `as = int` `Other(i32)` | keeps the value | writes it back |
/// | `Unknown` | forgets the value | a [`Validation`](crate::ErrorKind::Validation) error: the newer value would be lost |
///
/// `#[column(crate = path)]` says where this crate is found, when it is not `::plasma`.
pub use plasma_macros::Column;

/// Makes a struct a projection: a query returns it instead of rows.
///
/// ```
/// use plasma::prelude::*;
///
/// #[plasma::table(name = "users")]
/// pub struct User {
///     pub id: Id<User>,
///     pub name: String,
/// }
///
/// #[plasma::table]
/// pub struct Issue {
///     pub id: Id<Issue>,
///     pub title: String,
///     #[column(on_delete = set_null)]
///     pub assignee_id: Option<Id<User>>,
/// }
///
/// /// What a list shows of an issue.
/// #[derive(Debug, Clone, PartialEq, plasma::Projection)]
/// #[projection(from = Issue)]
/// pub struct Card {
///     pub id: Id<Issue>,
///     pub title: String,
///     #[from(User::name)]
///     pub assignee: Option<String>,
/// }
///
/// let cards = Issue::select().left_join(Issue::assignee_id).project_as::<Card, _>();
/// # let _ = cards;
/// ```
///
/// Each field is read from the column in its `#[from(Table::column)]` (or `#[from(Alias::col(Table::column))]`), or else
/// from the column of its own name of the struct's `#[projection(from = Table)]`. Its type is the column's, or an
/// `Option` of it; in a query that joins the table from the left it must be an `Option`. What is calculated or counted
/// has no column: `.project((..)).map(|(..)| ..)` makes a struct of anything.
///
/// `#[projection(crate = path)]` says where this crate is found, when it is not `::plasma`.
pub use plasma_macros::Projection;

/// Makes an enum the ways in which mutators of an application refuse, with a code and data for each.
///
/// ```
/// # #[derive(Debug, Clone, Copy, PartialEq)] pub struct Ctx;
/// # #[plasma::table(auth = open)] pub struct Product { pub id: Id<Product>, #[column(default = 0)] pub stock: i64 }
/// # #[plasma::schema(version = "1", ctx = Ctx, tables(Product), mutators(Sales))] pub struct App;
/// # pub type Tx<'a> = plasma::Tx<'a, App>;
/// # #[plasma::args] pub struct Sell { pub product: Id<Product>, pub count: i64 }
/// # pub struct Sales;
/// use plasma::prelude::*;
///
/// #[derive(Debug, PartialEq, plasma::Rejection)]
/// pub enum PosError {
///     /// there are not so many left
///     OutOfStock { product: Id<Product>, left: i64 },
///     #[rejection(code = "day-closed", message = "the day is closed already")]
///     Closed,
/// }
///
/// #[plasma::mutators(App)]
/// impl Sales {
///     pub async fn sell(tx: &mut Tx<'_>, _: &Ctx, args: Sell) -> plasma::Result<()> {
///         let left = tx.need(args.product).await?.stock;
///         if left < args.count {
///             return Err(PosError::OutOfStock { product: args.product, left }.into());
///         }
///         tx.update(args.product).set(Product::stock.to(Product::stock - args.count)).await
///     }
/// }
///
/// // On the client: `receipt.acknowledged().await`, `client.mutate(..).await`, or an outcome.
/// fn show(error: &plasma::Error) -> String {
///     match error.parse::<PosError>() {
///         Some(PosError::OutOfStock { left, .. }) => format!("only {left} left"),
///         _ => error.message().to_owned(),
///     }
/// }
/// # let gone = PosError::OutOfStock { product: Id::from_u128(1), left: 2 };
/// # let error = plasma::Error::from(gone);
/// # assert_eq!((error.code(), error.message()), ("out-of-stock", "there are not so many left"));
/// # assert_eq!(show(&error), "only 2 left");
/// # assert_eq!(show(&PosError::Closed.into()), "the day is closed already");
/// ```
///
/// | `#[rejection(..)]` on a variant | meaning |
/// | --- | --- |
/// | `code = ".."` | what programs know it by; without it the variant's name in `kebab-case` |
/// | `message = ".."` | what people read; without it the first paragraph of the variant's documentation, or else the code |
///
/// `#[rejection(crate = path)]` on the enum says where this crate is found, when it is not `::plasma`.
///
/// The value becomes an [`Error`](crate::Error) of the kind [`Rejected`](crate::ErrorKind::Rejected) by `.into()` and by
/// `?`. Named fields are members of its `data`, under their names; the field of `TooLong(usize)` is the data itself, and
/// several values need names. Fields implement serde's `Serialize` and `DeserializeOwned`; the enum needs no serde.
///
/// [`error.parse::<PosError>()`](crate::Error::parse) reads it back. It is None for another code, and for data that does
/// not fit; members that the variant does not have are passed over, and an `Option` may be missing, so a newer server may
/// tell more. Codes with which the library itself ends a mutation (`conflict`, `not-found`, `discarded`, ..) are refused.
pub use plasma_macros::Rejection;

/// Writes one policy for several tables, from a generic function that gives the rule of each.
///
/// ```
/// use plasma::prelude::*;
/// use plasma::query::Col;
/// # #[derive(Clone, PartialEq)] pub struct Ctx { pub user: Id<User> }
/// # #[plasma::table(name = "users", auth = open)] pub struct User { pub id: Id<User> }
/// # #[plasma::table]
/// # pub struct Issue { pub id: Id<Issue>, pub owner_id: Id<User> }
/// # impl Policy<Ctx> for Issue { fn read(ctx: &Ctx) -> Filter<Issue> { Issue::owner_id.eq(ctx.user).into() } }
/// # #[plasma::table] pub struct Comment { pub id: Id<Comment>, pub issue_id: Id<Issue> }
/// # #[plasma::table] pub struct Attachment { pub id: Id<Attachment>, pub issue_id: Id<Issue> }
/// # #[plasma::table] pub struct History { pub id: Id<History>, pub issue_id: Id<Issue> }
///
/// /// A table whose rows belong to an issue.
/// pub trait OfIssue: Table {
///     const ISSUE: Col<Self, Id<Issue>>;
/// }
/// impl OfIssue for Comment {
///     const ISSUE: Col<Self, Id<Issue>> = Comment::issue_id;
/// }
/// impl OfIssue for Attachment {
///     const ISSUE: Col<Self, Id<Issue>> = Attachment::issue_id;
/// }
/// impl OfIssue for History {
///     const ISSUE: Col<Self, Id<Issue>> = History::issue_id;
/// }
///
/// /// The rows of issues that the caller may read.
/// fn via_issue<T: OfIssue>(ctx: &Ctx) -> Filter<T> {
///     T::ISSUE.has(Issue::read(ctx)).into()
/// }
///
/// // Read, insert, update and delete.
/// plasma::policy!(Ctx => Comment, Attachment: via_issue);
/// // Each rule by its name; what is not written allows nothing, so nobody writes.
/// plasma::policy!(Ctx => History: read = via_issue);
///
/// #[plasma::schema(version = "1", ctx = Ctx, tables(User, Issue, Comment, Attachment, History))]
/// pub struct App;
/// ```
///
/// It is what [`Policy`](crate::Policy) says by hand: `policy!(Ctx => A, B: rule)` has the one rule for all four
/// operations, and `policy!(Ctx => A, B: read = one, insert = other)` names them. A rule is a path to a
/// `fn<T>(&Ctx) -> Filter<T>` with one type parameter, the table. A table with `FROZEN` columns writes its own `impl`.
///
/// Take the short form where whoever may read a row may also write and delete it, and a row may move wherever the rule
/// holds: an update is asked for the row before and after.
pub use plasma_runtime::policy;
