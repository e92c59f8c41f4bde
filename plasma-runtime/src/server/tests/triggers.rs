//! What the triggers write, whoever writes the rows.

use serde_json::{Value as Json, json};

use super::fixture::*;
use crate::value::Value;
use crate::value::json::{decode_log_row, decode_row};

/// `op row` of every entry since a position.
fn ops(server: &mut Server, version: i64) -> Vec<String> {
    let rows = server.log_since(version);
    rows.iter().map(|row| row.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect()
}

fn list(server: &mut Server, name: &str) -> String {
    let id = uuid(name);
    server.sql(&format!("INSERT INTO lists (id, name, owner) VALUES ('{id}', '{name}', 'alice')"));
    id
}

#[test]
fn every_kind_is_written_as_the_codec_reads_it() {
    let mut server = server();
    let list = list(&mut server, "l");
    let values = [
        ("2147483647", "9223372036854775807", "1.0", "X'00ff'", r#"'{"a":[1,null,"x"]}'"#, "-1", "1"),
        ("-2147483648", "-9223372036854775808", "0.1", "X''", "'false'", "9007199254740993", "0"),
        ("0", "0", "1.7976931348623157e308", "X'61'", "'\"é\"'", "0", "1"),
        ("1", "1", "5e-324", "X'61'", "'[]'", "0", "0"),
        ("1", "1", "-123456789.12345679", "X'61'", "'1.50'", "0", "0"),
        ("NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL"),
    ];
    for (index, (n, big, ratio, photo, extra, at, done)) in values.into_iter().enumerate() {
        let before = server.head();
        let id = uuid(&format!("todo{index}"));
        server.sql(&format!(
            "INSERT INTO todos (id, list_id, title, done, n, big, ratio, photo, extra, at) \
             VALUES ('{id}', '{list}', 'it''s \"é\"', {done}, {n}, {big}, {ratio}, {photo}, {extra}, {at})"
        ));
        let value = server.texts(&format!("SELECT value FROM _plasma_changes WHERE row_version > {before}")).remove(0);
        let kinds: Vec<_> = TODOS.columns.iter().map(|column| column.kind).collect();
        let stored = server.rows("SELECT * FROM todos WHERE id = ?", &[Value::from(id.as_str())], &kinds).remove(0);
        assert_eq!(decode_log_row(&TODOS, &value).unwrap(), stored, "{value}");
        // But for the blob the form of the log is the form of the wire.
        let mut json: Json = serde_json::from_str(&value).unwrap();
        if json["photo"].is_string() {
            json["photo"] = Json::Null;
            let wire = decode_row(&TODOS, &json.to_string()).unwrap();
            assert_eq!(wire[6], stored[6]);
        }
    }
}

#[test]
fn updates_that_change_nothing_write_nothing() {
    let mut server = server();
    let id = list(&mut server, "l");
    let before = server.head();
    server.sql(&format!("UPDATE lists SET name = 'l', slug = NULL WHERE id = '{id}'"));
    assert_eq!(server.log_since(before), Vec::<String>::new());
    server
        .sql(&format!("UPDATE lists SET slug = 's' WHERE id = '{id}'; UPDATE lists SET slug = NULL WHERE id = '{id}'"));
    assert_eq!(ops(&mut server, before), [format!("put lists {id}"), format!("put lists {id}")]);
}

#[test]
fn a_changed_id_is_the_end_of_one_row_and_the_start_of_another() {
    let mut server = server();
    let (id, other) = (list(&mut server, "l"), uuid("m"));
    let before = server.head();
    server.sql(&format!("UPDATE lists SET id = '{other}', name = 'm' WHERE id = '{id}'"));
    let log = server.log_since(before);
    assert_eq!(ops(&mut server, before), [format!("del lists {id}"), format!("put lists {other}")]);
    assert!(log[0].contains(r#""name":"l""#), "{log:?}");
    assert!(log[1].ends_with("- - -"), "a new row has no prior: {log:?}");
}

#[test]
fn cascades_and_set_null_are_written() {
    let mut server = server();
    let (l, m) = (list(&mut server, "l"), list(&mut server, "m"));
    let (a, b) = (uuid("a"), uuid("b"));
    server.sql(&format!(
        "INSERT INTO todos (id, list_id, title) VALUES ('{a}', '{l}', 'a');
         INSERT INTO todos (id, list_id, title, after) VALUES ('{b}', '{m}', 'b', '{a}');"
    ));
    let before = server.head();
    server.sql(&format!("DELETE FROM lists WHERE id = '{l}'"));
    let mut seen = ops(&mut server, before);
    seen.sort();
    assert_eq!(seen, [format!("del lists {l}"), format!("del todos {a}"), format!("put todos {b}")]);
    // The prior of each entry is the row as it was.
    let priors =
        server.int(&format!("SELECT count(*) FROM _plasma_changes WHERE row_version > {before} AND prior IS NULL"));
    assert_eq!(priors, 0);
}

/// What `REPLACE` removes is in the log, with and without `recursive_triggers`.
#[test]
fn replace_writes_the_rows_it_removes() {
    for recursive in [false, true] {
        let mut server = server();
        server.sql(&format!("PRAGMA recursive_triggers = {recursive}"));
        let (a, b, c) = (uuid("a"), uuid("b"), uuid("c"));
        server.sql(&format!(
            "INSERT INTO notes VALUES ('{a}', 'a', 'one'); INSERT INTO notes VALUES ('{b}', 'b', 'two');"
        ));
        let before = server.head();
        // The row itself.
        server.sql(&format!("REPLACE INTO notes VALUES ('{a}', 'A', 'one')"));
        assert_eq!(ops(&mut server, before), [format!("del notes {a}"), format!("put notes {a}")], "{recursive}");
        // Two rows in one: one in the way by its id, one by its unique value.
        let before = server.head();
        server.sql(&format!("REPLACE INTO notes VALUES ('{a}', 'both', 'two')"));
        let mut seen = ops(&mut server, before);
        assert_eq!(seen.pop(), Some(format!("put notes {a}")), "{recursive}");
        seen.sort();
        assert_eq!(seen, [format!("del notes {a}"), format!("del notes {b}")], "{recursive}");
        // An update that replaces another row.
        server
            .sql(&format!("INSERT INTO notes VALUES ('{b}', 'b', 'one'); INSERT INTO notes VALUES ('{c}', 'c', NULL)"));
        let before = server.head();
        server.sql(&format!("UPDATE OR REPLACE notes SET tag = 'one' WHERE id = '{c}'"));
        assert_eq!(ops(&mut server, before), [format!("del notes {b}"), format!("put notes {c}")], "{recursive}");
        assert_replayed(&mut server);
    }
}

/// Statements that note a row and then leave it must not have it deleted later.
#[test]
fn what_is_ignored_or_merged_is_not_written_as_deleted() {
    for recursive in [false, true] {
        let mut server = server();
        server.sql(&format!("PRAGMA recursive_triggers = {recursive}"));
        let (a, b, c) = (uuid("a"), uuid("b"), uuid("c"));
        server.sql(&format!("INSERT INTO notes VALUES ('{a}', 'a', 'one')"));
        let before = server.head();
        server.sql(&format!("INSERT OR IGNORE INTO notes VALUES ('{a}', 'x', 'one')"));
        assert_eq!(ops(&mut server, before), Vec::<String>::new());
        server.sql(&format!("INSERT INTO notes VALUES ('{b}', 'b', NULL)"));
        server.sql(&format!(
            "INSERT INTO notes VALUES ('{a}', 'merged', 'one') ON CONFLICT (id) DO UPDATE SET text = excluded.text"
        ));
        server.sql(&format!("INSERT OR IGNORE INTO notes VALUES ('{c}', 'x', 'one')"));
        server.sql(&format!("UPDATE notes SET text = 'again' WHERE id = '{b}'"));
        assert_eq!(
            ops(&mut server, before),
            [format!("put notes {b}"), format!("put notes {a}"), format!("put notes {b}")],
            "{recursive}"
        );
        // A note that was left behind, then the row gone for another reason.
        server
            .sql(&format!("INSERT OR IGNORE INTO notes VALUES ('{a}', 'x', NULL); DELETE FROM notes WHERE id = '{a}'"));
        let before = server.head();
        server.sql(&format!(
            "INSERT INTO notes VALUES ('{c}', 'c', 'three'); INSERT INTO notes VALUES ('{a}', 'a', 'one')"
        ));
        assert_eq!(ops(&mut server, before), [format!("put notes {c}"), format!("put notes {a}")], "{recursive}");
        assert_replayed(&mut server);
    }
}

/// Random statements: the log, replayed, is the table, and every prior is what the prefix holds.
#[test]
fn the_log_replayed_is_the_table() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    for recursive in [false, true] {
        let mut server = server();
        server.sql(&format!("PRAGMA recursive_triggers = {recursive}"));
        for step in 0..600 {
            let (id, to) = (uuid(&format!("{}", next(5))), uuid(&format!("{}", next(5))));
            let tag = ["NULL", "'one'", "'two'", "'three'"][next(4) as usize];
            let statement = match next(9) {
                0 => format!("INSERT OR IGNORE INTO notes VALUES ('{id}', '{step}', {tag})"),
                1 => format!("REPLACE INTO notes VALUES ('{id}', '{step}', {tag})"),
                2 => format!(
                    "INSERT INTO notes VALUES ('{id}', '{step}', {tag}) ON CONFLICT DO UPDATE SET text = '{step}'"
                ),
                3 => format!("UPDATE OR REPLACE notes SET tag = {tag} WHERE id = '{id}'"),
                4 => format!("UPDATE OR REPLACE notes SET id = '{to}' WHERE id = '{id}'"),
                5 => format!("UPDATE OR IGNORE notes SET tag = {tag}, id = '{to}' WHERE id = '{id}'"),
                6 => format!("UPDATE OR REPLACE notes SET tag = {tag}"),
                7 => format!("DELETE FROM notes WHERE id = '{id}' OR tag IS {tag}"),
                _ => format!("REPLACE INTO notes VALUES ('{id}', 'a', {tag}), ('{to}', 'b', {tag})"),
            };
            server.sql(&statement);
            if step % 10 == 9 {
                assert_replayed(&mut server);
            }
        }
    }
}

fn assert_replayed(server: &mut Server) {
    let entries = server.texts(
        "SELECT json_array(op, row_id, json(value), json(prior)) FROM _plasma_changes WHERE table_name = 'notes' ORDER BY row_version",
    );
    let mut rows = std::collections::BTreeMap::<String, Json>::new();
    for entry in entries {
        let [op, id, value, prior]: [Json; 4] = serde_json::from_str(&entry).unwrap();
        let id = id.as_str().unwrap().to_owned();
        assert_eq!(rows.get(&id).unwrap_or(&Json::Null), &prior, "the prior of {id}");
        match op.as_str() {
            Some("put") => rows.insert(id, value),
            _ => rows.remove(&id),
        };
    }
    let table = server.texts("SELECT json_object('id', id, 'text', text, 'tag', tag) FROM notes ORDER BY id");
    let table: Vec<Json> = table.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(rows.into_values().collect::<Vec<_>>(), table);
}

#[test]
fn entries_say_who_wrote_and_raw_writes_say_nobody() {
    let mut server = server();
    let id = uuid("n");
    let before = server.head();
    server.run("alice", json!([["insert", "notes", { "id": id, "text": "x", "tag": null }]]));
    server.sql(&format!("UPDATE notes SET text = 'raw' WHERE id = '{id}'"));
    let log = server.log_since(before);
    assert!(log[0].ends_with("alice-1 1"), "{log:?}");
    assert!(log[1].ends_with("- -"), "{log:?}");
    let own = format!(
        "SELECT created_at FROM _plasma_changes WHERE client_group_id = 'alice' AND row_version = {}",
        before + 1
    );
    assert_eq!(server.int(&own), server.now);
    let raw = server.int(&format!("SELECT created_at FROM _plasma_changes WHERE row_version = {}", before + 2));
    assert!(raw > 1_700_000_000_000, "{raw}");
    assert_eq!(server.int("SELECT count(*) FROM _plasma_origin WHERE client_id IS NULL AND mark IS NULL"), 1);
    assert_eq!(
        server.int("SELECT count(DISTINCT mark) FROM _plasma_changes"),
        server.int("SELECT count(*) FROM _plasma_changes")
    );
}

#[test]
fn local_tables_that_policies_may_read_are_in_the_log() {
    let mut server = server();
    server.sql(&format!("INSERT INTO audit VALUES ('{}', 'x')", uuid("x")));
    assert_eq!(ops(&mut server, 1).len(), 1);
    let mut without = definition();
    without.policies.clear();
    let engine = crate::server::ServerEngine::new(without, crate::server::ServerOptions::default()).unwrap();
    assert!(!engine.is_logged(&AUDIT) && engine.is_logged(&NOTES));
}
