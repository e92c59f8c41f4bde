//! States of CRDT columns that another program writes, on SQLite: merged with what is there.
//!
//! A trigger of SQLite cannot change the row that is being written. So when the merge comes to something else, a second
//! update follows at once; it is the one that is logged, with the row as it was before the first.

use super::sqlite::row_json;
use crate::crdt::CrdtKind;
use crate::schema::{ColumnDef, TableDef};
use crate::store::ddl::{quote, quote_text as literal};
use crate::value::Kind;

/// Images of rows between the two updates. Empty between statements.
pub(in crate::server) const MERGING: &str = "CREATE TABLE IF NOT EXISTS _plasma_merging (
  table_name TEXT NOT NULL,
  row_id TEXT NOT NULL,
  prior TEXT NOT NULL,
  PRIMARY KEY (table_name, row_id)
) WITHOUT ROWID;";

/// The engine names itself while it writes; what it writes has been merged.
const BY_ANOTHER_PROGRAM: &str = "NOT EXISTS (SELECT 1 FROM _plasma_origin o WHERE o.id = 1 AND o.now IS NOT NULL)";

/// The columns that SQL can merge, each with the SQL that does.
fn merged(table: &TableDef) -> Vec<(&ColumnDef, String)> {
    let of = |column: &'static ColumnDef| match column.kind {
        Kind::Crdt(kind) => {
            let [old, new] = ["OLD", "NEW"].map(|row| format!("{row}.{}", quote(column.name)));
            let merged = merge(kind, &old, &new)?;
            let are_objects = format!("json_type({old}) = 'object' AND json_type({new}) = 'object'");
            Some((column, format!("CASE WHEN {are_objects} THEN {merged} ELSE {new} END")))
        }
        _ => None,
    };
    table.columns.iter().filter_map(of).collect()
}

/// Whether a write of another program has to be followed by a merge; none where a table has nothing to merge.
pub(super) fn is_due(table: &TableDef) -> Option<String> {
    let columns = merged(table);
    let differs = columns.iter().map(|(column, merged)| {
        let name = quote(column.name);
        format!("(OLD.{name} IS NOT NEW.{name} AND {merged} IS NOT NEW.{name})")
    });
    let differs: Vec<String> = differs.collect();
    (!differs.is_empty()).then(|| format!("OLD.id IS NEW.id AND {BY_ANOTHER_PROGRAM} AND ({})", differs.join(" OR ")))
}

/// The trigger that merges.
pub(super) fn create(table: &TableDef, name: &str, is_due: &str) -> String {
    let (columns, set): (Vec<String>, Vec<String>) = merged(table)
        .into_iter()
        .map(|(column, merged)| (quote(column.name), format!("{} = {merged}", quote(column.name))))
        .unzip();
    let (quoted, text, old) = (quote(table.name), literal(table.name), row_json(table, "OLD"));
    format!(
        "CREATE TRIGGER {} AFTER UPDATE OF {} ON {quoted} WHEN {is_due} BEGIN \
         DELETE FROM _plasma_merging WHERE table_name = {text} AND row_id = NEW.id; \
         INSERT INTO _plasma_merging (table_name, row_id, prior) VALUES ({text}, NEW.id, {old}); \
         UPDATE {quoted} SET {} WHERE id = NEW.id; END;",
        quote(name),
        columns.join(", "),
        set.join(", ")
    )
}

/// The row as it was before the write that is now logged.
pub(super) fn prior(table: &TableDef, old: &str) -> String {
    let name = literal(table.name);
    format!(
        "coalesce((SELECT m.prior FROM _plasma_merging m WHERE m.table_name = {name} AND m.row_id = NEW.id), {old})"
    )
}

/// Forgets it.
pub(super) fn done(table: &TableDef) -> String {
    format!("DELETE FROM _plasma_merging WHERE table_name = {} AND row_id = NEW.id;", literal(table.name))
}

/// Two states merged, in canonical spelling; none for a kind that SQL cannot merge.
fn merge(kind: CrdtKind, old: &str, new: &str) -> Option<String> {
    match kind {
        CrdtKind::GCounter => Some(counters(&format!("json_each({old})"), &format!("json_each({new})"))),
        CrdtKind::PnCounter => {
            let [p, n] = ["$.p", "$.n"]
                .map(|path| counters(&format!("json_each({old}, '{path}')"), &format!("json_each({new}, '{path}')")));
            Some(format!("json_object('p', json({p}), 'n', json({n}))"))
        }
        CrdtKind::Lww(_) => {
            let write = |state: &str| format!("({state} ->> '$.ts', {state} ->> '$.replica', {state} -> '$.value')");
            Some(format!("CASE WHEN {} > {} THEN {old} ELSE {new} END", write(old), write(new)))
        }
        CrdtKind::OrSet(_) => Some(sets(old, new)),
        // A document of its own format.
        #[cfg(feature = "text")]
        CrdtKind::Text => None,
    }
}

fn counters(old: &str, new: &str) -> String {
    format!(
        "(SELECT json_group_object(key, slot) FROM (SELECT key, max(value) AS slot FROM (SELECT key, value FROM {old} \
         UNION ALL SELECT key, value FROM {new}) GROUP BY key ORDER BY key))"
    )
}

/// The additions of both without what either knows to be removed. Tags are of 16 digits, a colon and a number: the
/// longer of two numbers is the greater.
fn sets(old: &str, new: &str) -> String {
    const BY_TAG: &str = "substr(tag, 1, 16), length(tag), tag";
    let adds = |state: &str| {
        format!(
            "SELECT e.value -> 0 AS element, t.value AS tag FROM json_each({state}, '$.adds') e, \
             json_each(e.value, '$[1]') t"
        )
    };
    let dels = format!(
        "SELECT value AS tag FROM json_each({old}, '$.dels') UNION SELECT value FROM json_each({new}, '$.dels')"
    );
    let alive = format!("SELECT element, tag FROM ({} UNION {}) WHERE tag NOT IN ({dels})", adds(old), adds(new));
    // Built from texts in one order, since no aggregate of every SQLite there is takes an order of its own.
    format!(
        "'{{\"adds\":[' || coalesce((SELECT group_concat(piece, '') FROM (SELECT \
         CASE WHEN element IS NOT lag(element) OVER o \
         THEN CASE WHEN row_number() OVER o = 1 THEN '[' ELSE ',[' END || element || ',[\"' ELSE ',\"' END || tag || '\"' \
         || CASE WHEN element IS NOT lead(element) OVER o THEN ']]' ELSE '' END AS piece \
         FROM ({alive}) WINDOW o AS (ORDER BY element, {BY_TAG}) ORDER BY element, {BY_TAG})), '') || '],\"dels\":' || \
         (SELECT json_group_array(tag) FROM (SELECT tag FROM ({dels}) ORDER BY {BY_TAG})) || '}}'"
    )
}
