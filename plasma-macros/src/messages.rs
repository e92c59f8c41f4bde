//! Every message the macros raise by themselves: lower case, no final period, the fix after the mistake.
//!
//! A message with a `{}` has a function; the rest are constants. Messages that speak about *types* are not here: the
//! compiler raises them from the traits in `plasma-runtime`.

pub(crate) const TABLE_NEEDS_NAMED_FIELDS: &str = "`#[plasma::table]` needs a struct with named fields";
pub(crate) const TABLE_GENERIC: &str = "tables cannot have generic parameters";
pub(crate) const COLUMN_CFG: &str = "a column cannot be conditional: client and server must agree on the table";
pub(crate) const COLUMN_NEEDS_LIST: &str = "`#[column]` needs options: `#[column(unique)]`";
pub(crate) const ID_DEFAULT: &str =
    "`id` cannot have a default: ids come from `tx.new_id()`, or from `.with_id(..)` on the new row";
pub(crate) const ID_OPTION: &str = "the `id` column takes no options";
pub(crate) const CRDT_DEFAULT: &str = "a CRDT column begins empty and cannot have a default";
pub(crate) const DEFAULT_NULL: &str = "an `Option` column is null unless a value is given: leave the default out";

pub(crate) const INDEX_OF_UNIQUE: &str = "a `unique` column is indexed already";
pub(crate) const UNIQUE_WITH_ID: &str = "no two rows have one `id`, so a set with it is unique already";
pub(crate) const INDEX_TOO_WIDE: &str = "an index has at most 32 columns (Postgres)";
pub(crate) const ON_DELETE_UNCONSTRAINED: &str = "the database does not watch an `unconstrained` column, so there is nothing to do on a delete; leave one of them out";
pub(crate) const PATCH_ID: &str = "the `id` of a row never changes";
pub(crate) const PATCH_NO_COLUMN: &str = "the table has no column to patch";
pub(crate) const LOCAL_ONLY_CONFLICT: &str =
    "a `local_only` table never syncs, so no two sides change one of its rows; leave `resolve_conflict` out";
pub(crate) const BLOBS_EMPTY: &str = "the name of a blob store cannot be empty";
pub(crate) const FILE_SIZE: &str =
    "expected a size such as \"5 MiB\": a whole number and one of `B`, `KB`, `MB`, `GB`, `KiB`, `MiB`, `GiB`";
pub(crate) const FILE_SIZE_RANGE: &str = "a file has at least one byte and at most 2^53 - 1";
pub(crate) const FILE_MIME: &str = "expected a media type such as \"image/png\" or \"image/*\", without parameters";
pub(crate) const FILE_SEALED: &str =
    "`sealed` files are not supported yet: their bytes would reach the server in the clear";

pub(crate) const SCHEMA_NEEDS_UNIT_STRUCT: &str = "`#[plasma::schema]` needs a unit struct: `pub struct App;`";
pub(crate) const SCHEMA_NEEDS_VERSION: &str = "`#[plasma::schema]` needs `version = \"..\"`";
pub(crate) const SCHEMA_VERSION_EMPTY: &str = "the version of a schema cannot be empty";
pub(crate) const SCHEMA_VERSION_TEXT: &str = "the version of a schema has no control characters, no `\"` and no `\\`";
pub(crate) const LOCK_VALUE: &str =
    "`lock` is a path from the folder of `Cargo.toml`, such as `\"../plasma.lock\"`, or `false`";
pub(crate) const LOCK_NEEDS_CARGO: &str = "`lock` needs a build by cargo, which says where `Cargo.toml` is";
pub(crate) const SCHEMA_NEEDS_TABLES: &str = "`#[plasma::schema]` needs `tables(..)`";
pub(crate) const FINGERPRINT_LITERAL: &str =
    "`fingerprint` needs the 64-bit number the compiler printed: `fingerprint = 0x0123456789abcdef`";

pub(crate) const ARGS_NEEDS_NAMED_FIELDS: &str =
    "`#[plasma::args]` needs a struct with named fields: arguments travel as a JSON object";
pub(crate) const ARGS_GENERIC: &str = "mutator arguments cannot have generic parameters";
pub(crate) const ARG_CFG: &str = "an argument cannot be conditional: client and server must agree on it";
pub(crate) const ARG_NEEDS_LIST: &str = "`#[arg]` needs rules: `#[arg(len(1..=200))]`";
pub(crate) const ARG_SEAL_LIST: &str =
    "`seal` needs the column and the row that the value is for: `seal(column = Note::body, row = self.id)`";
pub(crate) const ARG_SEAL_TYPE: &str =
    "`seal` fills a field that is spelled `Sealed<_>` or `Option<Sealed<_>>`; this one would travel in the clear";
pub(crate) const ARG_RULE_RANGE: &str = "expected a range such as `1..=200`";
pub(crate) const ARG_RULE_EMPTY: &str = "no value is in this range: write the lower bound first";
pub(crate) const ARG_RULE_CLOSED: &str = "the upper bound of a rule is inclusive: write `1..=200`";

pub(crate) const MUTATORS_NEEDS_SCHEMA: &str =
    "`#[plasma::mutators]` needs the schema its mutators belong to: `#[plasma::mutators(App)]`";
pub(crate) const MUTATORS_NEEDS_IMPL: &str =
    "`#[plasma::mutators]` needs an `impl` block of the set's type: `impl Todos { .. }`";
pub(crate) const MUTATORS_TRAIT: &str = "`#[plasma::mutators]` goes on an inherent `impl` block, not on a trait's";
pub(crate) const MUTATORS_GENERIC: &str = "a set of mutators cannot have generic parameters";
pub(crate) const MUTATOR_NOT_ASYNC: &str = "a mutator must be an `async fn` (a `fn` without `pub` is a helper)";
pub(crate) const MUTATOR_SIGNATURE: &str =
    "expected `async fn name(tx: &mut Tx<'_>, ctx: &Ctx, args: Args) -> plasma::Result<()>`";
pub(crate) const MUTATOR_TX: &str = "the first parameter of a mutator must be `&mut Tx<'_>`";
pub(crate) const MUTATOR_CTX: &str =
    "the second parameter of a mutator must be `&Ctx`, a reference to the schema's context";
pub(crate) const MUTATOR_ARGS: &str = "the arguments of a mutator are taken by value: `args: Args`";
pub(crate) const MUTATOR_RETURN: &str =
    "a mutator returns `plasma::Result<()>`; both sides run it, so it has no value to return";
pub(crate) const MUTATOR_ON_HELPER: &str =
    "`#[mutator(..)]` on a function without `pub`, which is a helper and no mutator";
pub(crate) const MUTATOR_NAME: &str = "a mutator's name has letters, digits, `_`, `-` and dots, and at most 128 bytes";

pub(crate) const COLUMN_DERIVE_ITEM: &str =
    "`derive(plasma::Column)` needs a newtype (`struct Email(String);`) or an enum of unit variants";
pub(crate) const COLUMN_DERIVE_GENERIC: &str = "a column type cannot have generic parameters";
pub(crate) const COLUMN_DERIVE_DATA: &str =
    "a variant with data cannot be stored as text: use unit variants, or `Json<_>` for the whole enum";
pub(crate) const COLUMN_DERIVE_OTHER: &str =
    "the `other` variant has no data, or keeps the value it stands for in one field: `Other(String)`";
pub(crate) const COLUMN_DERIVE_OTHER_TWICE: &str = "only one variant can stand for all other values";
pub(crate) const COLUMN_DERIVE_OTHER_RENAME: &str = "the `other` variant has no name of its own in the database";
pub(crate) const COLUMN_DERIVE_NO_NUMBER: &str =
    "`as = int` stores the number of the variant, so each needs one: `= 1`";
pub(crate) const COLUMN_DERIVE_NUMBER: &str = "`as = int` needs a literal whole number of 32 bits";
pub(crate) const COLUMN_DERIVE_INT_NAME: &str = "with `as = int` a variant is stored as its number and has no name";
pub(crate) const COLUMN_DERIVE_EMPTY: &str = "an enum without variants has no value to store";

/// A struct without `id`.
pub(crate) fn no_id(table: &str) -> String {
    format!("table `{table}` has no `id` column; add `id: plasma::Id<{table}>`")
}

/// A column const that would hide an associated function; `named_too` when it is no name for SQL either.
pub(crate) fn taken_const(name: &str, named_too: bool) -> String {
    let fix = if named_too { "name = \"..\", accessor = .." } else { "accessor = .." };
    format!("a column named `{name}` hides the table's own `{name}`; rename the field or set `#[column({fix})]`")
}

/// Two columns of one SQL name.
pub(crate) fn same_sql_name(name: &str, other: &str) -> String {
    format!(
        "the columns `{other}` and this one are both named `{name}` in SQL, where upper and lower case are the same"
    )
}

/// Two consts of one name.
pub(crate) fn same_const(name: &str) -> String {
    format!("two columns have the accessor `{name}`")
}

/// A lock that was named and is not there.
pub(crate) fn lock_not_found(path: &str) -> String {
    format!(
        "there is no `{path}` from the folder of `Cargo.toml`; `PLASMA_LOCK=write cargo test plasma_lock` writes it"
    )
}

/// A name in a list that is no column.
pub(crate) fn no_column(table: &str, name: &str, hint: &str) -> String {
    format!("table `{table}` has no column `{name}`{hint}; the names are those of the fields")
}

/// One list of columns for two indexes.
pub(crate) fn same_index(columns: &[String]) -> String {
    format!("there is an index over `{}` already", columns.join("`, `"))
}

/// A table listed twice.
pub(crate) fn listed_twice(what: &str, name: &str) -> String {
    format!("{what} `{name}` is listed twice")
}

/// One type of arguments for two mutators.
pub(crate) fn args_used_twice(args: &str, other: &str) -> String {
    format!(
        "`{args}` is already the arguments of `{other}`; a mutator is found by the type of its arguments, so each needs its own"
    )
}

/// Two mutators of one wire name.
pub(crate) fn same_mutator_name(name: &str) -> String {
    format!("two mutators are named `{name}`")
}

/// A former name that calls another mutator.
pub(crate) fn alias_taken(name: &str) -> String {
    format!("`{name}` is the name of a mutator already")
}

/// Two variants stored as one text.
pub(crate) fn same_variant_text(text: &str, other: &str) -> String {
    format!("`{other}` and this variant are both stored as `{text}`")
}

/// A derive that the macro adds by itself.
pub(crate) fn derived_already(name: &str) -> String {
    format!("`#[plasma::args]` derives `{name}` already")
}

pub(crate) const PROJECTION_GENERIC: &str = "a projected struct cannot have generic parameters";
pub(crate) const PROJECTION_NEEDS_NAMED_FIELDS: &str =
    "`#[derive(plasma::Projection)]` needs a struct with named fields";
pub(crate) const PROJECTION_EMPTY: &str = "a projected struct needs a field";
pub(crate) const PROJECTION_NEEDS_LIST: &str = "`#[projection]` needs options: `#[projection(from = Todo)]`";
pub(crate) const PROJECTION_SOURCE: &str = "expected a column, `Table::column`; for what is calculated or counted use \
                                            `.project((..)).map(|(..)| ..)`";
pub(crate) fn projection_no_source(field: &str) -> String {
    format!(
        "nothing says where `{field}` comes from: `#[from(Table::column)]` on the field, or \
         `#[projection(from = Table)]` on the struct for columns of the same name"
    )
}

pub(crate) const REJECTION_GENERIC: &str = "a rejection cannot have generic parameters";
pub(crate) const REJECTION_NEEDS_ENUM: &str =
    "`#[derive(plasma::Rejection)]` needs an enum: a variant for each way to refuse";
pub(crate) const REJECTION_EMPTY: &str = "an enum without variants refuses nothing";
pub(crate) const REJECTION_NEEDS_LIST: &str = "`#[rejection]` needs options: `#[rejection(code = \"..\")]`";
pub(crate) const REJECTION_CODE: &str = "a code has letters, digits, `_`, `-` and dots, and at most 128 bytes";
pub(crate) const REJECTION_MESSAGE: &str = "the message of a rejection cannot be empty";
pub(crate) const REJECTION_TUPLE: &str =
    "several values need names, which are sent: `OutOfStock { product: Id<Product>, left: i64 }`";
pub(crate) const REJECTION_ON_FIELD: &str =
    "`#[rejection(..)]` goes on a variant, or on the enum; a field has no options";

/// A code of the library.
pub(crate) fn reserved_code(code: &str) -> String {
    format!("`{code}` is a code of the library; give the variant another: `#[rejection(code = \"..\")]`")
}

/// Two variants of one code.
pub(crate) fn same_rejection_code(code: &str, other: &str) -> String {
    format!("`{other}` and this variant both have the code `{code}`")
}
