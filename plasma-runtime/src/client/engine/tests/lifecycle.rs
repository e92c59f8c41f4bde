//! Opening, running, discarding, resetting, leaving.

use serde_json::json;

use super::support::*;
use crate::ErrorKind;
use crate::client::engine::{Durability, EngineOptions, SignOut};
use crate::client::event::{Event, Inputs};
use crate::client::outcomes::OutcomeStatus;
use crate::mutate::Access;
use crate::query::ir::Write;
use crate::schema::{ColumnDef, OnDelete, SchemaDef, TableDef, fingerprint};
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Value};

fn add(client: &mut Client, n: u32) -> uuid::Uuid {
    client.mutate("list.add", json!({ "id": id(n), "name": format!("list {n}") })).key
}

#[test]
fn a_mutation_that_fails_leaves_nothing() {
    let mut client = Client::new();
    client.begin();
    add(&mut client, 1);
    client.batches.clear();
    for (name, args, kind) in [
        ("list.unless", json!({ "id": id(1), "name": "list 1" }), ErrorKind::Rejected),
        ("list.add", json!({ "id": id(1), "name": "again" }), ErrorKind::Conflict),
        ("list.remove", json!({ "id": id(7) }), ErrorKind::NotFound),
        ("todo.title", json!({ "id": id(7), "title": "x" }), ErrorKind::NotFound),
        ("list.add", json!({ "id": id(2) }), ErrorKind::InvalidArgs),
        ("list.add", json!({ "id": "no uuid", "name": "x" }), ErrorKind::Conflict),
        ("panics", json!({ "n": 1 }), ErrorKind::Panic),
        ("awaits", json!({}), ErrorKind::ForeignAwait),
        ("unheard.of", json!({}), ErrorKind::UnknownMutator),
    ] {
        let error = client.try_mutate(name, args).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(!client.store.in_transaction());
    }
    let mut inputs = Inputs { now: client.now, entropy: &mut client.entropy };
    let error = client.engine.mutate(&mut client.store, &(), "nothing", "{no json", &mut inputs).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgs);
    assert_eq!(client.batches, []);
    assert_eq!(client.texts(&LISTS, "name"), ["list 1"]);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 1);
    assert_eq!(client.engine.status(client.now).pending, 1);
}

#[test]
fn a_panic_of_a_mutator_says_what_it_says() {
    let error = Client::new().try_mutate("panics", json!({ "n": 1 })).expect_err("it panics");
    assert_eq!(error.message(), "the mutator panicked: mutator bug 1");
}

#[test]
fn a_mutation_that_writes_nothing_is_queued_all_the_same() {
    let mut client = Client::new();
    assert_eq!(client.mutate("nothing", json!({})).id, Some(1));
    assert_eq!(client.mutate("audit", json!({})).id, Some(2), "server_only: queued, not run");
    client.begin();
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().iter().filter(|m| m.failing.is_some()).count(), 0);
}

#[test]
fn ids_made_inside_a_mutator_are_the_same_in_every_run() {
    let mut client = Client::new();
    client.begin();
    client.mutate("list.new", json!({ "name": "x" }));
    let before = client.rows(&LISTS);
    client.now += 5_000;
    client.pull(vec![json!({ "op": "clear" })], None);
    assert_eq!(client.rows(&LISTS), before);
    let wanted = client.engine.client_id(&mut client.store).unwrap();
    client.event(Event::PushNow);
    let push = client.take_push();
    client.answer(&push, 409, json!({ "error": "client-forked", "message": "" }));
    assert_ne!(client.engine.client_id(&mut client.store).unwrap(), wanted);
    client.pull(vec![json!({ "op": "clear" })], None);
    assert_eq!(client.rows(&LISTS), before, "the key seeds them, and the key stays");
}

#[test]
fn local_rows_need_no_id_and_are_final() {
    let mut client = Client::new();
    client.begin();
    assert_eq!(client.mutate("draft.set", json!({ "id": id(1), "body": "a" })).id, None);
    assert_eq!(client.engine.outbox(&mut client.store).unwrap(), []);
    // With synced rows in the same mutation: the local ones stay through replay and rejection.
    client.mutate("mixed", json!({ "id": id(2) }));
    client.pull(vec![json!({ "op": "clear" })], None);
    assert_eq!(client.rows(&DRAFTS).len(), 2);
    assert_eq!(client.texts(&LISTS, "name"), ["mixed"]);
    let results = vec![json!({ "id": 1, "status": "rejected", "error": { "code": "conflict", "message": "" } })];
    client.pull_with(vec![], Some(1), results);
    assert_eq!(client.rows(&LISTS).len(), 0);
    assert_eq!(client.rows(&DRAFTS).len(), 2);
}

#[test]
fn a_local_write_touches_local_tables_only() {
    let mut client = Client::new();
    let mut write = |table: &'static TableDef, row: crate::value::Row| {
        let mut inputs = Inputs { now: client.now, entropy: &mut client.entropy };
        let run: crate::client::engine::LocalRun<'_> = Box::new(move |tx, _| {
            Box::pin(async move { tx.write(Write::Insert { table, row }, Access::Checked).await.map(|_| ()) })
        });
        client.engine.local(&mut client.store, &(), run, &mut inputs).map(|_| ())
    };
    write(&DRAFTS, vec![id(1).into(), "a".into()]).unwrap();
    let error = write(&LISTS, vec![id(1).into(), "a".into()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert_eq!(client.rows(&DRAFTS).len(), 1);
    assert_eq!(client.rows(&LISTS).len(), 0);
}

#[test]
fn discard_takes_back_what_was_never_sent() {
    let mut client = Client::new();
    client.begin();
    let first = add(&mut client, 1);
    let second = client.mutate("todo.add", json!({ "id": id(11), "list": id(1), "title": "t" })).key;
    client.discard(first).unwrap();
    client.discard(first).unwrap();
    assert_eq!(client.rows(&LISTS).len(), 0);
    assert_eq!(client.engine.outcome(&mut client.store, first).unwrap().unwrap().status, OutcomeStatus::Discarded);
    assert!(client.progress.contains(&(first, "discarded".into())));
    client.event(Event::PushNow);
    let push = client.take_push();
    let mutations = push.body()["mutations"].clone();
    assert_eq!(mutations[0], json!({ "id": 1, "key": first.to_string(), "skip": "discarded" }));
    assert_eq!(client.discard(second).unwrap_err().kind(), ErrorKind::AlreadySent);
    let results = json!([{ "id": 1, "status": "skipped" }, { "id": 2, "status": "applied" }]);
    client.answer(&push, 200, json!({ "ok": true, "lastMutationID": 2, "results": results }));
    assert_eq!(client.discard(second).unwrap_err().kind(), ErrorKind::AlreadySent);
    client.pull(vec![put_todo(11, 1, "t", None)], Some(2));
    assert_eq!(client.discard(second).unwrap_err().kind(), ErrorKind::AlreadySent);
    let stranger = uuid::Uuid::from_u128(7);
    assert_eq!(client.discard(stranger).unwrap_err().kind(), ErrorKind::NotFound);
    let ends: Vec<_> = client.engine.outcomes(&mut client.store).unwrap().iter().map(|o| o.status).collect();
    assert_eq!(ends, [OutcomeStatus::Discarded, OutcomeStatus::Applied]);
}

#[test]
fn outcomes_survive_a_restart_until_they_are_dismissed() {
    let mut client = Client::with(EngineOptions { applied_outcomes: 2, ..options() });
    client.begin();
    let keys: Vec<_> = (1..=5).map(|n| add(&mut client, n)).collect();
    client.event(Event::PushNow);
    let push = client.take_push();
    let mut answer = applied(&push);
    answer["results"][0] =
        json!({ "id": 1, "status": "rejected", "error": { "code": "conflict", "message": "taken" } });
    client.answer(&push, 200, answer);
    let mut client = client.restart();
    let ids: Vec<u64> = client.engine.outcomes(&mut client.store).unwrap().iter().map(|o| o.id).collect();
    assert_eq!(ids, [1, 4, 5], "applied ones age out, others do not");
    let rejected = client.engine.outcome(&mut client.store, keys[0]).unwrap().unwrap();
    assert_eq!(rejected.args.as_deref(), Some(&*json!({ "id": id(1), "name": "list 1" }).to_string()));
    assert!(client.engine.dismiss(&mut client.store, keys[0]).unwrap());
    assert!(!client.engine.dismiss(&mut client.store, keys[0]).unwrap());
    assert_eq!(client.engine.outcome(&mut client.store, keys[0]).unwrap(), None);
}

#[test]
fn a_store_belongs_to_one_group() {
    let client = Client::new();
    let other = EngineOptions { group: Some("bob".into()), ..options() };
    let error = Client::over(client.store, other).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::WrongStore);
    assert_eq!(error.data(), Some(&json!({ "expected": "alice", "got": "bob" })));
    // Opened without a group it takes the one it has; a store without one takes the first it is given.
    let store = SqliteConnection::in_memory().unwrap();
    let client = Client::over(store, EngineOptions::default()).unwrap();
    let client = Client::over(client.store, options()).unwrap();
    let client = Client::over(client.store, EngineOptions { group: None, ..options() }).unwrap();
    assert_eq!(client.engine.group.as_deref(), Some("alice"));
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    for (setup, what) in [
        ("CREATE TABLE todos (id INTEGER)", "a table of our name"),
        ("CREATE TABLE _plasma_meta (key TEXT PRIMARY KEY, value TEXT)", "a server's"),
        ("CREATE TABLE _plasma_meta (k)", "something else"),
        (
            "CREATE TABLE _plasma_meta (key TEXT PRIMARY KEY, value TEXT); INSERT INTO _plasma_meta VALUES ('layout', '99')",
            "a newer version's",
        ),
    ] {
        let mut store = SqliteConnection::in_memory().unwrap();
        store.batch(setup).unwrap();
        let error = Client::over(store, options()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::WrongStore, "{what}: {error}");
    }
}

static TODOS_2: TableDef = TableDef::new(
    "todos",
    &[
        ColumnDef::of::<String>("title"),
        ColumnDef { references: Some("todos"), kind: Kind::Id, ..ColumnDef::of::<String>("id") },
        ColumnDef {
            references: Some("lists"),
            kind: Kind::Id,
            on_delete: OnDelete::Cascade,
            ..ColumnDef::of::<String>("list_id")
        },
        ColumnDef { nullable: true, unique: true, ..ColumnDef::of::<String>("slug") },
        ColumnDef::of::<bool>("done"),
        ColumnDef { nullable: true, ..ColumnDef::of::<String>("note") },
    ],
);
static DRAFTS_2: TableDef = TableDef {
    local_only: true,
    ..TableDef::new(
        "drafts",
        &[ColumnDef { kind: Kind::Id, ..ColumnDef::of::<String>("id") }, ColumnDef::of::<String>("must")],
    )
};

fn next_schema() -> SchemaDef {
    static TABLES: [&TableDef; 3] = [&LISTS, &TODOS_2, &DRAFTS_2];
    SchemaDef {
        name: "Test",
        version: "test-2",
        fingerprint: fingerprint::schema(&TABLES),
        tables: &TABLES,
        locked: &[],
    }
}

#[test]
fn a_changed_schema_keeps_the_outbox_and_shows_the_rows_until_the_new_ones_are_there() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L"), put_todo(11, 1, "base", Some("x"))], None);
    client.mutate("draft.set", json!({ "id": id(5), "body": "local" }));
    let added = client.mutate("list.add", json!({ "id": id(2), "name": "mine" })).key;
    client.mutate("list.remove", json!({ "id": id(1) }));
    client.event(Event::PushNow);
    let push = client.take_push();
    let mut answer = applied(&push);
    answer["results"] = json!([{ "id": 1, "status": "rejected", "error": { "code": "conflict", "message": "" } }]);
    client.answer(&push, 200, answer);

    let mut client = Client::over_schema(client.store, options(), next_schema(), 5).unwrap();
    assert_eq!(client.reports, [("Storage".into(), "storage".into())], "local rows that do not fit are put aside");
    let kept = client.store.query("SELECT body FROM _plasma_kept_1_drafts", &[], &[Kind::Text]).unwrap();
    assert_eq!(kept, [[Value::from("local")]]);
    let cookie = client.engine.cookie(&mut client.store).unwrap();
    assert!(cookie.is_some(), "a column that can be NULL was added: the server says what is new");
    // A crash before the replay does not lose it.
    let mut client = Client::over_schema(client.store, options(), next_schema(), 6).unwrap();
    let titles = client.store.query("SELECT title, note FROM todos", &[], &[Kind::Text; 2]).unwrap();
    assert_eq!(
        titles,
        [[Value::from("base"), Value::Null]],
        "the row the pending delete took is back until it runs again"
    );
    client.event(Event::Tick);
    assert_eq!(client.texts(&LISTS, "name"), ["mine"], "what is pending runs again");
    assert_eq!(client.engine.outbox(&mut client.store).unwrap().len(), 2);
    assert_eq!(client.engine.outcome(&mut client.store, added).unwrap().unwrap().status, OutcomeStatus::Rejected);
    let request = client.request_pull();
    assert_eq!(request.param("cookie"), cookie.map(|cookie| cookie.replace(':', "%3A")));
    // Opened with the same schema nothing happens again.
    let client = Client::over_schema(client.store, options(), next_schema(), 7).unwrap();
    assert!(client.reports.is_empty() && !client.engine.replay_due);
}

#[test]
fn a_reset_says_what_it_loses() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "L")], None);
    client.mutate("draft.set", json!({ "id": id(5), "body": "local" }));
    let acknowledged = add(&mut client, 2);
    client.event(Event::PushNow);
    let push = client.take_push();
    client.answer(&push, 200, applied(&push));
    let pending = add(&mut client, 3);
    let before = client.engine.client_id(&mut client.store).unwrap();
    let announced = client.engine.losses(&mut client.store).unwrap();
    let mut inputs = Inputs { now: client.now, entropy: &mut client.entropy };
    let (lost, actions) = client.engine.reset_local_state(&mut client.store, &(), &mut inputs).unwrap();
    client.take(actions);
    assert_eq!(lost, announced);
    assert_eq!(lost.mutations.iter().map(|m| m.key).collect::<Vec<_>>(), [pending]);
    assert_ne!(acknowledged, pending);
    assert_ne!(client.engine.client_id(&mut client.store).unwrap(), before);
    assert_eq!(client.rows(&LISTS).len(), 0);
    assert_eq!(client.rows(&DRAFTS).len(), 1);
    assert_eq!(client.engine.status(client.now).pending, 0);
    assert!(client.batches.last().unwrap().all);
    assert_eq!(client.mutate("nothing", json!({})).id, Some(1));
    let request = client.request_pull();
    assert_eq!(request.param("cookie"), None);
}

#[test]
fn signing_out_keeps_the_outbox_or_wipes_the_store() {
    let mut client = Client::new();
    client.begin();
    client.pull(vec![put_list(1, "secret")], None);
    let key = add(&mut client, 2);
    let id_before = client.engine.client_id(&mut client.store).unwrap();
    let sign_out = |client: &mut Client, how| {
        let mut inputs = Inputs { now: client.now, entropy: &mut client.entropy };
        client.engine.sign_out(&mut client.store, how, &mut inputs).unwrap();
        let error = client.try_mutate("nothing", json!({})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
    };
    sign_out(&mut client, SignOut::KeepOutbox);
    assert_eq!(client.rows(&LISTS).len(), 0);
    let mut client = Client::over(client.store, options()).unwrap();
    assert_eq!(client.engine.outbox(&mut client.store).unwrap()[0].key, key);
    assert_eq!(client.engine.client_id(&mut client.store).unwrap(), id_before);
    client.event(Event::Tick);
    assert_eq!(client.texts(&LISTS, "name"), ["list 2"]);
    sign_out(&mut client, SignOut::Wipe);
    let tables = client.store.query("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'", &[], &[Kind::Text]);
    assert_eq!(tables.unwrap(), [[Value::Null]; 0]);
    let bob = EngineOptions { group: Some("bob".into()), ..options() };
    let mut client = Client::over(client.store, bob).unwrap();
    assert_eq!(client.engine.outbox(&mut client.store).unwrap(), []);
}

#[test]
fn another_context_runs_everything_again() {
    let mut client = Client::new();
    client.begin();
    add(&mut client, 1);
    let mut inputs = Inputs { now: client.now, entropy: &mut client.entropy };
    client.engine.set_ctx(&mut client.store, &(), &mut inputs).unwrap();
    assert_eq!(client.stats().replays, 1);
    assert_eq!(client.texts(&LISTS, "name"), ["list 1"]);
}

#[test]
fn write_behind_commits_within_twenty_milliseconds_and_says_when() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let open = || SqliteConnection::open(&file, Default::default()).unwrap();
    let mut client = Client::over(open(), EngineOptions { durability: Durability::WriteBehind, ..options() }).unwrap();
    let mut other = open();
    let mut stored = || other.query("SELECT count(*) FROM lists", &[], &[Kind::Int]).unwrap()[0][0].as_int();
    let first = add(&mut client, 1);
    let second = add(&mut client, 2);
    assert!(client.try_mutate("panics", json!({ "n": 1 })).is_err());
    assert_eq!(client.texts(&LISTS, "name"), ["list 1", "list 2"], "its own connection sees them");
    assert_eq!(
        client.engine.outbox(&mut client.store).unwrap().iter().map(|queued| queued.id).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!((stored(), client.batches.len(), client.progress.len()), (Some(0), 2, 0), "listeners hear at once");
    assert_eq!(client.wake_at, Some(client.now + 20));
    client.wait();
    assert_eq!(stored(), Some(2));
    assert_eq!(client.batches.len(), 2);
    assert_eq!(client.progress, [(first, "durable".into()), (second, "durable".into())]);
    assert!(!client.store.in_transaction());
    // A failure alone does not keep the write lock.
    assert!(client.try_mutate("panics", json!({ "n": 1 })).is_err());
    assert!(!client.store.in_transaction());
    // Anything else that happens commits first.
    add(&mut client, 3);
    client.event(Event::Start);
    assert_eq!(stored(), Some(3));
    assert_eq!(client.take_push().ids(), [1, 2, 3]);
}
