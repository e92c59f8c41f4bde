//! Which cells are sealed, and the SQL around them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::schema::SchemaDef;
use crate::store::SqlConnection;
use crate::store::cells::{OPEN, SEAL};
use crate::store::ddl::{quote, quote_text};
use crate::value::{Kind, Value};

/// A table of the client's own: its name, what names a row, and the columns that may hold values of sealed columns.
type Own = (&'static str, &'static str, &'static [&'static str]);

/// The client's own tables. The digests are hashes of rows: they would confirm a guess.
const OWN: [Own; 4] = [
    ("_plasma_outbox", "key", &["args", "failing", "read_digest", "write_digest", "bases", "observed"]),
    ("_plasma_effects", "table_name || '/' || row_id", &["before", "after"]),
    ("_plasma_inbox", "CAST(seq AS TEXT)", &["body"]),
    ("_plasma_outcomes", "key", &["args", "message", "data"]),
];

/// The sealed columns of tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Places(BTreeMap<String, Vec<String>>);

impl Places {
    /// Those of the client's own tables.
    pub(crate) fn own() -> Self {
        Self::of(OWN.iter().map(|(table, _, columns)| (*table, columns.iter().copied())))
    }

    /// Those of the application's tables.
    pub(crate) fn of_schema(schema: &SchemaDef) -> Self {
        Self::of(schema.tables.iter().map(|table| {
            let columns = table.columns.iter().filter(|column| column.at_rest);
            (table.name, columns.map(|column| column.name))
        }))
    }

    fn of<'p>(tables: impl Iterator<Item = (&'p str, impl Iterator<Item = &'p str>)>) -> Self {
        let mut places = Places::default();
        for (table, columns) in tables {
            places.add(table, columns);
        }
        places
    }

    /// Adds columns of a table.
    pub(crate) fn add<'p>(&mut self, table: &str, columns: impl Iterator<Item = &'p str>) {
        let columns: Vec<String> = columns.map(str::to_owned).collect();
        if !columns.is_empty() {
            self.0.entry(table.to_owned()).or_default().extend(columns);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tables, in order.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(table, columns)| (table.as_str(), columns.as_slice()))
    }

    /// The sealed columns of a table.
    pub(crate) fn columns(&self, table: &str) -> &[String] {
        self.0.get(table).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn has(&self, table: &str, column: &str) -> bool {
        self.columns(table).iter().any(|sealed| sealed == column)
    }

    /// Puts views in front of the tables that show their cells in clear, to this connection alone.
    pub(crate) fn show(&self, store: &mut dyn SqlConnection) -> Result<()> {
        for (table, columns) in self.tables() {
            let named = "SELECT name FROM pragma_table_info(?1, 'main') ORDER BY cid";
            let names = store.query(named, &[table.into()], &[Kind::Text])?;
            let shown = names.iter().flatten().filter_map(Value::as_text).map(|name| {
                let column = quote(name);
                match columns.iter().any(|sealed| sealed == name) {
                    true => format!("{} AS {column}", opening(&column, table, name, row(table))),
                    false => column,
                }
            });
            let shown: Vec<String> = shown.collect();
            let table = quote(table);
            store.batch(&format!("CREATE TEMP VIEW {table} AS SELECT {} FROM main.{table}", shown.join(", ")))?;
        }
        Ok(())
    }

    /// Replaces every cell by what `how` makes of the text of its expression, its table, its column and its row.
    pub(crate) fn rewrite(
        &self,
        store: &mut dyn SqlConnection,
        how: impl Fn(&str, &str, &str, &str) -> String,
    ) -> Result<()> {
        for (table, columns) in self.tables() {
            let changes = columns.iter().map(|name| {
                let column = quote(name);
                format!("{column} = {}", how(&column, table, name, row(table)))
            });
            let changes: Vec<String> = changes.collect();
            store.execute(&format!("UPDATE main.{} SET {}", quote(table), changes.join(", ")), &[])?;
        }
        Ok(())
    }
}

/// The SQL of what names a row in its table.
pub(super) fn row(table: &str) -> &'static str {
    OWN.iter().find(|(own, ..)| *own == table).map_or("\"id\"", |(_, row, _)| row)
}

/// The SQL of a value, sealed for its place.
pub(crate) fn sealing(value: &str, table: &str, column: &str, row: &str) -> String {
    format!("{SEAL}({value}, {}, {}, {row})", quote_text(table), quote_text(column))
}

/// The SQL of what a cell holds.
pub(crate) fn opening(cell: &str, table: &str, column: &str, row: &str) -> String {
    format!("{OPEN}({cell}, {}, {}, {row})", quote_text(table), quote_text(column))
}

/// Removes the views of this connection.
pub(crate) fn drop_views(store: &mut dyn SqlConnection) -> Result<()> {
    let named = "SELECT name FROM temp.sqlite_schema WHERE type = 'view' AND instr(sql, ?1) > 0";
    let views = store.query(named, &[OPEN.into()], &[Kind::Text])?;
    for name in views.iter().flatten().filter_map(Value::as_text) {
        store.batch(&format!("DROP VIEW temp.{}", quote(name)))?;
    }
    Ok(())
}
