//! What tables look like: as a program declares them, and as a database has them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::crdt::CrdtKind;
use crate::query::lower::Dialect;
use crate::schema::lock::{kind_word, on_delete_word};
use crate::schema::{ColumnDef, IndexDef, OnDelete, SchemaDef, TableDef};
use crate::store::ddl::{self, Side};
use crate::value::Kind;

/// The tables of a schema in a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::server) struct Shape {
    pub(super) tables: BTreeMap<String, TableShape>,
}

/// One table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableShape {
    pub(super) local_only: bool,
    pub(super) columns: BTreeMap<String, ColumnShape>,
    /// Sets of several columns in which no two rows are equal, each sorted.
    pub(super) unique: BTreeSet<Vec<String>>,
    /// The names of the library's indexes.
    pub(super) indexes: BTreeSet<String>,
    /// The rules that the program holds every row to, as written.
    pub(super) checks: BTreeSet<String>,
    /// What others have added to the table: columns with their definitions. They stay.
    pub(super) foreign: BTreeMap<String, String>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ColumnShape {
    /// The word of a lock for the kind of its values; the database's word for a type that no kind has.
    pub(super) kind: String,
    pub(super) nullable: bool,
    pub(super) unique: bool,
    /// What stands after `DEFAULT`.
    pub(super) default: Option<String>,
    pub(super) references: Option<String>,
    /// The word of a lock.
    pub(super) on_delete: String,
    /// As it stands in `CREATE TABLE`.
    pub(super) definition: String,
}

impl Shape {
    /// What the program declares.
    pub(in crate::server) fn declared(schema: &SchemaDef, dialect: Dialect) -> Self {
        let tables = schema.tables.iter().map(|table| (table.name.to_owned(), TableShape::declared(table, dialect)));
        Shape { tables: tables.collect() }
    }
}

impl TableShape {
    fn declared(table: &TableDef, dialect: Dialect) -> Self {
        let columns = (0..table.columns.len())
            .map(|index| (table.columns[index].name.to_owned(), ColumnShape::declared(table, index, dialect)));
        let sets = table.indexes.iter().filter(|index| index.unique).map(|index| {
            let mut set: Vec<String> = index.columns.iter().map(|&column| column.to_owned()).collect();
            set.sort_unstable();
            set
        });
        TableShape {
            local_only: table.local_only,
            columns: columns.collect(),
            unique: sets.collect(),
            indexes: table.named_indexes().into_iter().map(|index| index.name).collect(),
            checks: table.checks.iter().map(|check| check.text.to_owned()).collect(),
            foreign: BTreeMap::new(),
        }
    }

    /// The table as triggers need it, with all columns that the library knows of.
    ///
    /// It lives as long as the program, as declared tables do. One is made for each table that holds more than the
    /// program declares, when a migration changes the table.
    pub(super) fn leak(&self, name: &str) -> &'static TableDef {
        let text = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let mut names: Vec<&String> = self.columns.keys().collect();
        names.sort_by_key(|column| (*column != "id", *column));
        let columns: Vec<ColumnDef> = names
            .into_iter()
            .filter_map(|column| {
                let shape = &self.columns[column];
                let mut def = ColumnDef::new(text(column), kind_of(&shape.kind)?);
                (def.nullable, def.unique) = (shape.nullable, shape.unique);
                Some(def)
            })
            .collect();
        let sets = self.unique.iter().map(|set| {
            let columns: Vec<&'static str> = set.iter().map(|column| text(column)).collect();
            IndexDef::unique(Box::leak(columns.into_boxed_slice()))
        });
        let indexes: Vec<IndexDef> = sets.collect();
        let mut table = TableDef::new(text(name), Box::leak(columns.into_boxed_slice()));
        table.indexes = Box::leak(indexes.into_boxed_slice());
        table.local_only = self.local_only;
        Box::leak(Box::new(table))
    }
}

impl ColumnShape {
    fn declared(table: &TableDef, index: usize, dialect: Dialect) -> Self {
        let column = &table.columns[index];
        ColumnShape {
            kind: kind_word(column.kind).to_owned(),
            nullable: column.nullable,
            unique: column.unique && index != table.id,
            default: match dialect {
                Dialect::Sqlite => ddl::default_sql(column),
                Dialect::Postgres => ddl::postgres::default(column),
            },
            references: column.references.filter(|_| index != table.id).map(str::to_owned),
            on_delete: match column.references {
                Some(_) => on_delete_word(column.on_delete).to_owned(),
                None => on_delete_word(OnDelete::NoAction).to_owned(),
            },
            definition: match dialect {
                Dialect::Sqlite => ddl::column_sql(column, index == table.id, Side::Server),
                // Postgres does not keep what it was told.
                Dialect::Postgres => String::new(),
            },
        }
    }

    /// Whether an insert may leave it out.
    pub(super) fn omittable(&self) -> bool {
        self.nullable || self.default.is_some()
    }

    /// As a lock writes it.
    pub(super) fn words(&self) -> String {
        let mut words = self.kind.clone();
        for (word, given) in [(" null", self.nullable), (" default", self.default.is_some()), (" unique", self.unique)]
        {
            if given {
                words.push_str(word);
            }
        }
        if let Some(table) = &self.references {
            words.push_str(" -> ");
            words.push_str(table);
        }
        if self.on_delete != on_delete_word(OnDelete::NoAction) {
            words.push_str(" on_delete ");
            words.push_str(&self.on_delete);
        }
        words
    }
}

/// The kind that a lock writes with this word.
pub(super) fn kind_of(word: &str) -> Option<Kind> {
    const PLAIN: [Kind; 12] = [
        Kind::Id,
        Kind::Text,
        Kind::Int,
        Kind::BigInt,
        Kind::Float,
        Kind::Bool,
        Kind::Blob,
        Kind::Json,
        Kind::Timestamp,
        Kind::Date,
        Kind::File,
        Kind::Sealed,
    ];
    let fixed = (0..=18).map(Kind::Fixed);
    let scalars = PLAIN.into_iter().chain(fixed);
    scalars.chain(CrdtKind::all().map(Kind::Crdt)).find(|kind| kind_word(*kind) == word)
}
