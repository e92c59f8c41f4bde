//! States of CRDT columns that another program writes, on Postgres: merged with what is there before they are stored.

use crate::crdt::CrdtKind;
use crate::schema::TableDef;
use crate::store::ddl::quote;
use crate::value::Kind;

/// The function and the trigger that merge, or their removal where a table has nothing to merge. The names in braces
/// stand for the Postgres schema's, as in [`FUNCTIONS`](crate::server::tables::postgres::FUNCTIONS).
///
/// The engine names itself while it writes; what it writes has been merged.
pub(super) fn create(table: &TableDef, trigger: &str, function: &str) -> String {
    let quoted = format!("{{schema}}.{}", quote(table.name));
    let function = format!("{{schema}}.{}", quote(function));
    let trigger = quote(trigger);
    let (mut differs, mut merges) = (Vec::new(), String::new());
    for column in table.columns {
        let Kind::Crdt(kind) = column.kind else { continue };
        let [old, new] = ["OLD", "NEW"].map(|row| format!("{row}.{}", quote(column.name)));
        let Some(merged) = merge(kind, &format!("({old}::json)"), &format!("({new}::json)"), &old, &new) else {
            continue;
        };
        merges.push_str(&format!(
            "  IF {old} IS DISTINCT FROM {new} AND json_typeof({old}::json) = 'object' AND json_typeof({new}::json) = 'object' THEN\n    \
             {new} := {merged};\n  END IF;\n"
        ));
        differs.push(format!("{old} IS DISTINCT FROM {new}"));
    }
    if differs.is_empty() {
        return format!("\nDROP TRIGGER IF EXISTS {trigger} ON {quoted};\nDROP FUNCTION IF EXISTS {function}();\n");
    }
    let differs = differs.join(" OR ");
    format!(
        r"
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $plasma$
BEGIN
  IF OLD.id IS DISTINCT FROM NEW.id OR coalesce(current_setting('{{setting}}_engine', true), '') <> '' THEN
    RETURN NEW;
  END IF;
{merges}  RETURN NEW;
END $plasma$;
CREATE OR REPLACE TRIGGER {trigger} BEFORE UPDATE ON {quoted} FOR EACH ROW WHEN ({differs}) EXECUTE FUNCTION {function}();
"
    )
}

/// Two states merged, in canonical spelling; none for a kind that SQL cannot merge. `old` and `new` are JSON, the others
/// the texts in the columns.
fn merge(kind: CrdtKind, old: &str, new: &str, old_text: &str, new_text: &str) -> Option<String> {
    match kind {
        CrdtKind::GCounter => Some(counters(old, new)),
        CrdtKind::PnCounter => {
            let [p, n] = ["p", "n"].map(|part| counters(&format!("({old}->'{part}')"), &format!("({new}->'{part}')")));
            Some(format!(r#"'{{"p":' || {p} || ',"n":' || {n} || '}}'"#))
        }
        CrdtKind::Lww(_) => {
            let write = |state: &str| {
                format!(
                    "ROW(({state}->>'ts')::bigint, ({state}->>'replica') COLLATE \"C\", ({state}->'value')::text COLLATE \"C\")"
                )
            };
            Some(format!("CASE WHEN {} > {} THEN {old_text} ELSE {new_text} END", write(old), write(new)))
        }
        CrdtKind::OrSet(_) => Some(sets(old, new)),
        // A document of its own format.
        #[cfg(feature = "text")]
        CrdtKind::Text => None,
    }
}

fn counters(old: &str, new: &str) -> String {
    format!(
        r#"(SELECT '{{' || coalesce(string_agg(to_json(k)::text || ':' || slot, ',' ORDER BY k COLLATE "C"), '') || '}}'
      FROM (SELECT s.key AS k, max(s.value::bigint) AS slot FROM (
        SELECT * FROM json_each_text({old}) UNION ALL SELECT * FROM json_each_text({new})) s GROUP BY s.key) m)"#
    )
}

/// The additions of both without what either knows to be removed. Tags are of 16 digits, a colon and a number: the
/// longer of two numbers is the greater.
fn sets(old: &str, new: &str) -> String {
    const BY_TAG: &str = r#"left(tag, 16) COLLATE "C", length(tag), tag COLLATE "C""#;
    let adds = |state: &str| {
        format!(
            "SELECT (e.value->0)::text AS element, t.value AS tag FROM json_array_elements({state}->'adds') e, \
             json_array_elements_text(e.value->1) t"
        )
    };
    let dels = format!(
        "SELECT d.value AS tag FROM json_array_elements_text({old}->'dels') d \
         UNION SELECT d.value FROM json_array_elements_text({new}->'dels') d"
    );
    format!(
        r#"'{{"adds":[' || coalesce((SELECT string_agg('[' || element || ',[' || tags || ']]', ',' ORDER BY element COLLATE "C")
      FROM (SELECT element, string_agg('"' || tag || '"', ',' ORDER BY {BY_TAG}) AS tags
        FROM ({} UNION {}) a WHERE tag NOT IN ({dels}) GROUP BY element) e), '') || '],"dels":[' ||
      coalesce((SELECT string_agg('"' || tag || '"', ',' ORDER BY {BY_TAG}) FROM ({dels}) r), '') || ']}}'"#,
        adds(old),
        adds(new)
    )
}
