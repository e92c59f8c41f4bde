//! Snapshots of whole expansions, with their input: what users get, and what they get while something is wrong.
//!
//! Accept a change with `INSTA_UPDATE=always cargo test -p plasma-macros` and read the difference.

use proc_macro2::TokenStream;
use std::fmt::Write as _;

/// Formats tokens like rustfmt would. Input that is no Rust stays on one line.
fn pretty(tokens: &TokenStream) -> String {
    syn2::parse2::<syn2::File>(tokens.clone()).map_or_else(|_| tokens.to_string(), |file| prettyplease::unparse(&file))
}

fn snapshot(name: &str, input: &str, output: &TokenStream) {
    let mut text = String::new();
    let input: String =
        input.lines().map(|line| line.strip_prefix("        ").unwrap_or(line)).fold(String::new(), |mut all, line| {
            let _ = writeln!(all, "{line}");
            all
        });
    let _ = write!(text, "{}\n// ---- becomes ----\n\n{}", input.trim(), pretty(output));
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "snapshots" }, {
        insta::assert_snapshot!(name, text);
    });
}

/// Splits `#[plasma::NAME(OPTIONS)] ITEM` and expands it.
fn attribute(input: &str, expand: fn(TokenStream, TokenStream) -> TokenStream) -> TokenStream {
    let (first, item) = input.trim().split_once(']').expect("the input starts with the attribute");
    let options = first.split_once('(').map_or("", |(_, options)| options.trim_end_matches(')'));
    // A `(` inside the options makes the split above too greedy for lists, so balance them again.
    let missing = options.matches('(').count() - options.matches(')').count();
    let options = format!("{options}{}", ")".repeat(missing));
    expand(options.parse().expect("the options are tokens"), item.parse().expect("the item is tokens"))
}

macro_rules! expansions {
    ($($name:ident: $expand:path => $input:literal;)*) => {$(
        #[test]
        fn $name() {
            snapshot(stringify!($name), $input, &attribute($input, $expand));
        }
    )*};
}

macro_rules! derives {
    ($($name:ident: $expand:path => $input:literal;)*) => {$(
        #[test]
        fn $name() {
            snapshot(stringify!($name), $input, &$expand($input.parse().expect("the item is tokens")));
        }
    )*};
}

expansions! {
    table_with_crdts: crate::table::attribute => r#"
        #[plasma::table]
        pub struct Todo {
            pub id: Id<Self>,
            pub views: GCounter,
            pub status: Lww<Status>,
            pub tags: OrSet<String>,
        }
    "#;
    table: crate::table::attribute => r#"
        #[plasma::table(name = "todos")]
        /// A task.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Todo {
            pub id: Id<Self>,
            /// What to do.
            pub title: String,
            #[column(default = false)]
            pub done: bool,
            pub note: Option<String>,
            #[column(unique, name = "the_slug")]
            pub slug: String,
            #[column(on_delete = cascade)]
            pub owner_id: Id<User>,
            #[column(on_delete = set_null)]
            pub parent_id: Option<Id<Self>>,
            pub r#type: Kind,
        }
    "#;
    table_open_with_path: crate::table::attribute => r#"
        #[plasma::table(auth = open, crate = app::reexported)]
        struct Setting { id: Id<Setting>, value: String }
    "#;
    table_local_only_with_serde: crate::table::attribute => r#"
        #[plasma::table(local_only)]
        #[derive(Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct Draft { pub(crate) id: Id<Draft>, #[serde(default)] pub(crate) body_text: String }
    "#;
    table_with_every_option: crate::table::attribute => r#"
        #[plasma::table(unique(list, rank), index(list, due), check = Todo::rank.gte(0), patch(title, due), resolve_conflict = merge, blobs = "files")]
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        pub struct Todo {
            pub id: Id<Todo>,
            #[column(unconstrained)]
            pub list: Id<List>,
            #[column(index, default = 0)]
            rank: i64,
            /// What to do.
            #[serde(rename = "name", default)]
            pub title: String,
            pub due: Option<Date>,
            #[column(default = now, on_update = now)]
            pub changed_at: Timestamp,
            #[column(file(max_size = "5 MiB", mime("image/*"), immutable, upload = lazy))]
            pub photo: Option<FileRef>,
        }
    "#;
    table_with_a_bare_patch: crate::table::attribute => r#"
        #[plasma::table(patch)]
        #[derive(Debug)]
        pub struct Todo { pub id: Id<Todo>, pub title: String, pub(crate) note: Option<String> }
    "#;
    table_with_wrong_names_in_lists: crate::table::attribute => r#"
        #[plasma::table(index(titel), patch(title, nope))]
        pub struct Todo { pub id: Id<Todo>, pub title: String }
    "#;
    table_with_unknown_option: crate::table::attribute => r#"
        #[plasma::table(nam = "todos")]
        pub struct Todo { pub id: Id<Todo>, #[column(uniqe)] pub title: String }
    "#;
    table_with_syntax_error_in_options: crate::table::attribute => r#"
        #[plasma::table(name = )]
        pub struct Todo { pub id: Id<Todo>, #[column(default = false true)] pub done: bool }
    "#;
    table_on_an_enum: crate::table::attribute => r#"
        #[plasma::table]
        pub enum Todo { #[column(unique)] Open, Done }
    "#;
    table_with_generics: crate::table::attribute => r#"
        #[plasma::table]
        pub struct Todo<T> { pub id: Id<Self>, pub value: T }
    "#;
    table_on_broken_code: crate::table::attribute => r#"
        #[plasma::table]
        pub struct Todo { pub id: Id<Todo>, pub title }
    "#;
    schema: crate::schema::attribute => r#"
        #[plasma::schema(version = "3", ctx = Ctx, tables(User, model::Todo), mutators(Todos), fingerprint = 0x0123)]
        pub struct App;
    "#;
    schema_without_context: crate::schema::attribute => r#"
        #[plasma::schema(version = "1", tables(Note))]
        pub struct Notes;
    "#;
    schema_listing_a_table_twice: crate::schema::attribute => r#"
        #[plasma::schema(version = "1", ctx = Ctx, tables(User, User))]
        pub struct App;
    "#;
    schema_with_a_lock: crate::schema::attribute => r#"
        #[plasma::schema(version = "2", tables(Note), lock = "src/snapshots/plasma.lock")]
        pub struct Notes;
    "#;
    schema_without_a_lock: crate::schema::attribute => r#"
        #[plasma::schema(version = "2", tables(Note), lock = false)]
        pub struct Notes;
    "#;
    args: crate::args::attribute => r#"
        #[plasma::args]
        #[derive(Debug, Clone)]
        pub struct CreateTodo {
            pub id: Id<Todo>,
            #[arg(len(1..=200), trim)]
            pub title: String,
            #[arg(trim)]
            pub note: Option<String>,
            #[arg(range(..=99))]
            pub points: i32,
        }
    "#;
    args_validated: crate::args::attribute => r#"
        #[plasma::args(validate)]
        pub struct Rename { pub title: String }
    "#;
    args_with_types_of_the_application: crate::args::attribute => r#"
        #[plasma::args(garde)]
        pub struct Put {
            #[arg(email, trim)] pub mail: String,
            pub places: Option<Vec<Place>>,
            #[serde(with = "by_hand")] pub other: Other,
        }
    "#;
    args_with_open_range: crate::args::attribute => r#"
        #[plasma::args]
        pub struct Rename { #[arg(len(1..200))] pub title: String }
    "#;
    mutators: crate::mutators::attribute => r#"
        #[plasma::mutators(App)]
        impl TodoItems {
            /// Adds a task.
            pub async fn create(tx: &mut Tx<'_>, ctx: &Ctx, CreateTodo { title, .. }: CreateTodo) -> plasma::Result<()> {
                Self::helper(tx, ctx, title).await
            }
            #[mutator(name = "sweep", server_only)]
            pub async fn sweep_all(_: &mut Tx<'_>, _: &Ctx, _: Sweep) -> plasma::Result<()> { Ok(()) }
            async fn helper(tx: &mut Tx<'_>, ctx: &Ctx, title: String) -> plasma::Result<()> { Ok(()) }
        }
    "#;
    mutators_of_earlier_versions: crate::mutators::attribute => r#"
        #[plasma::mutators(App, name = "tasks")]
        impl Tasks {
            #[mutator(name = "tasks.add", alias = "tasks.create", alias = "todos.create", upgrade = Self::in_seconds)]
            pub async fn add_task(tx: &mut Tx<'_>, _: &Ctx, args: AddTask) -> plasma::Result<()> { Ok(()) }
            #[mutator(upgrade = upgrades::retitled)]
            pub async fn retitle(tx: &mut Tx<'_>, _: &Ctx, args: Retitle) -> plasma::Result<()> { Ok(()) }
            fn in_seconds(made_by: &str, args: Value) -> plasma::Result<Value> { Ok(args) }
        }
    "#;
    mutators_with_wrong_signatures: crate::mutators::attribute => r#"
        #[plasma::mutators(App, name = "todos")]
        impl Todos {
            pub fn not_async(tx: &mut Tx<'_>, ctx: &Ctx, args: A) -> plasma::Result<()> { Ok(()) }
            pub async fn by_value(tx: Tx<'_>, ctx: &Ctx, args: B) -> plasma::Result<()> { Ok(()) }
        }
    "#;
    table_with_files: crate::table::attribute => r#"
        #[plasma::table(blobs = "attachments")]
        pub struct Photo {
            pub id: Id<Photo>,
            #[column(file(max_size = "10 MB", mime("image/png", "image/*"), upload = eager))]
            pub large: FileRef,
            #[column(file(immutable, upload = lazy), index)]
            pub small: Option<FileRef>,
        }
    "#;
    table_with_unique_sets: crate::table::attribute => r#"
        #[plasma::table(unique(account, device), unique(number), auth = open)]
        #[derive(Clone)]
        pub struct Session {
            pub id: Id<Session>,
            pub account: Id<Account>,
            pub device: Option<String>,
            #[column(unique)]
            pub token: String,
            pub number: i64,
            #[column(default = 1)]
            pub uses: i32,
        }
    "#;
    table_with_renamed_accessors: crate::table::attribute => r#"
        #[plasma::table(name = "lines", index(position, text))]
        pub struct Line {
            pub id: Id<Line>,
            #[column(name = "the_order", accessor = position)]
            pub order: i32,
            #[column(accessor = chosen, name = "select_")]
            pub select: bool,
            pub text: Json<Vec<Part>>,
        }
    "#;
    schema_with_several_sets_of_mutators: crate::schema::attribute => r#"
        #[plasma::schema(version = "7", ctx = auth::Ctx, tables(Todo, shared::User), mutators(Todos, admin::Users, Sync))]
        pub(crate) struct App;
    "#;
    args_on_a_tuple: crate::args::attribute => r#"
        #[plasma::args]
        pub struct Rename(String);
    "#;
    args_with_generics: crate::args::attribute => r#"
        #[plasma::args(validator)]
        pub struct Rename<T> { #[arg(len(1..=9))] pub title: T }
    "#;
    mutators_given_two_mutators_of_one_type: crate::mutators::attribute => r#"
        #[plasma::mutators(App, name = "notes", crate = app::plasma)]
        impl Notes {
            pub async fn add(tx: &mut Tx<'_>, _: &Ctx, args: AddNote) -> plasma::Result<()> { Ok(()) }
            pub async fn put(tx: &mut Tx<'_>, _: &Ctx, args: AddNote) -> plasma::Result<()> { Ok(()) }
        }
    "#;
}

derives! {
    projection: crate::projection::derive => r#"
        /// What a list shows of an issue.
        #[derive(Debug, plasma::Projection)]
        #[projection(from = Issue)]
        pub struct Card {
            pub id: Id<Issue>,
            /// What it is about.
            pub title: String,
            #[from(User::name)]
            pub assignee: Option<String>,
            #[from(Parent::col(Issue::title))]
            pub parent: Option<String>,
        }
    "#;
    projection_with_path: crate::projection::derive => r#"
        #[derive(Projection)]
        #[projection(crate = app::reexported)]
        struct Name { #[from(model::User::name)] r#type: String }
    "#;
    projection_without_a_source: crate::projection::derive => r#"
        #[derive(Projection)]
        pub struct Card { pub id: Id<Issue>, #[from(User::name)] pub name: String, #[from()] pub other: i64 }
    "#;
    projection_of_what_is_calculated: crate::projection::derive => r#"
        #[derive(Projection)]
        #[projection(from = Issue)]
        pub struct Card { #[from(count())] pub many: i64, #[from(Issue::rank + 1)] pub next: i64 }
    "#;
    projection_with_generics: crate::projection::derive => r#"
        #[derive(Projection)]
        #[projection(from = Issue)]
        pub struct Card<T> { pub title: T }
    "#;
    projection_on_an_enum: crate::projection::derive => r#"
        #[derive(Projection)]
        pub enum Card { #[from(Issue::title)] Title(String) }
    "#;

    rejection: crate::rejection::derive => r#"
        #[derive(Debug, plasma::Rejection)]
        pub enum PosError {
            /// There are not
            /// so many left.
            ///
            /// Nobody reads this.
            OutOfStock { product: Id<Product>, r#left: Option<Box<Self>> },
            #[rejection(code = "too-long", message = "that is too long")]
            Long(usize),
            Closed,
            Gone(),
        }
    "#;
    rejection_with_path: crate::rejection::derive => r#"
        #[derive(Rejection)]
        #[rejection(crate = app::reexported)]
        enum Shop { Closed {} }
    "#;
    rejection_of_taken_codes: crate::rejection::derive => r#"
        #[derive(Rejection)]
        pub enum Taken { Conflict, Other, #[rejection(code = "other")] Again, #[rejection(cod = "x")] Far(i32, i32) }
    "#;
    rejection_on_a_struct: crate::rejection::derive => r#"
        #[derive(Rejection)]
        pub struct Closed { pub since: i64 }
    "#;
    rejection_with_generics: crate::rejection::derive => r#"
        #[derive(Rejection)]
        pub enum Gone<T> { Row { id: Id<T> } }
    "#;

    column_newtype: crate::column::derive => r#"
        #[derive(plasma::Column)]
        pub struct Email(String);
    "#;
    column_enum: crate::column::derive => r#"
        #[derive(plasma::Column)]
        #[column(rename_all = "kebab-case")]
        pub enum Status { Open, InProgress, #[column(rename = "closed")] Done }
    "#;
    column_newtype_with_capabilities: crate::column::derive => r#"
        #[derive(plasma::Column)]
        #[column(numeric, text)]
        pub struct Money { cents: Fixed<2> }
    "#;
    column_enum_of_numbers: crate::column::derive => r#"
        #[derive(plasma::Column)]
        #[column(as = int)]
        pub enum Priority { Low = -1, High = 0x10, #[column(other)] Unknown }
    "#;
    column_enum_that_keeps_others: crate::column::derive => r#"
        #[derive(plasma::Column)]
        pub enum Emoji { ThumbsUp, #[column(other)] Other(String) }
    "#;
    column_enum_with_data: crate::column::derive => r#"
        #[derive(plasma::Column)]
        pub enum Status { Open, Blocked(String) }
    "#;
    column_enum_of_numbers_that_keeps_others: crate::column::derive => r#"
        #[derive(plasma::Column)]
        #[column(as = int, crate = app::plasma)]
        pub enum Level { Low = 1, High = 10, #[column(other)] Other(i32) }
    "#;
    column_union: crate::column::derive => r#"
        #[derive(plasma::Column)]
        pub union Bits { a: u32, b: f32 }
    "#;
}

/// The editor shows the words of the field wherever the column is named: const, new row, patch.
#[test]
fn documentation_of_a_column_goes_where_the_column_goes() {
    let item = "pub struct Todo { pub id: Id<Todo>, /// What to do.\n pub title: String }";
    let output = crate::table::attribute("patch".parse().expect("tokens"), item.parse().expect("tokens"));
    let file = syn2::parse2::<syn2::File>(output).expect("the expansion is Rust");
    let documented = prettyplease::unparse(&file);
    let after =
        documented.match_indices("/// What to do.").map(|(at, words)| documented[at + words.len()..].trim_start());
    let places: Vec<&str> = after.filter_map(|rest| rest.lines().find(|line| !line.starts_with('#'))).collect();
    let expected =
        ["pub title: String,", "pub const title:", "pub title: String,", "pub title: ::core::option::Option<String>,"];
    assert!(places.iter().zip(expected).all(|(place, expected)| place.starts_with(expected)), "{places:#?}");
    assert_eq!(places.len(), expected.len(), "{places:#?}");
}
