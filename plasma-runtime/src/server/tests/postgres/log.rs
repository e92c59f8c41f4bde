//! What the triggers write, whoever writes the rows and however.

use plasma_test_postgres::database;

use super::support::{Base, Writes, entries};
use crate::schema::{ColumnDef, TableDef};
use crate::server::ddl::postgres::{log_of, own};
use crate::value::{Kind, Value, json};

#[test]
fn a_raw_transaction_is_one_unit() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run(
        "BEGIN; INSERT INTO rows VALUES ('a', 1); UPDATE rows SET n = 2; INSERT INTO parts VALUES ('p', 'a'); COMMIT",
    );
    db.run("DELETE FROM rows");
    // A cascade is a part of the unit.
    assert_eq!(entries(&mut db), ["put a", "put a", "put p", "del a", "del p"]);
    assert_eq!(db.int("SELECT count(DISTINCT unit) FROM _plasma_changes"), 2);
    assert_eq!(db.int("SELECT count(*) FROM _plasma_commits WHERE last_seq IS NULL"), 2);
    assert_eq!(db.sequence(), 2);
    assert_eq!(db.sequence(), 0);
    assert_eq!(db.int("SELECT max(row_version) FROM _plasma_commits"), 3);
}

#[test]
fn updates_that_change_nothing_write_nothing() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run("INSERT INTO rows VALUES ('a', NULL)");
    db.run("UPDATE rows SET n = NULL, id = 'a'");
    assert_eq!(entries(&mut db), ["put a"]);
    assert_eq!(db.int("SELECT count(*) FROM _plasma_commits"), 2, "nor do they make a unit");
}

#[test]
fn a_changed_id_is_the_end_of_one_row_and_the_start_of_another() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run("INSERT INTO rows VALUES ('a', 1)");
    db.run("UPDATE rows SET id = 'b', n = 2");
    assert_eq!(entries(&mut db), ["put a", "del a", "put b"]);
    let images =
        db.texts("SELECT coalesce(prior, 'none') || ' ' || coalesce(value, 'none') FROM _plasma_changes ORDER BY seq");
    assert_eq!(images[1..], [r#"{"id":"a","n":"1"} none"#, r#"none {"id":"b","n":"2"}"#]);
}

#[test]
fn an_upsert_a_merge_and_a_copy_are_caught() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run("INSERT INTO rows VALUES ('a', 1) ON CONFLICT (id) DO UPDATE SET n = 5");
    db.run("INSERT INTO rows VALUES ('a', 1) ON CONFLICT (id) DO UPDATE SET n = 5");
    db.run("INSERT INTO rows VALUES ('a', 1) ON CONFLICT DO NOTHING");
    db.run(
        "MERGE INTO rows r USING (VALUES ('a'), ('b')) v(id) ON r.id = v.id \
         WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, 3)",
    );
    assert_eq!(entries(&mut db).len(), 4);
    use std::io::Write as _;
    let mut copy = db.copy_in("COPY rows FROM STDIN").unwrap();
    copy.write_all(b"c\t1\nd\t2\n").unwrap();
    copy.finish().unwrap();
    assert_eq!(entries(&mut db)[4..], ["put c", "put d"]);
}

/// It fires no trigger for the rows it removes.
#[test]
fn truncate_does_not_slip_by() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run("TRUNCATE rows CASCADE");
    assert_eq!(db.int("SELECT count(*) FROM _plasma_commits"), 1, "of nothing it is nothing");
    db.run("INSERT INTO rows VALUES ('a', 1), ('b', 2); INSERT INTO parts VALUES ('p', 'a')");
    db.run("BEGIN; TRUNCATE rows CASCADE; INSERT INTO rows VALUES ('b', 3); COMMIT");
    let mut log = entries(&mut db).split_off(3);
    assert_eq!(log.pop().as_deref(), Some("put b"));
    log.sort();
    assert_eq!(log, ["del a", "del b", "del p"]);
    assert_eq!(db.int("SELECT count(DISTINCT unit) FROM _plasma_changes"), 2);
}

/// Row triggers run at the end of their statement, and what a trigger writes is told at once: before the write that
/// came first.
#[test]
fn writes_of_other_triggers_do_not_turn_the_order_around() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run("INSERT INTO rows VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4)");
    db.run(
        "CREATE FUNCTION others() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
           IF pg_trigger_depth() = 1 AND TG_OP = 'UPDATE' THEN \
             UPDATE rows SET n = n + 100 WHERE id > NEW.id AND id < 'd'; \
             DELETE FROM rows WHERE id = 'd' AND NEW.id = 'a'; \
           ELSIF pg_trigger_depth() = 1 AND TG_OP = 'INSERT' THEN \
             UPDATE rows SET n = n + 1 WHERE id = NEW.id; \
             INSERT INTO rows VALUES (NEW.id || '2', 0); \
           ELSIF pg_trigger_depth() = 1 THEN \
             INSERT INTO rows VALUES (OLD.id, -1); \
           END IF; RETURN NULL; END $$; \
         CREATE TRIGGER \"A_first\" AFTER INSERT OR UPDATE OR DELETE ON rows FOR EACH ROW EXECUTE FUNCTION others();",
    );
    let mut reader = super::support::Reader::new(super::support::Order::Sequenced);
    reader.pull(&mut db);
    for statement in [
        "UPDATE rows SET n = n * 10",
        "UPDATE rows SET n = n + 1",
        "INSERT INTO rows VALUES ('x', 1), ('y', 2)",
        "DELETE FROM rows",
        "BEGIN; UPDATE rows SET n = n + 1; DELETE FROM rows WHERE id = 'a'; UPDATE rows SET n = n + 1; COMMIT",
    ] {
        db.run(statement);
        reader.pull(&mut db);
        assert!(reader.wrong.is_empty(), "{statement}: {:?}", reader.wrong);
    }
    reader.verdict(&mut db).unwrap();
}

/// A program that may write the user's tables and nothing else, with any search path and settings.
#[test]
fn other_programs_need_rights_on_their_table_only() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    let role = base.database.name.clone() + "_other";
    db.run(&format!("CREATE ROLE {role} LOGIN; GRANT INSERT, UPDATE, SELECT ON rows TO {role}; GRANT TRUNCATE ON rows, parts TO {role}"));
    let url = base.database.url.replace("plasma@", &format!("{role}@"));
    let mut other =
        plasma_test_postgres::postgres::Client::connect(&url, plasma_test_postgres::postgres::NoTls).unwrap();
    other.run("SET search_path = pg_temp; CREATE TEMP TABLE _plasma_changes (x int); CREATE TEMP TABLE rows (x int)");
    other.run(
        "INSERT INTO public.rows VALUES ('a', 1); UPDATE public.rows SET n = 2; TRUNCATE public.rows, public.parts",
    );
    assert_eq!(entries(&mut db), ["put a", "put a", "del a"]);
    // Nor can it have its own rows logged as those of a table it may not write.
    other.run("CREATE TEMP TABLE parts (id text, \"row\" text)");
    for forbidden in [
        "CREATE TRIGGER t AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION public._plasma_log_parts()",
        "SELECT public._plasma_open_unit()",
        "SELECT public._plasma_sequence()",
        "INSERT INTO public._plasma_changes (unit, table_name, row_id, op) VALUES (1, 'rows', 'a', 'del')",
    ] {
        let error = other.batch_execute(forbidden).unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{forbidden}: {error}");
    }
    db.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn two_schemas_of_one_database_are_two_logs() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    let schema = "it's \"odd\"";
    let quoted = crate::store::ddl::quote(schema);
    db.run(&format!("CREATE SCHEMA {quoted}; SET search_path = {quoted}"));
    Base::prepare(&mut db, schema);
    db.run("INSERT INTO rows VALUES ('a', 1); INSERT INTO public.rows VALUES ('b', 1)");
    assert_eq!(entries(&mut db), ["put a"]);
    assert_eq!(db.sequence(), 1);
    db.run("SET search_path = public");
    assert_eq!(entries(&mut db), ["put b"]);
    assert_eq!(db.sequence(), 1);
}

static EVERY: TableDef = TableDef::new("every", &{
    const fn nullable(name: &'static str, kind: Kind) -> ColumnDef {
        ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
    }
    [
        ColumnDef::new("id", Kind::Id),
        nullable("te\"xt", Kind::Text),
        nullable("int", Kind::Int),
        nullable("big", Kind::BigInt),
        nullable("at", Kind::Timestamp),
        nullable("price", Kind::Fixed(2)),
        nullable("ratio", Kind::Float),
        nullable("is", Kind::Bool),
        nullable("photo", Kind::Blob),
        nullable("tree", Kind::Json),
        nullable("day", Kind::Date),
        nullable("scan", Kind::File),
    ]
});

#[test]
fn every_kind_is_written_as_the_codec_reads_it() {
    let Some(database) = database() else { return };
    let mut db = database.connect();
    db.run(
        "CREATE TABLE every (id text PRIMARY KEY, \"te\"\"xt\" text, int integer, big bigint, at bigint, price bigint, \
         ratio double precision, \"is\" boolean, photo bytea, tree text, day text, scan text)",
    );
    db.run(&own("public"));
    db.run(&log_of(&EVERY, "public"));
    // Another program may print floats shorter than they are, and bytes in another way.
    db.run("SET extra_float_digits = -15; SET bytea_output = 'escape'");
    let id = "00000000-0000-4000-8000-000000000000";
    let file = r#"{"hash":"00000000000000000000000000000000000000000000000000000000000000ff","size":1,"mime":"a/b"}"#;
    let int = |n: i64| Value::Int(n);
    let rows: Vec<(String, Vec<Value>)> = vec![
        ("NULL, ".repeat(10) + "NULL", vec![Value::Null; 11]),
        (
            format!(
                "E'it''s \"é\" \\\\ \\n \\u0001 \\u2028', -2147483648, 9223372036854775807, -1, 150, 0.1, true, '\\x00ff', \
                 '{{\"b\": 1.50, \"a\" : [null]}}', '2024-02-29', '{file}'"
            ),
            vec![
                Value::from("it's \"é\" \\ \n \u{1} \u{2028}"),
                int(-2_147_483_648),
                int(i64::MAX),
                int(-1),
                int(150),
                Value::Float(0.1),
                Value::Bool(true),
                Value::Blob(vec![0, 255]),
                Value::Json("{\"b\":1.50,\"a\":[null]}".to_owned()),
                Value::from("2024-02-29"),
                Value::Json(file.to_owned()),
            ],
        ),
        (
            "'', 0, -9223372036854775808, 0, 0, 1.7976931348623157e308, false, '', '\"\\u0000\"', '0001-01-01', NULL"
                .to_owned(),
            vec![
                Value::from(""),
                int(0),
                int(i64::MIN),
                int(0),
                int(0),
                Value::Float(1.797_693_134_862_315_7e308),
                Value::Bool(false),
                Value::Blob(Vec::new()),
                Value::Json("\"\\u0000\"".to_owned()),
                Value::from("0001-01-01"),
                Value::Null,
            ],
        ),
        ("NULL, NULL, NULL, NULL, NULL, 5e-324".to_owned() + &", NULL".repeat(5), {
            let mut row = vec![Value::Null; 11];
            row[5] = Value::Float(5e-324);
            row
        }),
        ("NULL, NULL, NULL, NULL, NULL, -123456789.12345679".to_owned() + &", NULL".repeat(5), {
            let mut row = vec![Value::Null; 11];
            row[5] = Value::Float(-123_456_789.123_456_79);
            row
        }),
        ("NULL, NULL, NULL, NULL, NULL, 9007199254740993".to_owned() + &", NULL".repeat(5), {
            let mut row = vec![Value::Null; 11];
            row[5] = Value::Float(9_007_199_254_740_992.0);
            row
        }),
    ];
    for (values, mut expected) in rows {
        db.run(&format!("DELETE FROM every; INSERT INTO every VALUES ('{id}', {values})"));
        let log = db.texts("SELECT value FROM _plasma_changes WHERE op = 'put' ORDER BY seq DESC LIMIT 1").remove(0);
        expected.insert(0, Value::from(id));
        let read = json::decode_log_row(&EVERY, &log).unwrap();
        assert_eq!(read, expected, "{log}");
        // But for blobs the form of the log is the form of the wire.
        if read[8].is_null() || read[8] == Value::Blob(Vec::new()) {
            let compact: serde_json::Value = serde_json::from_str(&log).unwrap();
            let wire: serde_json::Value = serde_json::from_str(&json::encode_row(&EVERY, &read)).unwrap();
            assert_eq!(compact, wire);
        }
    }
    assert!(json::encode_row(&EVERY, &vec![Value::Null; 12]).starts_with("{\"id\":null,\"te\\\"xt\":null,"));
}
