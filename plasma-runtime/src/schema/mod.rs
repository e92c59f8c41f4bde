//! What a schema is once the types are gone: tables, columns, keys, and the definition both engines are opened with.

mod check;
mod column_type;
mod file;
pub mod fingerprint;
mod index;
mod lens;
pub mod lock;
#[cfg(test)]
pub(crate) mod samples;
mod table;

pub use check::CheckDef;
pub(crate) use check::validate;
pub use column_type::*;
pub use file::{FileOptions, UploadTime};
pub(crate) use index::fitting;
pub use index::{INDEX_PREFIX, IndexDef, NamedIndex};
pub use lens::{Incompatible, Lens, View};
pub use lock::LockedVersion;
pub use table::*;

use crate::mutate::{MutatorDef, PolicyDef, ResolveFn};
use crate::value::{Kind, Value};

/// What happens to a row when the row it references is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnDelete {
    /// The delete is refused when the statement ends (the default, as in SQL).
    #[default]
    NoAction,
    /// The delete is refused at once.
    Restrict,
    /// The referencing row is deleted too.
    Cascade,
    /// The reference is set to NULL.
    SetNull,
}

/// What an insert stores in a column it does not name.
#[derive(Debug, Clone, Copy)]
pub enum ColumnDefault {
    /// Always the same value.
    Value(fn() -> Value),
    /// The time of the mutation, by its envelope.
    Now,
}

/// A column, as data.
#[derive(Debug, Clone, Copy)]
pub struct ColumnDef {
    /// SQL name.
    pub name: &'static str,
    /// Kind of the values.
    pub kind: Kind,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether no two rows may hold the same value (NULLs excepted).
    pub unique: bool,
    /// The value an insert that does not name the column stores.
    pub default: Option<ColumnDefault>,
    /// Every update that does not set the column stores the time of its mutation.
    pub on_update_now: bool,
    /// The SQL name of the table an id column refers to (the own table for `id`).
    pub references: Option<&'static str>,
    /// What happens when the referenced row is deleted.
    pub on_delete: OnDelete,
    /// The client keeps the values encrypted when it has a key. The server and the wire have them in clear.
    pub at_rest: bool,
    /// What files the column takes.
    pub file: Option<&'static FileOptions>,
}

impl ColumnDef {
    /// A column of this kind that is never NULL, without options.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        ColumnDef {
            name,
            kind,
            nullable: false,
            unique: false,
            default: None,
            on_update_now: false,
            references: None,
            on_delete: OnDelete::NoAction,
            at_rest: false,
            file: None,
        }
    }

    /// A column that stores values of the Rust type `V`.
    pub const fn of<V: ColumnType>(name: &'static str) -> Self {
        ColumnDef {
            nullable: V::NULLABLE,
            references: V::REFERENCES,
            at_rest: V::AT_REST,
            default: match V::EMPTY {
                Some(empty) => Some(ColumnDefault::Value(empty)),
                None => None,
            },
            ..ColumnDef::new(name, V::KIND)
        }
    }

    /// The same column, `unique`.
    #[must_use]
    pub const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// The same column with a default.
    #[must_use]
    pub const fn default_value(mut self, default: fn() -> Value) -> Self {
        self.default = Some(ColumnDefault::Value(default));
        self
    }

    /// The same column, which a new row fills with the time of its mutation.
    #[must_use]
    pub const fn default_now(mut self) -> Self {
        self.default = Some(ColumnDefault::Now);
        self
    }

    /// The same column, which every update fills with the time of its mutation.
    #[must_use]
    pub const fn on_update_now(mut self) -> Self {
        self.on_update_now = true;
        self
    }

    /// The same column as an id that the database does not hold to its target.
    #[must_use]
    pub const fn unconstrained(mut self) -> Self {
        self.references = None;
        self
    }

    /// The same column with limits for its files.
    #[must_use]
    pub const fn file(mut self, options: &'static FileOptions) -> Self {
        self.file = Some(options);
        self
    }

    /// The same column with an action for deletes of the referenced row.
    #[must_use]
    pub const fn on_delete(mut self, action: OnDelete) -> Self {
        self.on_delete = action;
        self
    }
}

/// A table, as data. `columns[id]` is the column `id`, of kind [`Kind::Id`].
#[derive(Debug, Clone, Copy)]
pub struct TableDef {
    /// SQL name.
    pub name: &'static str,
    /// The columns, in declaration order: the order of a [`Row`](crate::value::Row)'s values.
    pub columns: &'static [ColumnDef],
    /// Position of `id` in `columns`.
    pub id: usize,
    /// Exists on both sides, never syncs.
    pub local_only: bool,
    /// Declared `auth = open`: everybody may read and write every row.
    pub open: bool,
    /// Declared indexes, besides those of `unique` columns.
    pub indexes: &'static [IndexDef],
    /// Rules that every row keeps.
    pub checks: &'static [CheckDef],
    /// The store of the table's files, by the name the server gives it.
    pub blobs: Option<&'static str>,
    /// Merges a row that two sides changed.
    pub resolve_conflict: Option<ResolveFn>,
}

impl TableDef {
    /// A synced table with access by policy, as `columns` describe it.
    ///
    /// # Panics
    /// At compile time (it is meant for consts), when there is no column named `id`.
    pub const fn new(name: &'static str, columns: &'static [ColumnDef]) -> Self {
        let mut id = 0;
        while id < columns.len() {
            if fingerprint::str_eq(columns[id].name, "id") {
                return TableDef {
                    name,
                    columns,
                    id,
                    local_only: false,
                    open: false,
                    indexes: &[],
                    checks: &[],
                    blobs: None,
                    resolve_conflict: None,
                };
            }
            id += 1;
        }
        panic!("a table needs a column `id`")
    }

    /// The same table, which never syncs.
    #[must_use]
    pub const fn local_only(mut self) -> Self {
        self.local_only = true;
        self
    }

    /// The same table, `auth = open`.
    #[must_use]
    pub const fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The same table with these indexes.
    #[must_use]
    pub const fn indexes(mut self, indexes: &'static [IndexDef]) -> Self {
        self.indexes = indexes;
        self
    }

    /// The same table with these rules.
    #[must_use]
    pub const fn checks(mut self, checks: &'static [CheckDef]) -> Self {
        self.checks = checks;
        self
    }

    /// The same table with a store of its own for files.
    #[must_use]
    pub const fn blobs(mut self, store: &'static str) -> Self {
        self.blobs = Some(store);
        self
    }

    /// The same table with a merge of conflicting rows.
    #[must_use]
    pub const fn resolve_conflict(mut self, resolve: ResolveFn) -> Self {
        self.resolve_conflict = Some(resolve);
        self
    }

    /// The position of the column with this SQL name.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The column with this SQL name.
    pub fn column(&self, name: &str) -> Option<&'static ColumnDef> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The foreign keys of this table: every id column but `id` itself.
    pub fn foreign_keys(&self) -> impl Iterator<Item = (usize, &'static ColumnDef)> {
        let id = self.id;
        self.columns.iter().enumerate().filter(move |(index, column)| *index != id && column.references.is_some())
    }

    /// The id of a row of this table.
    ///
    /// # Panics
    /// When the row is not one of this table (its id is not text).
    pub fn row_id<'r>(&self, row: &'r [Value]) -> &'r str {
        match &row[self.id] {
            Value::Text(id) => id,
            other => panic!("row of `{}` has the id {other:?}", self.name),
        }
    }
}

impl PartialEq for TableDef {
    /// Two definitions are the same table when they have the same name.
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for TableDef {}

/// A schema, as data.
#[derive(Debug, Clone, Copy)]
pub struct SchemaDef {
    /// Name of the schema's type, for messages.
    pub name: &'static str,
    /// The version people see.
    pub version: &'static str,
    /// The const hash that decides; 16 hex digits on the wire.
    pub fingerprint: u64,
    /// The tables.
    pub tables: &'static [&'static TableDef],
    /// The versions in `plasma.lock`, in its order, which is the order in which they were locked.
    pub locked: &'static [LockedVersion],
}

impl SchemaDef {
    /// The former version with this fingerprint, as `plasma.lock` has it.
    pub fn former(&self, fingerprint: u64) -> Option<&'static LockedVersion> {
        self.locked.iter().find(|locked| locked.fingerprint == fingerprint && locked.version != self.version)
    }

    /// The table with this SQL name.
    pub fn table(&self, name: &str) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|table| table.name == name)
    }

    /// The tables that sync.
    pub fn synced(&self) -> impl Iterator<Item = &'static TableDef> {
        self.tables.iter().copied().filter(|table| !table.local_only)
    }

    /// The foreign keys that point at `table`: the referencing table and the position of its column.
    pub fn referencing(&self, table: &str) -> impl Iterator<Item = (&'static TableDef, usize)> {
        self.tables.iter().copied().flat_map(move |child| {
            child
                .foreign_keys()
                .filter(move |(_, column)| column.references == Some(table))
                .map(move |(index, _)| (child, index))
        })
    }

    /// The fingerprint as it goes over the wire: 16 lower-case hex digits.
    pub fn fingerprint_hex(&self) -> String {
        fingerprint::hex(self.fingerprint)
    }
}

/// Everything an engine is opened with: the schema, its mutators, its policies.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The tables.
    pub schema: SchemaDef,
    /// The mutators, by wire name.
    pub mutators: Vec<MutatorDef>,
    /// The policies; a synced table that is not `open` has one when the schema has a context.
    pub policies: Vec<PolicyDef>,
}

impl Definition {
    /// The mutator with this wire name, be it one of an earlier version.
    pub fn mutator(&self, name: &str) -> Option<&MutatorDef> {
        let named = self.mutators.iter().find(|mutator| mutator.name == name);
        named.or_else(|| self.mutators.iter().find(|mutator| mutator.aliases.contains(&name)))
    }

    /// The policy of a table.
    pub fn policy(&self, table: &str) -> Option<&PolicyDef> {
        self.policies.iter().find(|policy| policy.table.name == table)
    }
}
