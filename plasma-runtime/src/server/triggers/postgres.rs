//! The triggers on Postgres: one function a table, fired for every row that was really written, and one that logs all
//! rows before a `TRUNCATE`.
//!
//! The functions run as their owner with a search path of their own: the program that writes needs rights on the user's
//! table only, and may have any search path.

use super::merge_postgres;
use crate::schema::{TableDef, fitting};
use crate::store::ddl::{quote, quote_text as literal};
use crate::value::Kind;

/// The names of a table's triggers. The function of the first three has the name of the table's log, see [`function`].
pub(in crate::server) const NAMES: [&str; 5] =
    ["_plasma_insert", "_plasma_update", "_plasma_delete", "_plasma_truncate", "_plasma_merge"];

/// The names of the table's functions: for rows, for `TRUNCATE`, and for states that are merged; no longer than Postgres
/// keeps.
pub(in crate::server) fn functions(table: &TableDef) -> [String; 3] {
    ["log", "truncate", "merge"].map(|what| fitting(format!("_plasma_{what}_{}", table.name)))
}

/// The row `relation` (`NEW`, `OLD` or an alias) as JSON in the form of the log; NULL is not a row it takes.
///
/// Made from text columns by `row_to_json`, which keeps their order and writes no white space. A float is written as
/// the shortest text that reads back as it, given `extra_float_digits` above zero.
pub(in crate::server) fn row_json(table: &TableDef, relation: &str) -> String {
    let members: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let name = quote(column.name);
            let value = format!("{relation}.{name}");
            let json = match column.kind {
                Kind::Id | Kind::Text | Kind::Date | Kind::Int | Kind::Float | Kind::Bool => value,
                Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => format!("{value}::text"),
                Kind::Blob => format!("encode({value}, 'hex')"),
                Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed => format!("{value}::json"),
            };
            format!("{json} AS {name}")
        })
        .collect();
    format!("(SELECT row_to_json(j)::text FROM (SELECT {}) AS j)", members.join(", "))
}

/// The functions and triggers of one table. The names in braces stand for the Postgres schema's, as in
/// [`FUNCTIONS`](crate::server::tables::postgres::FUNCTIONS).
pub(in crate::server) fn create(table: &TableDef) -> String {
    let name = literal(table.name);
    let quoted = format!("{{schema}}.{}", quote(table.name));
    let [log, truncate, merge] = functions(table);
    let merges = merge_postgres::create(table, NAMES[4], &merge);
    let [log, truncate] = [log, truncate].map(|name| format!("{{schema}}.{}", quote(&name)));
    let (new, old, row) = (row_json(table, "NEW"), row_json(table, "OLD"), row_json(table, "t"));
    let floats =
        if table.columns.iter().any(|column| column.kind == Kind::Float) { " SET extra_float_digits = 1" } else { "" };
    let differs: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let column = quote(column.name);
            format!("OLD.{column} IS DISTINCT FROM NEW.{column}")
        })
        .collect();
    let differs = differs.join(" OR ");
    let [on_insert, on_update, on_delete, on_truncate, _] = NAMES.map(quote);
    let now = |id: &str| format!("(SELECT {row} FROM {quoted} t WHERE t.\"id\" = {id})");
    let (now_new, now_old) = (now("NEW.\"id\""), now("OLD.\"id\""));
    let late = "{schema}._plasma_log_late";
    let header = format!("LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp{floats} AS $plasma$");
    format!(
        r"
CREATE OR REPLACE FUNCTION {log}() RETURNS trigger {header}
DECLARE
  plasma_unit bigint := nullif(current_setting('{{setting}}', true), '')::bigint;
  deepest integer := nullif(current_setting('{{setting}}_depth', true), '')::integer;
  depth integer := pg_trigger_depth();
  old_row text;
  new_row text;
BEGIN
  IF plasma_unit IS NULL THEN
    plasma_unit := {{schema}}._plasma_open_unit();
  END IF;
  IF TG_OP <> 'INSERT' THEN old_row := {old}; END IF;
  IF TG_OP <> 'DELETE' THEN new_row := {new}; END IF;
  IF depth > 1 AND deepest IS DISTINCT FROM greatest(deepest, depth) THEN
    PERFORM set_config('{{setting}}_depth', depth::text, true);
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.id = NEW.id THEN
    IF deepest > depth AND new_row IS DISTINCT FROM {now_new} AND {late}(plasma_unit, {name}, NEW.id, new_row, old_row) THEN
      RETURN NULL;
    END IF;
    INSERT INTO {{schema}}._plasma_changes (unit, table_name, row_id, op, value, prior)
      VALUES (plasma_unit, {name}, NEW.id, 'put', new_row, old_row);
    RETURN NULL;
  END IF;
  -- A change of the id is the end of one row and the start of another.
  IF old_row IS NOT NULL
     AND (deepest > depth AND {now_old} IS NOT NULL AND {late}(plasma_unit, {name}, OLD.id, NULL, old_row)) IS NOT TRUE THEN
    INSERT INTO {{schema}}._plasma_changes (unit, table_name, row_id, op, prior)
      VALUES (plasma_unit, {name}, OLD.id, 'del', old_row);
  END IF;
  IF new_row IS NOT NULL
     AND (deepest > depth AND new_row IS DISTINCT FROM {now_new} AND {late}(plasma_unit, {name}, NEW.id, new_row, NULL)) IS NOT TRUE THEN
    INSERT INTO {{schema}}._plasma_changes (unit, table_name, row_id, op, value)
      VALUES (plasma_unit, {name}, NEW.id, 'put', new_row);
  END IF;
  RETURN NULL;
END $plasma$;

CREATE OR REPLACE FUNCTION {truncate}() RETURNS trigger {header}
DECLARE
  plasma_unit bigint := nullif(current_setting('{{setting}}', true), '')::bigint;
BEGIN
  IF NOT EXISTS (SELECT FROM {quoted}) THEN
    RETURN NULL;
  END IF;
  IF plasma_unit IS NULL THEN
    plasma_unit := {{schema}}._plasma_open_unit();
  END IF;
  INSERT INTO {{schema}}._plasma_changes (unit, table_name, row_id, op, prior)
    SELECT plasma_unit, {name}, t.id, 'del', {row} FROM {quoted} t;
  RETURN NULL;
END $plasma$;

REVOKE ALL ON FUNCTION {log}(), {truncate}() FROM PUBLIC;
CREATE OR REPLACE TRIGGER {on_insert} AFTER INSERT ON {quoted} FOR EACH ROW EXECUTE FUNCTION {log}();
CREATE OR REPLACE TRIGGER {on_update} AFTER UPDATE ON {quoted} FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION {log}();
CREATE OR REPLACE TRIGGER {on_delete} AFTER DELETE ON {quoted} FOR EACH ROW EXECUTE FUNCTION {log}();
CREATE OR REPLACE TRIGGER {on_truncate} BEFORE TRUNCATE ON {quoted} FOR EACH STATEMENT EXECUTE FUNCTION {truncate}();
{merges}"
    )
}
