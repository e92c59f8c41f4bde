//! The triggers that write the change log, so that raw SQL by other programs is caught too.
//!
//! They use plain SQL only (a connection-local function would break the `sqlite3` shell) and know who writes from the
//! one row of `_plasma_origin`.
//!
//! `REPLACE` deletes rows without firing their delete triggers unless the connection has `recursive_triggers` on, and
//! other programs have not. So a write that is about to replace rows first notes their images in `_plasma_replaced`;
//! when it is done, those that are gone and that no delete trigger has reported are logged as deleted.

use std::collections::BTreeSet;

use super::merge_sqlite;
use crate::schema::TableDef;
use crate::store::ddl::{quote, quote_text as literal};
use crate::value::Kind;

/// Images of rows that a write under way may replace without a delete trigger. Empty between statements, or stale and
/// harmless.
pub(in crate::server) const REPLACED: &str = "CREATE TABLE IF NOT EXISTS _plasma_replaced (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (table_name, row_id)
) WITHOUT ROWID;";

/// The name of the table's trigger that does this.
fn named(table: &TableDef, event: &str) -> String {
    format!("_plasma_{event}_{}", table.name)
}

/// The row `relation` (`NEW`, `OLD` or an alias) as JSON in the form of the log.
pub(in crate::server) fn row_json(table: &TableDef, relation: &str) -> String {
    let members: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let value = format!("{relation}.{}", quote(column.name));
            let json = match column.kind {
                Kind::Id | Kind::Text | Kind::Date | Kind::Int => value,
                Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => format!("CAST({value} AS TEXT)"),
                Kind::Bool => {
                    format!("json(CASE WHEN {value} IS NULL THEN NULL WHEN {value} THEN 'true' ELSE 'false' END)")
                }
                // `printf` of NULL is 0.0.
                Kind::Float => format!("json(CASE WHEN {value} IS NULL THEN NULL ELSE printf('%!.17g', {value}) END)"),
                Kind::Blob => format!("CASE WHEN {value} IS NULL THEN NULL ELSE lower(hex({value})) END"),
                Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed => format!("json({value})"),
            };
            format!("{}, {json}", literal(column.name))
        })
        .collect();
    format!("json_object({})", members.join(", "))
}

/// The statement that appends log rows: `select` yields row id, op, value and prior from `from`.
fn log(table: &TableDef, row_id: &str, op: &str, value: &str, prior: &str, from_where: &str) -> String {
    format!(
        "INSERT INTO _plasma_changes (table_name, row_id, op, value, prior, created_at, client_group_id, client_id, \
         mutation_id, mark) \
         SELECT {table}, {row_id}, '{op}', {value}, {prior}, \
         coalesce(o.now, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), o.client_group_id, o.client_id, \
         o.mutation_id, coalesce(o.mark, random()) \
         FROM (SELECT 1) LEFT JOIN _plasma_origin o ON o.id = 1{from_where};",
        table = literal(table.name),
    )
}

/// Logs the rows that the statement has replaced without a delete trigger, and forgets them.
///
/// Notes may be stale: `INSERT OR IGNORE` and an upsert leave the one of a row that lives on. Such a row is told from a
/// replaced one by `replaced`, or by being there.
fn log_replaced(table: &TableDef, replaced: &str, but: &str) -> String {
    let name = literal(table.name);
    let gone = format!(
        " CROSS JOIN _plasma_replaced r WHERE r.table_name = {name}{but} \
         AND ({replaced} OR NOT EXISTS (SELECT 1 FROM {} t WHERE t.id = r.row_id))",
        quote(table.name)
    );
    format!(
        "{} DELETE FROM _plasma_replaced WHERE table_name = {name};",
        log(table, "r.row_id", "del", "NULL", "r.value", &gone)
    )
}

/// The triggers of one table: their names, and the statements that make them.
pub(in crate::server) fn create(table: &TableDef) -> Vec<(String, String)> {
    let names = ["before_insert", "before_update", "insert", "update", "delete"].map(|event| named(table, event));
    let [before_insert, before_update, insert, update, delete] = names.clone().map(|name| quote(&name));
    let quoted = quote(table.name);
    let name = literal(table.name);
    // Alias `t` is a row that stands in the way of NEW.
    let mut clash = vec!["t.id = NEW.id".to_owned()];
    let mut keys = BTreeSet::from([quote("id")]);
    for columns in table.unique_sets() {
        let columns: Vec<String> = columns.into_iter().map(quote).collect();
        let same: Vec<String> = columns.iter().map(|column| format!("t.{column} = NEW.{column}")).collect();
        clash.push(if same.len() == 1 { same.concat() } else { format!("({})", same.join(" AND ")) });
        keys.extend(columns);
    }
    // One probe per index: SQLite answers an OR over several indexes from each of them.
    let clash_insert = clash.join(" OR ");
    let clash_update = format!("t.id <> OLD.id AND ({clash_insert})");
    let note = |clash: &str| {
        format!(
            "DELETE FROM _plasma_replaced WHERE table_name = {name}; \
             INSERT INTO _plasma_replaced (table_name, row_id, value) SELECT {name}, t.id, {} FROM {quoted} t \
             WHERE {clash};",
            row_json(table, "t")
        )
    };
    let changed: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let column = quote(column.name);
            format!("OLD.{column} IS NOT NEW.{column}")
        })
        .collect();
    let (new, old) = (row_json(table, "NEW"), row_json(table, "OLD"));
    let mut changed = changed.join(" OR ");
    let (mut before, mut merged, mut done) =
        (format!("CASE WHEN OLD.id IS NEW.id THEN {old} END"), String::new(), String::new());
    let merge_due = merge_sqlite::is_due(table);
    if let Some(due) = &merge_due {
        changed = format!("({changed}) AND NOT ({due})");
        let prior = merge_sqlite::prior(table, &old);
        before = format!("CASE WHEN OLD.id IS NEW.id THEN {prior} END");
        // What was written may merge into what was there.
        merged = format!(" WHERE OLD.id IS NOT NEW.id OR {prior} IS NOT {new}");
        done = merge_sqlite::done(table);
    }
    let statements = [
        format!(
            "CREATE TRIGGER {before_insert} BEFORE INSERT ON {quoted} \
             WHEN EXISTS (SELECT 1 FROM {quoted} t WHERE {clash_insert}) BEGIN {} END;",
            note(&clash_insert)
        ),
        format!(
            "CREATE TRIGGER {before_update} BEFORE UPDATE OF {} ON {quoted} \
             WHEN EXISTS (SELECT 1 FROM {quoted} t WHERE {clash_update}) BEGIN {} END;",
            keys.into_iter().collect::<Vec<_>>().join(", "),
            note(&clash_update)
        ),
        format!(
            "CREATE TRIGGER {insert} AFTER INSERT ON {quoted} BEGIN {} {} END;",
            log_replaced(table, "r.row_id = NEW.id", ""),
            log(table, "NEW.id", "put", &new, "NULL", "")
        ),
        // A change of the id by raw SQL is the end of one row and the start of another.
        format!(
            "CREATE TRIGGER {update} AFTER UPDATE ON {quoted} WHEN {changed} BEGIN {} {} {} {done} END;",
            log_replaced(table, "(r.row_id = NEW.id AND OLD.id IS NOT NEW.id)", " AND r.row_id <> OLD.id"),
            log(table, "OLD.id", "del", "NULL", &old, " WHERE OLD.id IS NOT NEW.id"),
            log(table, "NEW.id", "put", &new, &before, &merged)
        ),
        format!(
            "CREATE TRIGGER {delete} AFTER DELETE ON {quoted} BEGIN \
             DELETE FROM _plasma_replaced WHERE table_name = {name} AND row_id = OLD.id; {} END;",
            log(table, "OLD.id", "del", "NULL", &old, "")
        ),
    ];
    let mut all: Vec<(String, String)> = names.into_iter().zip(statements).collect();
    if let Some(due) = &merge_due {
        let merge = named(table, "merge");
        let statement = merge_sqlite::create(table, &merge, due);
        all.push((merge, statement));
    }
    all
}
