//! What the server does for itself: expiry, forgotten keys, compaction between the work of others.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::fixture::{Server, caller, definition, job, mutation, server_with, uuid};
use crate::future::poll_once;
use crate::inputs::Entropy;
use crate::protocol::MutationStatus::{Applied, Duplicate};
use crate::server::{CompactionOptions, Maintained, ServerEngine, ServerErrorKind, ServerOptions, Writer};
use crate::store::sqlite::SqliteConnection;

const DAY: i64 = 86_400_000;

fn note(text: &str) -> serde_json::Value {
    json!([["insert", "notes", { "id": uuid(text), "text": text }]])
}

fn round(server: &mut Server) -> Maintained {
    server.upkeep().unwrap()
}

/// All but the newest so many positions.
fn all_but(entries: u64) -> CompactionOptions {
    CompactionOptions::default().keep_ms(i64::MAX / 2).keep_entries(entries).lease_ms(0)
}

fn everything() -> CompactionOptions {
    CompactionOptions::default().keep_ms(0).keep_entries(0).lease_ms(0)
}

#[test]
pub(super) fn old_keys_beyond_the_newest_are_forgotten_and_are_forks_then() {
    let mut server = server_with(|options| {
        options.keys_kept = 3;
        options.compaction = Some(everything());
    });
    for id in 1..=5 {
        server.push("alice", "c", json!([mutation(id, &format!("k{id}"), note(&format!("n{id}")))])).unwrap();
    }
    assert_eq!(round(&mut server).outcomes_forgotten, 0, "they are young");
    server.now += 91 * DAY;
    server.push("alice", "c", json!([mutation(6, "k6", note("n6"))])).unwrap();
    assert_eq!(round(&mut server).outcomes_forgotten, 3, "six, but the newest three");
    assert_eq!(server.int("SELECT min(mutation_id) FROM _plasma_outcomes"), 4);
    // Known still: a duplicate. Dropped: the ledger cannot tell it from another copy's, and says so.
    let again = server.push("alice", "c", json!([mutation(4, "k4", note("n4"))])).unwrap();
    assert_eq!((again.results[0].status, again.results[0].was), (Duplicate, Some(Applied)));
    let refused = server.push("alice", "c", json!([mutation(3, "k3", note("n3"))])).unwrap_err();
    assert_eq!((refused.status, refused.error.error.as_str()), (409, "client-forked"));
    assert_eq!(server.push("alice", "c", json!([mutation(7, "k7", note("n7"))])).unwrap().last_mutation_id, 7);
}

/// A page that ends at a cut must find the newest mutation of that cut, so what lies above the bound stays.
#[test]
pub(super) fn outcomes_above_the_bound_stay() {
    let mut server = server_with(|options| {
        options.keys_kept = 0;
        options.key_retention_ms = 0;
        options.compaction = Some(all_but(2));
    });
    for id in 1..=5 {
        server.push("alice", "c", json!([mutation(id, &format!("k{id}"), note(&format!("n{id}")))])).unwrap();
    }
    server.now += DAY;
    round(&mut server);
    let forgotten = round(&mut server).outcomes_forgotten;
    assert_eq!(forgotten, 2, "the first round raised the bound, the second forgot what lies below the newest at it");
    assert_eq!(server.int("SELECT min(mutation_id) FROM _plasma_outcomes"), 3);
}

fn pull(server: &mut Server, client: &str, cookie: Option<&str>, limit: u64) -> crate::protocol::PullResponse {
    let cookie = cookie.map(|cookie| format!("&cookie={cookie}")).unwrap_or_default();
    let fingerprint = definition().schema.fingerprint_hex();
    let request = crate::protocol::WireRequest {
        method: crate::protocol::Method::Get,
        path: "/sync/pull".to_owned(),
        query: format!(
            "protocolVersion=1&schemaVersion=1&fingerprint={fingerprint}&clientGroupID=alice&clientID={client}\
             &limit={limit}{cookie}"
        ),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
    };
    let answer = server.handle(Some(&caller("alice")), &request);
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    serde_json::from_slice(&answer.body).unwrap()
}

/// A client comes back after a long time and pushes its queue while its first set is still being paged: the end of the set
/// says how far it was when the set began.
#[test]
pub(super) fn the_newest_outcome_of_a_cut_is_found_however_far_its_client_has_gone_on() {
    let mut server = server_with(|options| {
        options.keys_kept = 0;
        options.compaction = Some(all_but(1));
    });
    for id in 1..=2 {
        server.push("alice", "c", json!([mutation(id, &format!("k{id}"), note(&format!("n{id}")))])).unwrap();
    }
    server.push("alice", "other", json!([mutation(1, "o1", note("o"))])).unwrap();
    // The bound lies at the newest mutation of `c`.
    round(&mut server);
    server.now += 100 * DAY;
    let first = pull(&mut server, "c", None, 2);
    assert!(first.partial);
    server.engine.options.compaction = None;
    server.push("alice", "c", json!([mutation(3, "k3", note("n3")), mutation(4, "k4", note("n4"))])).unwrap();
    round(&mut server);
    let mut page = first;
    while page.partial {
        page = pull(&mut server, "c", Some(&page.cookie), 2);
    }
    let told = page.last_mutation_ids.get("c").copied();
    assert_eq!((told, page.last_key), (Some(2), Some(uuid("k2"))));
}

#[test]
pub(super) fn of_an_expired_client_only_its_name_stays() {
    let mut server = server_with(|options| options.compaction = Some(everything()));
    server
        .push("alice", "idle", json!([mutation(1, "k1", note("a")), mutation(2, "k2", json!([["reject", "no"]]))]))
        .unwrap();
    server.now += 401 * DAY;
    server.push("bob", "alive", json!([mutation(1, "k3", note("b"))])).unwrap();
    let first = round(&mut server);
    assert_eq!((first.clients_expired, first.outcomes_forgotten), (1, 0));
    let second = round(&mut server);
    assert_eq!((second.clients_expired, second.outcomes_forgotten), (0, 2));
    assert_eq!(server.int("SELECT count(*) FROM _plasma_client_mutations WHERE client_id = 'idle' AND expired"), 1);
    let refused = server.push("bob", "idle", json!([])).unwrap_err();
    assert_eq!(refused.error.error, "client-id-taken", "nobody else may take it, ever");
    let refused = server.push("alice", "idle", json!([])).unwrap_err();
    assert_eq!(refused.error.error, "client-expired");
}

/// A ledger of many clients is gone through in steps, each within its limit.
#[test]
pub(super) fn many_clients_are_gone_through_in_steps() {
    let mut server = server_with(|_| {});
    for client in 0..150 {
        let pushed =
            server.push("alice", &format!("c{client:03}"), json!([mutation(1, &format!("k{client}"), json!([]))]));
        pushed.unwrap();
    }
    server.now += 401 * DAY;
    assert_eq!(round(&mut server).clients_expired, 150);
    assert_eq!(round(&mut server).clients_expired, 0);
}

/// A reader from below the bound is told what is new; one from below the floor is sent everything.
#[test]
pub(super) fn readers_from_below_the_bound_hold_what_they_would_hold() {
    let mut server = server_with(|options| options.compaction = Some(all_but(1).keep_deletes_ms(i64::MAX / 2)));
    let mut id = 0;
    let mut run = |server: &mut Server, steps: serde_json::Value| {
        id += 1;
        let pushed = server.push("alice", "c", json!([mutation(id, &format!("k{id}"), steps)])).unwrap();
        assert_eq!(pushed.results[0].error, None, "{:?}", pushed.results);
    };
    let list = |text: &str| json!([["insert", "lists", { "id": uuid("l"), "name": text, "owner": "alice" }]]);
    run(&mut server, list("first"));
    run(&mut server, note("stays"));
    run(&mut server, note("goes"));
    let pulled = |server: &mut Server, cookie: Option<&str>, limit: u64| pull(server, "c", cookie, limit);
    let ops = |page: &crate::protocol::PullResponse| -> Vec<String> {
        let op = |op: &crate::protocol::PatchOp| match op {
            crate::protocol::PatchOp::Clear { table } => format!("clear {}", table.as_deref().unwrap_or("all")),
            crate::protocol::PatchOp::Put { table, value, .. } => {
                let row: serde_json::Value = serde_json::from_str(value.get()).unwrap();
                format!("put {table} {}", row["text"].as_str().or(row["name"].as_str()).unwrap())
            }
            crate::protocol::PatchOp::Del { table, .. } => format!("del {table}"),
        };
        page.patch.iter().map(op).collect()
    };
    let early = pulled(&mut server, None, 1000).cookie;
    run(&mut server, json!([["update", "lists", uuid("l"), { "name": "second" }]]));
    run(&mut server, json!([["delete", "notes", uuid("goes")]]));
    run(&mut server, note("new"));
    run(&mut server, json!([["update", "notes", uuid("stays"), { "text": "changed" }]]));
    run(&mut server, note("last"));
    let done = round(&mut server).compaction.unwrap();
    assert!(done.removed + done.marked > 0 && done.bound > 0 && done.floor == 0, "{done:?}");
    assert_eq!(done.restated_tables.iter().collect::<Vec<_>>(), ["lists"]);
    let page = pulled(&mut server, Some(&early), 1000);
    let mut told = ops(&page);
    told.sort();
    let mut expected =
        vec!["clear lists", "put lists second", "del notes", "put notes changed", "put notes last", "put notes new"];
    // Pins have no entries, and their rule reads no other table.
    expected.extend(["clear shares", "clear todos"]);
    expected.sort_unstable();
    assert_eq!(told, expected);
    assert!(!page.partial && !page.has_more);
    // Page by page it is one set.
    let (mut cookie, mut pages) = (early.clone(), Vec::new());
    loop {
        let page = pulled(&mut server, Some(&cookie), 2);
        pages.extend(ops(&page));
        cookie.clone_from(&page.cookie);
        if !page.partial {
            break;
        }
    }
    pages.sort();
    assert_eq!(pages, expected);
    // And a second compaction changes nothing for either.
    assert_eq!(round(&mut server).compaction.unwrap().scanned, 0);
    assert!(ops(&pulled(&mut server, Some(&cookie), 1000)).is_empty());
    // The floor rises: from before it everything is sent.
    server.engine.options.compaction = Some(all_but(1).keep_deletes_ms(i64::MIN / 2));
    let done = round(&mut server).compaction.unwrap();
    assert_eq!(done.floor, done.bound);
    assert_eq!(ops(&pulled(&mut server, Some(&early), 1000))[0], "clear all");
    assert!(ops(&pulled(&mut server, Some(&cookie), 1000)).is_empty(), "it stands above the floor");
}

#[derive(Debug)]
struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 33) as u8;
        });
    }
}

/// The writer compacts by itself, and its pushes go on meanwhile.
#[tokio::test]
async fn the_writer_keeps_the_log_short_by_itself() {
    let (told, hears) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let mut options = ServerOptions { compaction: Some(all_but(10)), upkeep_every_ms: 1, ..ServerOptions::default() };
    options.hooks.on_maintained = Some(Arc::new(move |done: &Maintained| {
        let _ = told.lock().unwrap().send(done.clone());
    }));
    let engine = Arc::new(ServerEngine::new(definition(), options).unwrap());
    let mut db = SqliteConnection::in_memory().unwrap();
    poll_once(Box::pin(engine.ensure_schema(&mut db, 0, &mut Counting(1)))).unwrap().unwrap();
    let clock = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let time = Arc::clone(&clock);
    let now = Arc::new(move || time.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let writer = Writer::start(Arc::clone(&engine), Box::new(db), now, Box::new(Counting(2)), 64).unwrap();
    for id in 1..=100u64 {
        let steps = json!([["insert", "notes", { "id": uuid(&id.to_string()), "text": "t" }]]);
        let pushed = writer.push(job("alice", "c", json!([mutation(id, &format!("k{id}"), steps)]))).await.unwrap();
        assert_eq!(pushed.last_mutation_id, id);
    }
    let done = writer.compact(all_but(10).keep_folded(0)).await.unwrap();
    assert_eq!((done.bound, done.floor), (91, 91));
    let count = writer
        .visit(|db| poll_once(db.query("SELECT count(*) FROM _plasma_changes", &[], &[crate::value::Kind::Int])))
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(count[0][0].as_int(), Some(11));
    let rounds: Vec<Maintained> = hears.try_iter().collect();
    assert!(rounds.iter().any(|round| round.compaction.as_ref().is_some_and(|done| done.bound > 0)), "{rounds:?}");
    writer.close();
    let closed = writer.compact(everything()).await.unwrap_err();
    assert_eq!(closed.kind(), crate::ErrorKind::Closed);
}

/// A round that fails is reported, and what it was to do is done by a later one.
#[test]
fn a_failed_round_is_reported() {
    let mut server = server_with(|options| options.compaction = Some(everything()));
    server.push("alice", "c", json!([mutation(1, "k1", note("a"))])).unwrap();
    server.sql("INSERT INTO _plasma_meta (key, value) VALUES ('compaction_bound', 'much')");
    let failed = server.upkeep().unwrap_err();
    assert!(!crate::store::SqlExecutor::in_transaction(&server.db));
    server.engine.report_upkeep(Err(failed));
    assert_eq!(server.errors().iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [ServerErrorKind::MaintenanceFailed]);
    server.sql("DELETE FROM _plasma_meta WHERE key = 'compaction_bound'");
    assert!(round(&mut server).compaction.unwrap().bound > 0);
}
