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

expansions! {
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
    mutators_with_wrong_signatures: crate::mutators::attribute => r#"
        #[plasma::mutators(App, name = "todos")]
        impl Todos {
            pub fn not_async(tx: &mut Tx<'_>, ctx: &Ctx, args: A) -> plasma::Result<()> { Ok(()) }
            pub async fn by_value(tx: Tx<'_>, ctx: &Ctx, args: B) -> plasma::Result<()> { Ok(()) }
        }
    "#;
}

macro_rules! derives {
    ($($name:ident => $input:literal;)*) => {$(
        #[test]
        fn $name() {
            snapshot(stringify!($name), $input, &crate::column::derive($input.parse().expect("the item is tokens")));
        }
    )*};
}

derives! {
    column_newtype => r#"
        #[derive(plasma::Column)]
        pub struct Email(String);
    "#;
    column_enum => r#"
        #[derive(plasma::Column)]
        #[column(rename_all = "kebab-case")]
        pub enum Status { Open, InProgress, #[column(rename = "closed")] Done }
    "#;
    column_newtype_with_capabilities => r#"
        #[derive(plasma::Column)]
        #[column(numeric, text)]
        pub struct Money { cents: Fixed<2> }
    "#;
    column_enum_of_numbers => r#"
        #[derive(plasma::Column)]
        #[column(as = int)]
        pub enum Priority { Low = -1, High = 0x10, #[column(other)] Unknown }
    "#;
    column_enum_that_keeps_others => r#"
        #[derive(plasma::Column)]
        pub enum Emoji { ThumbsUp, #[column(other)] Other(String) }
    "#;
    column_enum_with_data => r#"
        #[derive(plasma::Column)]
        pub enum Status { Open, Blocked(String) }
    "#;
}
