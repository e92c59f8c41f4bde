//! Cookies, resets, acknowledgements, and the limits of pages.

use std::sync::Arc;

use super::database::{Database, also_on_postgres};
use super::named::ops;
use super::world::{Reader, World, id, key, request, user};
use crate::protocol::cookie::{Cookie, Position};
use crate::protocol::{MutationStatus, PatchOp};
use crate::query::lower::Dialect;
use crate::server::{Caller, ServerOptions};

fn notes(world: &mut World, from: u32, count: u32) {
    let statements: Vec<String> =
        (from..from + count).map(|n| format!("INSERT INTO notes (id, small) VALUES ({{{n:03}}}, {n})")).collect();
    world.unit(&statements.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_fresh_client_of_an_empty_server() {
    let mut world = World::new();
    let pulled = world.pull(&user("bob"), "c", None, 1000);
    assert_eq!(ops(std::slice::from_ref(&pulled.response)), ["clear"]);
    assert!(!pulled.response.has_more && !pulled.response.partial && !pulled.empty);
    let again = world.pull(&user("bob"), "c", Some(&pulled.response.cookie), 1000);
    assert!(again.empty);
    assert_eq!(again.response.cookie, pulled.response.cookie, "nothing happened: the same cookie");
}

#[test]
fn a_cookie_of_regions_is_answered_with_a_reset() {
    let mut world = World::new();
    notes(&mut world, 1, 2);
    let cookie = Cookie::single(1).unwrap().encode().unwrap();
    let pulled = world.pull(&user("bob"), "c", Some(&cookie), 1000);
    assert_eq!(ops(&[pulled.response]), ["clear", "put notes 001", "put notes 002"]);
}

#[test]
fn a_garbage_cookie_is_refused_and_changes_nothing() {
    let mut world = World::new();
    let caller = Caller { group: "bob".to_owned(), ctx: Arc::new(user("bob")) };
    for cookie in ["", "c2:", "c2:e30", "c1:e30", "nonsense", "c2:bnVsbA"] {
        let request = request("bob", "c", Some(cookie), 10);
        let refusal = world.ask(&caller, &request).unwrap_err();
        assert_eq!((refusal.status, refusal.error.error.as_str()), (400, "invalid-cookie"), "{cookie}");
    }
}

/// A backup is restored: the cookie's positions are of another history, even when the log has grown past them since.
#[test]
fn a_restored_database_is_noticed() {
    for units_after in [0, 1, 5] {
        let mut world = World::new();
        notes(&mut world, 1, 1);
        let mut backup = Database::sqlite();
        if let (Database::Sqlite(db), Database::Sqlite(backup)) = (&mut world.db, &mut backup) {
            db.backup_to(backup).unwrap();
        }
        let history = world.history.clone();
        notes(&mut world, 10, 2);
        let mut bob = Reader::new(user("bob"));
        bob.catch_up(&mut world, 1000);
        world.db = backup;
        world.history = history;
        for n in 0..units_after {
            notes(&mut world, 20 + n, 1);
        }
        // The checks of a reader compare cookies of one history; here there are two.
        let page = world.pull(&bob.ctx, &bob.client, bob.cookie.as_deref(), 1000).response;
        assert_eq!(ops(std::slice::from_ref(&page))[0], "clear", "{units_after} units after the restore");
        bob.take(page);
        assert_eq!(bob.held, world.read_sent());
    }
}

#[test]
fn a_cookie_from_the_future_is_a_reset() {
    let mut world = World::new();
    let mut bob = Reader::new(user("bob"));
    bob.catch_up(&mut world, 1000);
    let mut position = Position::decode(bob.cookie.as_deref().unwrap()).unwrap();
    position.at += 1000;
    position.seen.first = position.at;
    position.seen.last = position.at;
    let pulled = world.pull(&bob.ctx, "c", Some(&position.encode().unwrap()), 1000);
    assert_eq!(ops(&[pulled.response]), ["clear"]);
}

#[test]
fn a_snapshot_whose_start_compaction_passed_begins_anew() {
    let mut world = World::new();
    notes(&mut world, 1, 1);
    let mut bob = Reader::new(user("bob"));
    bob.catch_up(&mut world, 1000);
    let mut slow = Reader::new(user("bob"));
    slow.pull(&mut world, 1);
    let at = world.head();
    notes(&mut world, 2, 3);
    let written = world.head() - at;
    let done = world.compact(super::compaction::keep(written));
    assert_eq!(done.bound, at);
    for reader in [&bob, &slow] {
        let page = world.pull(&bob.ctx, "c", reader.cookie.as_deref(), 1000).response;
        assert!(ops(&[page]).len() < 5, "at the bound: what is new");
    }
    world.compact(super::compaction::keep(0));
    let page = world.pull(&bob.ctx, "c", bob.cookie.as_deref(), 1000).response;
    assert_eq!(ops(&[page]).len(), 3, "below it: what is new, too");
    let page = world.pull(&bob.ctx, "c", slow.cookie.as_deref(), 1000).response;
    assert_eq!(ops(&[page]).len(), 5, "in the middle of a snapshot: everything");
}

#[test]
fn acknowledgements_belong_to_the_cut() {
    let mut world = World::new();
    let mine = Some(("bob", "client-bob"));
    let other = Some(("bob", "phone"));
    let note = |n: u32| format!("INSERT INTO notes (id, small) VALUES ('{}', {n})", id(&format!("{n:03}")));
    world.write(mine, &[note(1)]);
    let fresh = world.pull(&user("bob"), "client-bob", None, 1000).response;
    assert_eq!(fresh.last_mutation_ids, [("client-bob".to_owned(), 1)].into());
    assert_eq!(fresh.last_key, Some(key("client-bob", 1)));
    assert_eq!(fresh.results.len(), 1);
    world.write(mine, &[note(2)]);
    world.write(other, &[note(3)]);
    world.write(mine, &[]);
    world.write(Some(("carol", "tablet")), &[note(4)]);
    world.write(mine, &[note(5)]);
    let mut cookie = fresh.cookie;
    let mut told = Vec::new();
    for _ in 0..4 {
        let page = world.pull(&user("bob"), "client-bob", Some(&cookie), 1).response;
        told.push((page.patch.len(), page.last_mutation_ids.clone(), page.results.clone(), page.last_key.clone()));
        cookie = page.cookie;
    }
    assert_eq!(told[0].1, [("client-bob".to_owned(), 2)].into());
    assert_eq!(told[0].3, Some(key("client-bob", 2)));
    assert_eq!(told[1].1, [("phone".to_owned(), 1)].into());
    assert!(told[1].3.is_none() && told[1].2.is_empty());
    // The rejection has no rows and shares a page with another group's row.
    assert_eq!(told[2].1, [("client-bob".to_owned(), 3)].into());
    let rejected = &told[2].2[0];
    assert_eq!((rejected.id, rejected.status), (3, MutationStatus::Rejected));
    let error = rejected.error.as_ref().unwrap();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("conflict", "no"));
    assert_eq!(error.data, Some(serde_json::json!({"a": 1})));
    assert_eq!(told[3].1, [("client-bob".to_owned(), 4)].into());
    // What is settled is not told again; a reset tells everything above it.
    let caller = Caller { group: "bob".to_owned(), ctx: Arc::new(user("bob")) };
    let mut anew = request("bob", "client-bob", None, 1000);
    anew.settled = Some(3);
    let page = world.ask(&caller, &anew).unwrap().response;
    assert_eq!(page.results.iter().map(|result| result.id).collect::<Vec<_>>(), [4]);
    assert_eq!(page.last_mutation_ids.len(), 2);
    // Another group's client id tells nothing, whoever asks.
    let page = world.pull(&user("carol"), "client-bob", None, 1000).response;
    assert!(page.results.is_empty() && page.last_key.is_none());
}

/// While a snapshot is walked the ledger goes on; its end tells the acknowledgements of the cut.
#[test]
fn a_snapshot_tells_the_acknowledgements_of_its_cut() {
    let mut world = World::new();
    notes(&mut world, 1, 3);
    let mine = Some(("bob", "client-bob"));
    world.write(mine, &[]);
    let mut bob = Reader::new(user("bob"));
    bob.pull(&mut world, 2);
    world.write(mine, &[format!("UPDATE notes SET small = 100 WHERE id = '{}'", id("003"))]);
    world.write(mine, &[format!("DELETE FROM notes WHERE id = '{}'", id("002"))]);
    let page = bob.pull(&mut world, 1000);
    assert!(!page.partial && page.has_more);
    assert_eq!(page.last_mutation_ids, [("client-bob".to_owned(), 1)].into());
    assert_eq!(bob.held.get("notes", &id("003")).unwrap()["small"], 3, "as of the start of the walk");
    assert!(bob.held.get("notes", &id("002")).is_some());
    bob.catch_up(&mut world, 1000);
}

#[test]
fn pages_have_at_most_so_many_bytes() {
    let mut options = ServerOptions::default();
    options.limits.page_bytes = 100_000;
    let mut world = World::with(options, 3);
    for n in 0..30 {
        let sql = format!("INSERT INTO notes (id, data) VALUES ({{{n:03}}}, zeroblob(20000))");
        world.unit(&[&sql]);
    }
    world.unit(&["INSERT INTO notes (id, data) VALUES ({BIG}, zeroblob(200000))"]);
    let start = {
        let mut empty = World::new();
        empty.pull(&user("bob"), "c", None, 1).response.cookie
    };
    // A snapshot, then the same as differences.
    let mut bob = Reader::new(user("bob"));
    let pages = bob.catch_up(&mut world, 10_000);
    let sizes: Vec<usize> = pages.iter().map(|page| serde_json::to_string(page).unwrap().len()).collect();
    let large = sizes.iter().filter(|size| **size > 100_000).count();
    assert_eq!(large, 1, "only the row that is larger than a page: {sizes:?}");
    assert!(pages.len() >= 10);
    assert!(ops(&[world.pull(&user("bob"), "c", Some(&start), 1).response])[0] == "clear", "another history");
}

#[test]
fn a_large_difference_becomes_a_snapshot() {
    let mut world = World::new();
    notes(&mut world, 1, 2);
    let mut bob = Reader::new(user("bob"));
    bob.catch_up(&mut world, 1000);
    world.db.batch(match world.db.dialect() {
        Dialect::Sqlite => {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250001) \
             INSERT INTO _plasma_changes (table_name, row_id, op, created_at, mark) SELECT '', '', 'ack', 0, i FROM n"
        }
        Dialect::Postgres => {
            "INSERT INTO _plasma_commits (unit, last_seq, created_at) SELECT n, n, 0 FROM \
             (SELECT nextval('_plasma_seq') AS n FROM generate_series(1, 250001)) numbers"
        }
    });
    let page = world.pull(&bob.ctx, "c", bob.cookie.as_deref(), 1000).response;
    assert_eq!(ops(&[page]), ["clear", "put notes 001", "put notes 002"]);
}

#[test]
fn every_kind_of_value_arrives_as_the_wire_has_it() {
    let mut world = World::new();
    // Braces would stand for ids here.
    let scan = crate::value::FileRef::of(b"abc", "image/png").unwrap();
    let sql = format!(
        "INSERT INTO notes VALUES ({{N}}, x'00ff10', 0.1, 9007199254740993, -5, 1, '[1,null,\"x\"]', '2024-02-29', -1234, \
         json_object('hash', '{}', 'size', 3, 'mime', 'image/png'))",
        scan.hash()
    );
    world.unit(&[&sql, "INSERT INTO notes (id) VALUES ({O})"]);
    let expected = r#"{"id":"ID","data":"AP8Q","weight":0.1,"big":"9007199254740993","small":-5,"flag":true,"tree":[1,null,"x"],"day":"2024-02-29","price":"-1234","scan":SCAN}"#
        .replace("SCAN", &scan.to_json());
    let nulls = r#"{"id":"ID","data":null,"weight":null,"big":null,"small":null,"flag":null,"tree":null,"day":null,"price":null,"scan":null}"#;
    let mut early = Reader::new(user("bob"));
    early.cookie = Some(world.pull(&user("bob"), "c", None, 1000).response.cookie);
    let walked = world.pull(&user("bob"), "c", None, 1000).response;
    world.unit(&["UPDATE notes SET small = -5 + 0, big = 9007199254740993, flag = 0 WHERE id = {N}"]);
    world.unit(&["UPDATE notes SET flag = 1 WHERE id = {N}", "UPDATE notes SET small = NULL WHERE id = {O}"]);
    world.unit(&["UPDATE notes SET small = 1 WHERE id = {O}"]);
    world.unit(&["UPDATE notes SET small = NULL, flag = 1 WHERE id = {O}"]);
    world.unit(&["UPDATE notes SET flag = NULL WHERE id = {O}", "UPDATE notes SET weight = 0.5 WHERE id = {N}"]);
    let logged = world.pull(&user("bob"), "c", early.cookie.as_deref(), 1000).response;
    let value = |patch: &[PatchOp], name: &str| {
        let found = patch.iter().find_map(|op| match op {
            PatchOp::Put { id: row, value, .. } if *row == id(name) => Some(value.get().to_owned()),
            _ => None,
        });
        found.map(|value| value.replace(&id(name), "ID"))
    };
    assert_eq!(value(&walked.patch, "N"), Some(expected.clone()));
    assert_eq!(value(&walked.patch, "O").as_deref(), Some(nulls));
    assert_eq!(value(&logged.patch, "N"), Some(expected.replace("0.1", "0.5")));
    assert_eq!(value(&logged.patch, "O"), None, "changed, and changed back");
}

#[test]
fn a_long_poll_is_not_woken_by_others() {
    let mut world = World::new();
    let mut bob = Reader::new(user("bob"));
    bob.catch_up(&mut world, 1000);
    let cookie = bob.cookie.clone();
    let may = |world: &mut World, cookie: Option<&str>| {
        let caller = Caller { group: "bob".to_owned(), ctx: Arc::new(user("bob")) };
        world.db.run(|db| Box::pin(world.engine.may_have_changes(db, &caller, cookie))).unwrap()
    };
    assert!(!may(&mut world, cookie.as_deref()));
    assert!(may(&mut world, None) && may(&mut world, Some("garbage")));
    world.write(Some(("carol", "tablet")), &[]);
    assert!(!may(&mut world, cookie.as_deref()), "another group's acknowledgement");
    world.write(Some(("bob", "phone")), &[]);
    assert!(may(&mut world, cookie.as_deref()));
    bob.catch_up(&mut world, 1000);
    notes(&mut world, 1, 1);
    assert!(may(&mut world, bob.cookie.as_deref()));
}

/// A failure of the server tells the client nothing but that, ends the transaction, and goes to the error hook.
#[test]
fn a_failed_pull_is_reported_and_leaves_no_transaction() {
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut options = ServerOptions::default();
    let list = Arc::clone(&told);
    options.hooks.on_error = Some(Arc::new(move |error| list.lock().unwrap().push(error.error.message().to_owned())));
    let mut world = World::with(options, 1);
    let pull = |world: &mut World, caller: &Caller| {
        let request = request("bob", "c", None, 10);
        world.ask(caller, &request).unwrap_err()
    };
    let stranger = Caller { group: "bob".to_owned(), ctx: Arc::new("a context the policies do not know") };
    let refusal = pull(&mut world, &stranger);
    assert_eq!((refusal.status, refusal.error.error.as_str()), (500, "internal"));
    assert!(!refusal.body().contains("context"));
    world.db.batch("DROP TABLE _plasma_outcomes; DROP TABLE _plasma_client_mutations");
    let bob = Caller { group: "bob".to_owned(), ctx: Arc::new(user("bob")) };
    let refusal = pull(&mut world, &bob);
    assert_eq!((refusal.status, refusal.error.error.as_str()), (503, "unavailable"));
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("_plasma_client_mutations"), "{told:?}");
}

/// Digests name policies, not contexts; they are keyed, and tell constants and structure apart.
#[test]
fn digests_name_bound_policies() {
    let engine = crate::server::ServerEngine::new(super::schema::definition(), ServerOptions::default()).unwrap();
    let digests = |ctx: &super::schema::Ctx, key: &[u8]| {
        super::super::policy::Policies::bind(&engine, ctx, key, engine.lenses().of(None)).unwrap().digests
    };
    let bob = digests(&user("bob"), b"key");
    assert_eq!(bob, digests(&super::schema::Ctx { token: 9, ..user("bob") }, b"key"), "a token is in no policy");
    assert_eq!(bob.keys().collect::<Vec<_>>(), ["lists", "reports", "shares", "tags", "todos"]);
    let differing = |other: &std::collections::BTreeMap<String, String>| {
        bob.keys().filter(|table| bob[*table] != other[*table]).cloned().collect::<Vec<_>>()
    };
    assert_eq!(differing(&digests(&user("carol"), b"key")), ["lists", "shares", "tags", "todos"]);
    let admin = super::schema::Ctx { admin: true, ..user("bob") };
    assert_eq!(differing(&digests(&admin, b"key")), ["lists", "todos"]);
    assert_eq!(differing(&digests(&user("bob"), b"other")).len(), 5);
}

also_on_postgres!(
    a_fresh_client_of_an_empty_server,
    a_cookie_of_regions_is_answered_with_a_reset,
    a_garbage_cookie_is_refused_and_changes_nothing,
    a_cookie_from_the_future_is_a_reset,
    acknowledgements_belong_to_the_cut,
    a_snapshot_tells_the_acknowledgements_of_its_cut,
    pages_have_at_most_so_many_bytes,
    a_large_difference_becomes_a_snapshot,
    every_kind_of_value_arrives_as_the_wire_has_it,
    a_long_poll_is_not_woken_by_others,
    a_failed_pull_is_reported_and_leaves_no_transaction,
);
