//! The SQL of the user's tables, for Postgres.
//!
//! As on SQLite, what a type does not say stands in a `CHECK` named after its column: the shape of an id, finite floats,
//! valid JSON, real dates, the one spelling of a file. The ranges of integers and the absence of U+0000 are the types'.
//! Text is `COLLATE "C"`: it compares by its bytes, whatever the language of the database. JSON is kept as it was
//! written (`docs/decisions/0020-json-on-postgres.md`).
//!
//! Names are not qualified: the connection's `search_path` decides the Postgres schema.

#[cfg(all(test, feature = "postgres"))]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{quote, quote_text};
use crate::error::Result;
use crate::query::lower::type_of;
use crate::schema::{ColumnDef, ColumnDefault, NamedIndex, OnDelete, TableDef, fitting};
use crate::store::SqlExecutor;
use crate::value::{Kind, MAX_FILE_SIZE, MAX_MIME, Row, Value};

/// The functions that conditions, calculations and checks call, `{schema}` standing for the quoted name of the Postgres
/// schema they are made in. Making them again changes nothing. They must be there before the tables are.
pub const FUNCTIONS: &str = include_str!("functions.sql");

/// [`FUNCTIONS`] for a Postgres schema.
pub fn functions(schema: &str) -> String {
    FUNCTIONS.replace("{schema}", &quote(schema))
}

/// The statements that make a table, without its foreign keys, and its indexes, separated by `;`. They do nothing where
/// the table exists.
pub fn create_table(table: &TableDef) -> String {
    let mut sql = format!("CREATE TABLE IF NOT EXISTS {} (", quote(table.name));
    for (index, column) in table.columns.iter().enumerate() {
        sql.push_str(if index == 0 { "\n  " } else { ",\n  " });
        sql.push_str(&column_definition(table, index, column));
    }
    sql.push_str("\n);");
    for index in table.named_indexes() {
        sql.push('\n');
        sql.push_str(&create_index(table, &index, false));
    }
    sql
}

/// A column as it stands in `CREATE TABLE` and behind `ADD COLUMN`, without its foreign key.
pub fn column_definition(table: &TableDef, index: usize, column: &ColumnDef) -> String {
    let mut sql = unchecked_definition(table, index, column);
    if let Some(check) = column_check(table, index, column) {
        let _ = write!(sql, " {check}");
    }
    sql
}

/// The check of a column as it stands in its definition and behind `ADD`.
pub fn column_check(table: &TableDef, index: usize, column: &ColumnDef) -> Option<String> {
    // A native foreign key is as strict as the id it points at.
    let foreign = column.references.is_some() && index != table.id;
    let name = quote(column.name);
    check(column.kind, &name).filter(|_| !foreign).map(|check| format!("CONSTRAINT {name} CHECK ({check})"))
}

/// A column without its foreign key and its check.
pub fn unchecked_definition(table: &TableDef, index: usize, column: &ColumnDef) -> String {
    let name = quote(column.name);
    let mut sql = format!("{name} {}", column_type(column.kind));
    if index == table.id {
        sql.push_str(" PRIMARY KEY");
    }
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if column.unique && index != table.id {
        sql.push_str(" UNIQUE");
    }
    if let Some(default) = default(column) {
        // Writing to a String cannot fail.
        let _ = write!(sql, " DEFAULT {default}");
    }
    sql
}

/// The type of a kind's column, with its collation.
pub fn column_type(kind: Kind) -> &'static str {
    match type_of(kind) {
        "text" => "text COLLATE \"C\"",
        other => other,
    }
}

/// The default of a column for programs that write raw SQL, as an expression.
pub fn default(column: &ColumnDef) -> Option<String> {
    Some(match column.default? {
        ColumnDefault::Value(default) => literal(&default()),
        ColumnDefault::Now => format!("({})", now(column.kind)),
    })
}

/// The statements that add a table's foreign keys where they are not there yet: one for each. All tables must exist.
pub fn foreign_keys(table: &TableDef) -> Vec<String> {
    table.foreign_keys().map(|(_, column)| foreign_key(table, column, false)).collect()
}

/// The name of a column's foreign key.
pub fn foreign_key_name(table: &str, column: &str) -> String {
    fitting(format!("_plasma_key:{table}:{column}"))
}

/// What a foreign key of this column says, behind its name.
pub fn references(column: &ColumnDef) -> String {
    let action = match column.on_delete {
        OnDelete::NoAction => "NO ACTION",
        OnDelete::Restrict => "RESTRICT",
        OnDelete::Cascade => "CASCADE",
        OnDelete::SetNull => "SET NULL",
    };
    format!("REFERENCES {} (\"id\") ON DELETE {action}", quote(column.references.unwrap_or_default()))
}

/// The statement that adds a foreign key where it is not there yet. One that is added later holds for what is written from
/// now on; whether the rows that are there keep it is looked at by `VALIDATE CONSTRAINT`.
pub fn foreign_key(table: &TableDef, column: &ColumnDef, later: bool) -> String {
    let name = foreign_key_name(table.name, column.name);
    let later = if later { " NOT VALID" } else { "" };
    let of = quote(table.name);
    // Postgres knows no `ADD CONSTRAINT IF NOT EXISTS`.
    format!(
        "DO $plasma$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = {}::regclass AND conname = {}) THEN \
         ALTER TABLE {of} ADD CONSTRAINT {} FOREIGN KEY ({}) {}{later}; \
         END IF; END $plasma$;",
        quote_text(&of),
        quote_text(&name),
        quote(&name),
        quote(column.name),
        references(column),
    )
}

/// The statement that makes an index, unless it is there. Made concurrently it does not hold up writers, and runs in no
/// transaction; when it fails, an index that is not valid stays.
///
/// NULL comes first, as in every order of this library; a column that cannot be NULL needs no word about it.
pub fn create_index(table: &TableDef, index: &NamedIndex, concurrently: bool) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let how = if concurrently { "CONCURRENTLY " } else { "" };
    let columns: Vec<String> = index
        .columns
        .iter()
        .map(|name| {
            let nullable = table.column(name).is_some_and(|column| column.nullable);
            format!("{}{}", quote(name), if nullable { " NULLS FIRST" } else { "" })
        })
        .collect();
    let (name, table) = (quote(&index.name), quote(table.name));
    format!("CREATE {unique}INDEX {how}IF NOT EXISTS {name} ON {table} ({});", columns.join(", "))
}

/// The query for the names of the library's indexes, with the names of their tables and whether they are valid: one that
/// was to be made concurrently and failed is not. Kinds: text, text, bool.
pub const INDEXES: &str = "SELECT c.relname, t.relname, i.indisvalid FROM pg_index AS i \
     JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_class AS t ON t.oid = i.indrelid \
     WHERE t.relnamespace = current_schema()::regnamespace AND starts_with(c.relname, '_plasma_') \
     AND NOT starts_with(t.relname, '_plasma_')";

/// The statements that bring the indexes of these tables to what the schema says, given the rows of [`INDEXES`]: those
/// that are no longer declared or not valid go, new ones are made. Empty when nothing is to be done.
pub fn index_changes(tables: &[&TableDef], found: &[Row], concurrently: bool) -> Vec<String> {
    let found: BTreeMap<(&str, &str), bool> = found
        .iter()
        .filter_map(|row| match row.as_slice() {
            [Value::Text(name), Value::Text(table), Value::Bool(valid)] => {
                Some(((table.as_str(), name.as_str()), *valid))
            }
            _ => None,
        })
        .collect();
    let how = if concurrently { "CONCURRENTLY " } else { "" };
    // A table that was renamed may still have the name that an index of another one is to get: all drops come first.
    let (mut drops, mut creates) = (Vec::new(), Vec::new());
    for table in tables {
        let wanted = table.named_indexes();
        for ((_, name), valid) in found.range((table.name, "")..).take_while(|((of, _), _)| *of == table.name) {
            if !valid || !wanted.iter().any(|index| index.name == **name) {
                drops.push(format!("DROP INDEX {how}IF EXISTS {};", quote(name)));
            }
        }
        let missing = wanted.iter().filter(|index| found.get(&(table.name, index.name.as_str())) != Some(&true));
        creates.extend(missing.map(|index| create_index(table, index, concurrently)));
    }
    drops.extend(creates);
    drops
}

/// The statement that removes a table with its indexes and triggers, if it is there.
pub fn drop_table(table: &str) -> String {
    format!("DROP TABLE IF EXISTS {};", quote(table))
}

/// Whether there is a table (or view) of this name in the Postgres schema.
///
/// # Errors
/// [`Storage`](crate::ErrorKind::Storage) when the database cannot be read.
pub async fn table_exists(db: &mut dyn SqlExecutor, table: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = ? \
               AND relkind IN ('r', 'p', 'v', 'm', 'f')";
    Ok(!db.query(sql, &[Value::from(table)], &[Kind::Int]).await?.is_empty())
}

/// The names of a table's columns, in order; empty when there is no such table.
///
/// # Errors
/// [`Storage`](crate::ErrorKind::Storage) when the database cannot be read.
pub async fn column_names(db: &mut dyn SqlExecutor, table: &str) -> Result<Vec<String>> {
    let sql = "SELECT a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid \
               WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ? AND a.attnum > 0 \
               AND NOT a.attisdropped ORDER BY a.attnum";
    let rows = db.query(sql, &[Value::from(table)], &[Kind::Text]).await?;
    Ok(rows.iter().flatten().filter_map(|value| value.as_text().map(str::to_owned)).collect())
}

/// What the type does not say. NULL passes every check.
pub fn check(kind: Kind, name: &str) -> Option<String> {
    /// A part of a media type.
    const PART: &str = "[a-z0-9][a-z0-9!#$&^_.+-]*";
    match kind {
        Kind::Id => Some(format!("length({name}) = 36 AND translate({name}, '0123456789abcdef-', '') = ''")),
        // Not a number is the greatest of all.
        Kind::Float => Some(format!("{name} > '-Infinity' AND {name} < 'Infinity'")),
        Kind::Json | Kind::Crdt(_) | Kind::Sealed => Some(format!("plasma_is_json({name})")),
        Kind::Date => Some(format!(
            "{name} >= '0001-01-01' AND {name} ~ '^([0-9]{{4}}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])\
             |(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))\
             |([0-9]{{2}}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)$'"
        )),
        // The one spelling: nothing in it needs an escape.
        Kind::File => Some(format!(
            "{name} ~ '^\\{{\"hash\":\"[0-9a-f]{{64}}\",\"size\":(0|[1-9][0-9]{{0,15}}),\"mime\":\"{PART}/{PART}\"\\}}$' \
             AND CAST(substring({name} FROM '\"size\":([0-9]{{1,16}}),') AS bigint) <= {MAX_FILE_SIZE} \
             AND length(substring({name} FROM '\"mime\":\"([^\"]*)\"')) <= {MAX_MIME}"
        )),
        Kind::Text | Kind::Int | Kind::BigInt | Kind::Bool | Kind::Timestamp | Kind::Fixed(_) | Kind::Blob => None,
    }
}

/// The database's clock as a value of a column: for rows that no mutation writes.
pub fn now(kind: Kind) -> &'static str {
    match kind {
        Kind::Date => "to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        _ => "CAST(floor(extract(epoch FROM statement_timestamp()) * 1000) AS bigint) * 1000",
    }
}

/// A default as an SQL literal. One of another kind than its column (only a hand-written description can have it) is
/// refused when the table is made.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null | Value::Rows(_) => "NULL".to_owned(),
        Value::Bool(b) => b.to_string().to_uppercase(),
        Value::Int(n) => n.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Text(text) | Value::Json(text) => quote_text(text),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'::bytea")
        }
    }
}
