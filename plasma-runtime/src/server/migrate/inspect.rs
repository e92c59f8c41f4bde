//! What a database has.

use std::collections::{BTreeMap, BTreeSet};

use super::shape::{ColumnShape, Shape, TableShape, kind_of};
use super::sql_text::definitions;
use crate::error::Result;
use crate::query::lower::Dialect;
use crate::store::SqlExecutor;
use crate::store::ddl::storage_class;
use crate::value::{Kind, Row, Value};

/// The tables of `noted` and `declared` that the database has, as they are. What the database does not know (the kinds of
/// values, the rules of the program) is taken from `noted`, then from `declared`.
pub(super) async fn inspect(db: &mut dyn SqlExecutor, noted: &Shape, declared: &Shape) -> Result<Shape> {
    if db.dialect() == Dialect::Postgres {
        return super::inspect_postgres::inspect(db, noted, declared).await;
    }
    let tables = db.query("SELECT name, sql FROM sqlite_schema WHERE type = 'table'", &[], &[Kind::Text; 2]).await?;
    let facts = Facts::read(db).await?;
    let mut shape = Shape::default();
    for row in &tables {
        let (name, sql) = (text(row, 0), text(row, 1));
        let (noted, declared) = (noted.tables.get(name), declared.tables.get(name));
        if noted.is_some() || declared.is_some() {
            shape.tables.insert(name.to_owned(), facts.table(name, sql, noted, declared));
        }
    }
    Ok(shape)
}

/// Rows of pragmas, by table.
#[derive(Default)]
struct Facts {
    columns: BTreeMap<String, Vec<Column>>,
    /// By table and column: the target and what a delete does.
    references: BTreeMap<(String, String), (String, String)>,
    /// By table: the columns of the library's unique indexes.
    sets: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Table and column of unique constraints.
    unique: BTreeSet<(String, String)>,
    /// By table: the names of the library's indexes.
    indexes: BTreeMap<String, BTreeSet<String>>,
}

struct Column {
    name: String,
    class: String,
    not_null: bool,
    default: Option<String>,
    key: bool,
}

impl Facts {
    async fn read(db: &mut dyn SqlExecutor) -> Result<Self> {
        let mut facts = Facts::default();
        const COLUMNS: &str = "SELECT t.name, c.name, upper(c.type), c.\"notnull\", c.dflt_value, c.pk \
            FROM sqlite_schema t, pragma_table_xinfo(t.name) c WHERE t.type = 'table' ORDER BY t.name, c.cid";
        const KINDS: [Kind; 6] = [Kind::Text, Kind::Text, Kind::Text, Kind::Int, Kind::Text, Kind::Int];
        for row in db.query(COLUMNS, &[], &KINDS).await? {
            facts.columns.entry(text(&row, 0).to_owned()).or_default().push(Column {
                name: text(&row, 1).to_owned(),
                class: text(&row, 2).to_owned(),
                not_null: row[3] != Value::Int(0),
                default: row[4].as_text().map(str::to_owned),
                key: row[5] != Value::Int(0),
            });
        }
        const REFERENCES: &str = "SELECT t.name, f.\"from\", f.\"table\", f.on_delete \
            FROM sqlite_schema t, pragma_foreign_key_list(t.name) f WHERE t.type = 'table'";
        for row in db.query(REFERENCES, &[], &[Kind::Text; 4]).await? {
            let action = text(&row, 3).to_ascii_lowercase().replace(' ', "_");
            let key = (text(&row, 0).to_owned(), text(&row, 1).to_owned());
            facts.references.insert(key, (text(&row, 2).to_owned(), action));
        }
        const INDEXES: &str = "SELECT t.name, i.name, i.\"unique\", i.origin, c.name FROM sqlite_schema t, \
            pragma_index_list(t.name) i, pragma_index_info(i.name) c WHERE t.type = 'table' ORDER BY t.name, i.name, c.name";
        const INDEX_KINDS: [Kind; 5] = [Kind::Text, Kind::Text, Kind::Int, Kind::Text, Kind::Text];
        let mut sets: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        // Other indexes are somebody's own.
        for row in db.query(INDEXES, &[], &INDEX_KINDS).await? {
            let (table, index) = (text(&row, 0).to_owned(), text(&row, 1).to_owned());
            if index.starts_with(crate::schema::INDEX_PREFIX) {
                facts.indexes.entry(table.clone()).or_default().insert(index.clone());
                if row[2] != Value::Int(0) {
                    sets.entry((table, index)).or_default().push(text(&row, 4).to_owned());
                }
            } else if text(&row, 3) == "u" {
                facts.unique.insert((table, text(&row, 4).to_owned()));
            }
        }
        for ((table, _), columns) in sets {
            facts.sets.entry(table).or_default().insert(columns);
        }
        Ok(facts)
    }

    fn table(&self, name: &str, sql: &str, noted: Option<&TableShape>, declared: Option<&TableShape>) -> TableShape {
        let known = noted.or(declared);
        let definitions: BTreeMap<String, String> = definitions(sql).into_iter().collect();
        let mut table = TableShape {
            local_only: known.is_some_and(|known| known.local_only),
            unique: self.sets.get(name).cloned().unwrap_or_default(),
            indexes: self.indexes.get(name).cloned().unwrap_or_default(),
            checks: noted.map(|noted| noted.checks.clone()).unwrap_or_default(),
            ..TableShape::default()
        };
        for column in self.columns.get(name).map_or(&[][..], Vec::as_slice) {
            let definition = definitions.get(&column.name).cloned().unwrap_or_default();
            let lookup = |table: Option<&TableShape>| table.and_then(|table| table.columns.get(&column.name)).cloned();
            let (noted, declared) = (lookup(noted), lookup(declared));
            if noted.is_none() && declared.is_none() {
                table.foreign.insert(column.name.clone(), definition);
                continue;
            }
            let known = [&noted, &declared];
            let kind = known
                .into_iter()
                .flatten()
                .map(|shape| &shape.kind)
                .find(|kind| kind_of(kind).is_some_and(|kind| storage_class(kind) == column.class));
            let default = column.default.as_ref().map(|found| {
                let same = |known: &&String| known.as_str() == found || **known == format!("({found})");
                let known = known.into_iter().flatten().filter_map(|shape| shape.default.as_ref()).find(same);
                known.unwrap_or(found).clone()
            });
            let place = (name.to_owned(), column.name.clone());
            let reference = self.references.get(&place);
            let shape = ColumnShape {
                kind: kind.cloned().unwrap_or_else(|| column.class.to_ascii_lowercase()),
                nullable: !column.not_null,
                unique: !column.key && self.unique.contains(&place),
                default,
                references: reference.map(|(table, _)| table.clone()),
                on_delete: reference.map_or_else(|| "no_action".to_owned(), |(_, action)| action.clone()),
                definition,
            };
            table.columns.insert(column.name.clone(), shape);
        }
        table
    }
}

fn text(row: &Row, index: usize) -> &str {
    row.get(index).and_then(Value::as_text).unwrap_or_default()
}
