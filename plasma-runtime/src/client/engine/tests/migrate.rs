//! Stores that others made: of earlier layouts, and of other versions of the schema.

use serde_json::json;

use super::support::*;
use crate::ErrorKind;
use crate::client::engine::EngineOptions;
use crate::client::event::Event;
use crate::client::outcomes::OutcomeStatus;
use crate::schema::{ColumnDef, OnDelete, SchemaDef, TableDef, fingerprint};
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;
use crate::value::Kind;

const fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name, Kind::Text)
}

/// Lists have names that nobody else may have.
static LISTS_2: TableDef = TableDef::new("lists", &[ColumnDef::new("id", Kind::Id), text("name").unique()]);
/// Todos have notes.
static TODOS_2: TableDef = TableDef::new(
    "todos",
    &[
        ColumnDef::new("id", Kind::Id),
        ColumnDef { references: Some("lists"), ..ColumnDef::new("list_id", Kind::Id) }.on_delete(OnDelete::Cascade),
        text("title"),
        ColumnDef { nullable: true, ..text("slug") }.unique(),
        ColumnDef::new("done", Kind::Bool),
        ColumnDef { nullable: true, ..text("note") },
    ],
);
/// What was a table of this device syncs.
static DRAFTS_2: TableDef = TableDef::new("drafts", &[ColumnDef::new("id", Kind::Id), text("body")]);

macro_rules! version {
    ($name:ident, $version:literal, $($table:expr),*) => {
        fn $name() -> SchemaDef {
            static TABLES: &[&TableDef] = &[$($table),*];
            SchemaDef {
                name: "Test",
                version: $version,
                fingerprint: fingerprint::schema(TABLES),
                tables: TABLES,
                locked: &[],
            }
        }
    };
}
version!(noted, "test-2", &LISTS, &TODOS_2, &DRAFTS);
version!(unique, "test-3", &LISTS_2, &TODOS, &DRAFTS);
version!(shared, "test-4", &LISTS, &TODOS, &DRAFTS_2);

const STORES: [&str; 5] = [
    include_str!("stores/layout-1.sql"),
    include_str!("stores/layout-2.sql"),
    include_str!("stores/layout-3.sql"),
    include_str!("stores/layout-4.sql"),
    include_str!("stores/layout-5.sql"),
];

fn opened(sql: &str, schema: SchemaDef) -> Client {
    let mut store = SqliteConnection::in_memory().unwrap();
    store.batch(sql).unwrap();
    let options = EngineOptions { group: None, ..options() };
    let mut client = Client::over_schema(store, options, schema, 7).unwrap();
    client.now = 2_000_000;
    client
}

/// What the layout changes is taken care of; all else is as it was.
#[test]
fn stores_of_every_layout_are_opened() {
    for (index, sql) in STORES.iter().enumerate() {
        let layout = index + 1;
        for (schema, keeps_cookie) in [(schema(), true), (noted(), layout >= 4)] {
            let mut client = opened(sql, schema);
            client.event(Event::Tick);
            let what = format!("layout {layout}, {}", client.engine.definition.schema.version);
            assert_eq!(client.engine.client_id(&mut client.store).unwrap(), "00000000-0000-4000-9000-000000000099");
            let cookie = client.engine.cookie(&mut client.store).unwrap();
            assert_eq!(cookie.as_deref(), keeps_cookie.then_some("c9"), "{what}");
            assert_eq!(client.texts(&LISTS, "name"), ["base", "mine"], "{what}");
            assert_eq!(client.texts(&TODOS, "title"), ["new"], "{what}");
            assert_eq!(client.texts(&DRAFTS, "body"), ["local"], "{what}");
            let outcomes = client.engine.outcomes(&mut client.store).unwrap();
            assert_eq!(outcomes.iter().map(|o| (o.id, o.status)).collect::<Vec<_>>(), [(1, OutcomeStatus::Rejected)]);
            client.event(Event::PushNow);
            let push = client.take_push();
            assert_eq!(push.ids(), [2, 3], "{what}");
            let mutation = push.body()["mutations"][0].clone();
            assert_eq!(mutation["args"], json!({ "id": id(2), "name": "mine" }), "{what}");
            let later = client.engine.definition.schema.version != "test-1";
            let made_by = (layout >= 4 && later).then_some("test-1");
            assert_eq!(mutation.get("schemaVersion").and_then(|version| version.as_str()), made_by, "{what}");
            // It is of the first run, which was another program's.
            let observed = push.body()["mutations"][1].get("observed").cloned();
            let seen = json!({ "todos": { id(11): { "likes": [7] } } });
            assert_eq!(observed, (layout == 5).then_some(seen), "{what}");
            assert_eq!(client.reports, [], "{what}");
        }
    }
}

/// Rows of the base that the new version does not allow come anew, with all others: the server thinks they are here.
#[test]
fn rows_that_do_not_fit_cost_the_cookie() {
    for (name, keeps) in [("another", true), ("base", false)] {
        let change = format!(
            "DELETE FROM _plasma_effects WHERE table_name = 'lists'; UPDATE lists SET name = '{name}' WHERE name = 'mine';"
        );
        let mut client = opened(&format!("{}{change}", STORES[4]), unique());
        let cookie = client.engine.cookie(&mut client.store).unwrap();
        assert_eq!(cookie.is_some(), keeps, "{name}");
        client.event(Event::Tick);
        assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 2);
    }
}

/// A set that was under way is of the former version: it begins anew from where the base is.
#[test]
fn staged_pages_are_dropped() {
    let staged = "INSERT INTO _plasma_meta VALUES ('inbox_cookie', 'c10'), ('inbox_acknowledged', '1');
        INSERT INTO _plasma_inbox VALUES (1, 0, '{\"cookie\":\"c10\",\"hasMore\":true,\"partial\":true,\"patch\":[],\
        \"lastMutationIDs\":{},\"results\":[]}');";
    for (schema, cookie) in [(schema(), "c10"), (noted(), "c9")] {
        let mut client = opened(&format!("{}{staged}", STORES[4]), schema);
        let request = client.request_pull();
        assert_eq!(request.param("cookie").as_deref(), Some(cookie));
    }
}

/// Rows that nobody else has do not become rows of a table that syncs.
#[test]
fn a_table_that_syncs_from_now_on_does_not_take_the_rows_of_before() {
    let mut client = opened(STORES[4], shared());
    assert_eq!(client.texts(&DRAFTS_2, "body"), [""; 0]);
    assert_eq!(client.reports, [("Storage".into(), "storage".into())]);
    let kept = client.store.query("SELECT body FROM _plasma_kept_1_drafts", &[], &[Kind::Text]).unwrap();
    assert_eq!(kept, [["local".into()]]);
    assert!(client.engine.cookie(&mut client.store).unwrap().is_some(), "the server states what was never sent");
}

/// The version before must not drop what it does not know. One that has its shape, and another name, is a later one.
#[test]
fn an_earlier_version_is_refused_and_a_later_one_of_the_same_shape_is_not() {
    let newer = || opened(STORES[4], noted()).store;
    let error = Client::over_schema(newer(), options(), schema(), 9).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::WrongStore);
    assert_eq!(error.data(), Some(&json!({ "expected": "test-2", "got": "test-1" })));
    let back = SchemaDef { version: "test-5", ..schema() };
    let mut client = Client::over_schema(newer(), options(), back, 9).unwrap();
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 2);
    // And from there the other one is an earlier one.
    let error = Client::over_schema(client.store, options(), noted(), 9).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::WrongStore);
}
