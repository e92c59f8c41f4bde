//! `ensure_schema`.

use super::fixture::*;
use crate::error::ErrorKind;
use crate::server::{ServerEngine, ServerOptions};

#[test]
fn it_is_idempotent_and_one_look_when_nothing_is_to_do() {
    let mut server = server();
    let before = server.dump();
    let count = server.db.count;
    server.ensure_schema().unwrap();
    assert_eq!(server.dump(), before);
    assert!(server.db.count - count <= 4, "{} statements", server.db.count - count);
    assert_eq!(server.log_since(0), ["begin   - - - -"]);
}

#[test]
fn another_schema_is_refused_and_nothing_changes() {
    let mut server = server();
    // Another program keeps numbers where this one has texts.
    server.sql(
        "DROP TABLE notes; CREATE TABLE notes (id TEXT PRIMARY KEY NOT NULL, text INTEGER NOT NULL, tag TEXT); \
         UPDATE _plasma_meta SET value = '0123456789abcdef' WHERE key = 'fingerprint'",
    );
    let before = server.dump();
    let error = server.ensure_schema().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    for part in ["app-1", "0123456789abcdef", "start the program that fits", "`notes.text`: integer -> text"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
    assert_eq!(server.dump(), before);
}

#[test]
fn a_failure_on_the_way_leaves_nothing_half_made() {
    let mut server = server();
    let statements = server.db.count;
    for at in 1..=statements {
        let mut fresh: Box<dyn crate::store::SqlExecutor> =
            Box::new(crate::store::sqlite::SqliteConnection::in_memory().unwrap());
        std::mem::swap(&mut server.db.inner, &mut fresh);
        for failure in [Failure::Statement, Failure::RollsBack] {
            server.db.failure = failure;
            (server.db.count, server.db.at) = (0, Some(at));
            assert!(server.ensure_schema().is_err(), "statement {at}");
            server.db.at = None;
            assert!(!server.db.inner.in_transaction(), "statement {at}");
            assert_eq!(server.int("SELECT count(*) FROM sqlite_master"), 0, "statement {at}");
        }
        server.ensure_schema().unwrap();
        assert_eq!(server.log_since(0).len(), 1);
    }
}

#[test]
fn missing_triggers_are_made_again_when_the_library_changes_them() {
    let mut server = server();
    server.sql("DROP TRIGGER _plasma_insert_notes; UPDATE _plasma_meta SET value = 'old' WHERE key = 'triggers'");
    server.ensure_schema().unwrap();
    server.sql(&format!("INSERT INTO notes (id, text) VALUES ('{}', 'x')", uuid("n")));
    assert_eq!(server.log_since(1).len(), 1);
}

#[test]
fn definitions_that_contradict_themselves_are_refused() {
    let refuse = |adjust: &dyn Fn(&mut crate::schema::Definition, &mut ServerOptions)| {
        let (mut definition, mut options) = (definition(), ServerOptions::default());
        adjust(&mut definition, &mut options);
        let error = ServerEngine::new(definition, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        error.message().to_owned()
    };
    assert!(refuse(&|definition, _| definition.mutators.push(definition.mutators[0])).contains("`script`"));
    assert!(
        refuse(&|definition, _| definition.policies.retain(|policy| policy.table.name != "todos")).contains("`todos`")
    );
    for path in ["sync", "/sync/", "/"] {
        assert!(refuse(&|_, options| options.base_path = path.to_owned()).contains(path));
    }
}
