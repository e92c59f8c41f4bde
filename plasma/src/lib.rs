//! Local-first applications in Rust: tables and mutators written once, run on every client and on the server.
//!
//! You annotate structs as tables and write mutators as async fns. A client engine applies a mutation at once to a local
//! SQLite store, offline or not; a server engine runs the same mutator canonically; the sync loop between them (outbox,
//! push, change log, pull, rebase, live queries) is the library's.
//!
//! ```
//! use plasma::Error;
//! use plasma::prelude::*;
//!
//! // What the server learns about a caller, and what a client says about itself.
//! #[derive(Debug, Clone, PartialEq)]
//! pub struct Ctx {
//!     pub user: Option<Id<User>>,
//! }
//!
//! #[plasma::table(name = "users", auth = open)]
//! pub struct User {
//!     pub id: Id<User>,
//!     pub name: String,
//! }
//!
//! #[plasma::table(name = "todos")]
//! #[derive(Debug, Clone, PartialEq)]
//! pub struct Todo {
//!     pub id: Id<Todo>,
//!     pub title: String,
//!     #[column(default = false)]
//!     pub done: bool,
//!     pub note: Option<String>,
//!     #[column(on_delete = cascade)]
//!     pub owner_id: Id<User>,
//! }
//!
//! // Who may read and write which rows. A rule that is not written allows nothing.
//! impl Policy<Ctx> for Todo {
//!     fn read(ctx: &Ctx) -> Filter<Todo> {
//!         ctx.user.map_or_else(Filter::nothing, |user| Todo::owner_id.eq(user).into())
//!     }
//!     fn insert(ctx: &Ctx) -> Filter<Todo> {
//!         Self::read(ctx)
//!     }
//!     fn update(ctx: &Ctx) -> Filter<Todo> {
//!         Self::read(ctx)
//!     }
//! }
//!
//! #[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo), mutators(Todos))]
//! pub struct App;
//! pub type Tx<'a> = plasma::Tx<'a, App>;
//!
//! // The arguments of a mutator are what travels and waits in the outbox.
//! #[plasma::args]
//! pub struct CreateTodo {
//!     pub id: Id<Todo>,
//!     #[arg(len(1..=200), trim)]
//!     pub title: String,
//! }
//!
//! #[plasma::args]
//! pub struct FinishTodo {
//!     pub id: Id<Todo>,
//! }
//!
//! pub struct Todos;
//!
//! // Every mutator runs on the client when it is called and on the server, where it counts.
//! #[plasma::mutators(App)]
//! impl Todos {
//!     pub async fn create(tx: &mut Tx<'_>, ctx: &Ctx, args: CreateTodo) -> plasma::Result<()> {
//!         let owner_id = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
//!         tx.insert(NewTodo { title: args.title, owner_id }.with_id(args.id)).await?;
//!         Ok(())
//!     }
//!
//!     pub async fn finish(tx: &mut Tx<'_>, _: &Ctx, args: FinishTodo) -> plasma::Result<()> {
//!         tx.update(args.id).set(Todo::done.to(true)).await
//!     }
//! }
//!
//! let open = Todo::select().filter(Todo::done.eq(false)).order_by(Todo::title.asc()).limit(20);
//! # let _ = open;
//! assert_eq!(App::definition().mutators[0].name, "todos.create");
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `client` (default) | the client engine and its handle |
//! | `server` (default) | the server engine |
//! | `sqlite` (default) | SQLite stores for both: bundled natively, `sqlite-wasm-rs` on wasm32 |
//! | `http` (default) | `http-client` and `http-server` |
//! | `http-client` | the HTTP transport of the client, without the server's dependencies |
//! | `http-server` | the HTTP service and its accept loop |
//! | `encryption` | sealing and opening of encrypted columns: keys, keyrings, blind indexes (`plasma::crypto`) |
//! | `pq` | data keys wrapped for recipients by X-Wing, a post-quantum hybrid; unaudited |
//! | `garde`, `validator` | `#[plasma::args(garde)]`, `#[plasma::args(validator)]`: rules of these crates |
//! | `sim` | the deterministic simulator, also for applications |
//! | `chrono` | columns of `chrono::DateTime<Utc>` and `chrono::NaiveDate` |
//! | `jiff` | columns of `jiff::Timestamp` and `jiff::civil::Date` |
//! | `time` | columns of `time::OffsetDateTime` and `time::Date` |
//! | `rust_decimal` | exact conversions between `Fixed<N>` and `rust_decimal::Decimal` |
//!
//! What the macros generate never depends on a feature.

#[doc(hidden)]
#[path = "private/mod.rs"]
pub mod __private;
mod macros;
pub mod prelude;

pub use macros::*;
pub use plasma_runtime::error::{Constraint, Rejection, Violation};
pub use plasma_runtime::mutate::{
    Checks, Columns, Conflict, Mutation, Policy, Reseal, SealArgs, Trusted, Tx, Upserted, Validate,
};
pub use plasma_runtime::query::sql::sql;
pub use plasma_runtime::query::typed::{
    Cursor, Filter, Page, Query, all_of, any_of, col_ref, count, exists, from_subquery, from_subquery_as, is_missing,
    not, now, row, scalar, when,
};
pub use plasma_runtime::schema::{AtRest, ColumnType, NewRow, Schema, Sealed, SealedColumn, Table};
pub use plasma_runtime::value::{BlindIndex, Envelope, EnvelopeLimits, KeyId};
pub use plasma_runtime::{Date, Error, ErrorKind, FileHash, FileRef, Fixed, Id, Json, Result, Rounding, Timestamp};
pub use plasma_runtime::{alias, columns};
pub use plasma_runtime::{crdt, error, future, inputs, mutate, protocol, query, schema, store, value};

#[cfg(feature = "encryption")]
pub use plasma_runtime::crypto;

#[cfg(feature = "client")]
pub use plasma_runtime::client;
#[cfg(all(feature = "client", feature = "sqlite"))]
pub use plasma_runtime::client::SqliteStore;
#[cfg(feature = "client")]
pub use plasma_runtime::client::{
    Client, Drift, Durability, Headers, Outcome, OutcomeStatus, Receipt, ReceiptState, RetryPolicy, SignOut, Status,
    Stuck,
};
#[cfg(feature = "http-server")]
pub use plasma_runtime::http;
#[cfg(any(feature = "client", feature = "http-server"))]
pub use plasma_runtime::live;
#[cfg(feature = "client")]
pub use plasma_runtime::live::{LiveQuery, LiveState};
#[cfg(feature = "server")]
pub use plasma_runtime::server;
#[cfg(all(feature = "http-server", feature = "postgres"))]
pub use plasma_runtime::server::PostgresDatabase;
#[cfg(all(feature = "http-server", feature = "sqlite"))]
pub use plasma_runtime::server::SqliteDatabase;
#[cfg(feature = "http-server")]
pub use plasma_runtime::server::{Auth, Server, ServerDb, serve};
#[cfg(feature = "sim")]
pub use plasma_runtime::sim;
