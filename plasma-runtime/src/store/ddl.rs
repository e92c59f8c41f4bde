//! The SQL of the user's tables, for SQLite.
//!
//! Every table is `STRICT` (SQLite itself refuses a value of another storage class) and `WITHOUT ROWID` (its rows lie in
//! the order of `id`). What a storage class does not say stands in a `CHECK` named after its column: the shape of an
//! id, the range of an int, no U+0000 in text, finite floats, 0 and 1 for booleans, valid JSON, real dates, the one
//! spelling of a file. So a program that writes
//! raw SQL cannot store what the codec could not read, but for one thing: SQLite keeps text that is not UTF-8, and no
//! plain expression of its SQL can tell. Such a row fails its reads, and the pulls of those who may read it, with a
//! `Storage` error until it is mended.

pub mod postgres;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::SqlConnection;
use crate::error::Result;
use crate::schema::{ColumnDef, ColumnDefault, NamedIndex, OnDelete, TableDef};
use crate::value::{Kind, MAX_FILE_SIZE, MAX_MIME, Row, Value};

/// Which engine's table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Native, immediate foreign keys with their actions, and literal defaults for programs that write raw SQL.
    Server,
    /// No `REFERENCES`: a policy may hide parents, and pages bring children first. The client engine performs the
    /// actions itself.
    Client,
    /// As [`Client`](Side::Client), in a store that seals the columns that are `at_rest`.
    Sealed,
}

/// The statements that make a table and its indexes, separated by `;`. They do nothing where the table exists.
pub fn create_table(table: &TableDef, side: Side) -> String {
    let mut sql = format!("CREATE TABLE IF NOT EXISTS {} (", quote(table.name));
    for (index, column) in table.columns.iter().enumerate() {
        sql.push_str(if index == 0 { "\n  " } else { ",\n  " });
        sql.push_str(&column_sql(column, index == table.id, side));
    }
    sql.push_str("\n) STRICT, WITHOUT ROWID;");
    for index in table.named_indexes() {
        sql.push('\n');
        sql.push_str(&create_index(table, &index));
    }
    sql
}

/// The statement that makes an index, unless it is there.
pub fn create_index(table: &TableDef, index: &NamedIndex) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let columns: Vec<String> = index.columns.iter().map(|column| quote(column)).collect();
    let (name, table) = (quote(&index.name), quote(table.name));
    format!("CREATE {unique}INDEX IF NOT EXISTS {name} ON {table} ({});", columns.join(", "))
}

/// The query for the names of the library's indexes in a database, with the names of their tables.
pub const INDEXES: &str = "SELECT name, tbl_name FROM sqlite_schema \
     WHERE type = 'index' AND sql IS NOT NULL AND substr(name, 1, 8) = '_plasma_' AND substr(tbl_name, 1, 8) <> '_plasma_'";

/// The statements that bring the indexes of these tables to what the schema says, given the rows of [`INDEXES`]: those
/// that are no longer declared go, new ones are made. Empty when nothing is to be done.
pub fn index_changes(tables: &[&TableDef], found: &[Row]) -> Vec<String> {
    let found: BTreeSet<(&str, &str)> = found
        .iter()
        .filter_map(|row| match row.as_slice() {
            [Value::Text(name), Value::Text(table)] => Some((table.as_str(), name.as_str())),
            _ => None,
        })
        .collect();
    // A table that was renamed may still have the name that an index of another one is to get: all drops come first.
    let (mut drops, mut creates) = (Vec::new(), Vec::new());
    for table in tables {
        let wanted = table.named_indexes();
        for (_, name) in found.range((table.name, "")..).take_while(|(of, _)| *of == table.name) {
            if !wanted.iter().any(|index| index.name == **name) {
                drops.push(format!("DROP INDEX {};", quote(name)));
            }
        }
        let missing = wanted.iter().filter(|index| !found.contains(&(table.name, index.name.as_str())));
        creates.extend(missing.map(|index| create_index(table, index)));
    }
    drops.extend(creates);
    drops
}

/// The statement that removes a table with its indexes and triggers, if it is there.
pub fn drop_table(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {};", quote(table))
}

/// Whether the database has a table (or view) of this name.
///
/// # Errors
/// [`Storage`](crate::ErrorKind::Storage) when the database cannot be read.
pub fn table_exists(db: &mut dyn SqlConnection, table: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ?";
    Ok(!db.query(sql, &[Value::from(table)], &[Kind::Int])?.is_empty())
}

/// The names of a table's columns in the database, in order; empty when there is no such table.
///
/// # Errors
/// [`Storage`](crate::ErrorKind::Storage) when the database cannot be read.
pub fn column_names(db: &mut dyn SqlConnection, table: &str) -> Result<Vec<String>> {
    let rows = db.query("SELECT name FROM pragma_table_info(?) ORDER BY cid", &[Value::from(table)], &[Kind::Text])?;
    Ok(rows
        .into_iter()
        .flatten()
        .filter_map(|value| match value {
            Value::Text(name) => Some(name),
            _ => None,
        })
        .collect())
}

/// A name as an SQL identifier, whatever it holds.
pub fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        if c == '"' {
            quoted.push('"');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Text as an SQL string literal.
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The storage class of a kind.
pub fn storage_class(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Text | Kind::Json | Kind::Date | Kind::File | Kind::Crdt(_) | Kind::Sealed => "TEXT",
        Kind::Int | Kind::BigInt | Kind::Bool | Kind::Timestamp | Kind::Fixed(_) => "INTEGER",
        Kind::Float => "REAL",
        Kind::Blob => "BLOB",
    }
}

/// A column as it stands in `CREATE TABLE` and `ALTER TABLE .. ADD COLUMN`.
pub(crate) fn column_sql(column: &ColumnDef, is_id: bool, side: Side) -> String {
    let name = quote(column.name);
    if side == Side::Sealed && column.at_rest {
        let not_null = if column.nullable { "" } else { " NOT NULL" };
        return format!("{name} BLOB{not_null}");
    }
    let mut sql = format!("{name} {}", storage_class(column.kind));
    if is_id {
        sql.push_str(" PRIMARY KEY");
    }
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if column.unique && !is_id {
        sql.push_str(" UNIQUE");
    }
    if let (Side::Server, Some(default)) = (side, default_sql(column)) {
        // Writing to a String cannot fail.
        let _ = write!(sql, " DEFAULT {default}");
    }
    let foreign = column.references.filter(|_| !is_id && side == Side::Server);
    // A native foreign key is as strict as the id it points at.
    if let Some(check) = check(column.kind, &name).filter(|_| foreign.is_none()) {
        let _ = write!(sql, " CONSTRAINT {name} CHECK ({check})");
    }
    if let Some(target) = foreign {
        let action = match column.on_delete {
            OnDelete::NoAction => "NO ACTION",
            OnDelete::Restrict => "RESTRICT",
            OnDelete::Cascade => "CASCADE",
            OnDelete::SetNull => "SET NULL",
        };
        let _ = write!(sql, " REFERENCES {} (\"id\") ON DELETE {action}", quote(target));
    }
    sql
}

/// What stands after `DEFAULT`.
pub(crate) fn default_sql(column: &ColumnDef) -> Option<String> {
    column.default.map(|default| match default {
        ColumnDefault::Value(default) => literal(&default()),
        ColumnDefault::Now => format!("({})", now(column.kind)),
    })
}

/// What the storage class does not say. NULL passes every check.
fn check(kind: Kind, name: &str) -> Option<String> {
    match kind {
        Kind::Id => Some(format!("length({name}) = 36 AND {name} NOT GLOB '*[^0-9a-f-]*'")),
        Kind::Text => Some(format!("instr({name}, char(0)) = 0")),
        Kind::Int => Some(format!("{name} BETWEEN -2147483648 AND 2147483647")),
        Kind::Float => Some(format!("{name} > -9e999 AND {name} < 9e999")),
        Kind::Bool => Some(format!("{name} IN (0, 1)")),
        // The engine looks closer (`store/checks.rs`).
        Kind::Json | Kind::Crdt(_) | Kind::Sealed => Some(format!("json_valid({name})")),
        // `date` carries the 31st of a short month into the next one, and leaves a real date as it is.
        Kind::Date => Some(format!(
            "{name} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' AND {name} >= '0001-01-01' AND {name} IS date({name})"
        )),
        // The one spelling is the one `json_object` gives back from the parts; `CASE`, as `->>` fails on what is no JSON.
        Kind::File => Some(format!(
            "CASE WHEN json_valid({name}) THEN {name} = json_object('hash', {name}->>'$.hash', 'size', {name}->>'$.size', \
             'mime', {name}->>'$.mime') AND length({name}->>'$.hash') = 64 AND {name}->>'$.hash' NOT GLOB '*[^0-9a-f]*' \
             AND json_type({name}, '$.size') = 'integer' AND {name}->>'$.size' BETWEEN 0 AND {MAX_FILE_SIZE} \
             AND length({name}->>'$.mime') <= {MAX_MIME} AND {name}->>'$.mime' GLOB '[a-z0-9]*/[a-z0-9]*' \
             AND {name}->>'$.mime' NOT GLOB '*/*/*' AND {name}->>'$.mime' NOT GLOB '*[^a-z0-9!#$&^_.+/-]*' \
             ELSE {name} IS NULL END"
        )),
        Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) | Kind::Blob => None,
    }
}

/// The database's clock as a value of a column: for rows that no mutation writes.
pub fn now(kind: Kind) -> &'static str {
    match kind {
        Kind::Date => "date('now')",
        _ => "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000",
    }
}

/// A default as an SQL literal. One of another kind than its column (only a hand-written description can have it) is
/// refused by the strict table when a row is about to take it.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null | Value::Rows(_) => "NULL".to_owned(),
        Value::Bool(b) => i64::from(*b).to_string(),
        Value::Int(n) => n.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Text(text) | Value::Json(text) => quote_text(text),
        Value::Blob(bytes) => {
            let mut hex = String::with_capacity(bytes.len() * 2 + 3);
            hex.push_str("x'");
            for byte in bytes {
                let _ = write!(hex, "{byte:02x}");
            }
            hex.push('\'');
            hex
        }
    }
}
