//! What the server does for itself: expiry, forgotten keys, compaction between the work of others.

use std::sync::{Arc, Mutex};

use serde_json::json;

use super::fixture::{Server, definition, job, mutation, server_with, uuid};
use crate::future::poll_once;
use crate::inputs::Entropy;
use crate::protocol::MutationStatus::{Applied, Duplicate};
use crate::server::{CompactionOptions, Maintained, ServerEngine, ServerErrorKind, ServerOptions, Writer};
use crate::store::sqlite::SqliteConnection;

const DAY: i64 = 86_400_000;

fn note(text: &str) -> serde_json::Value {
    json!([["insert", "notes", { "id": uuid(text), "text": text }]])
}

/// A round, with steps of so many entries.
fn round(server: &mut Server) -> Maintained {
    let Server { engine, db, now, .. } = server;
    let mut upkeep = engine.upkeep();
    while poll_once(Box::pin(engine.upkeep_step(db, *now, &mut upkeep))).unwrap().unwrap() {}
    upkeep.done()
}

/// All but the newest so many positions.
fn all_but(entries: u64) -> CompactionOptions {
    CompactionOptions::default().keep_ms(i64::MAX / 2).keep_entries(entries).lease_ms(0)
}

fn everything() -> CompactionOptions {
    CompactionOptions::default().keep_ms(0).keep_entries(0).lease_ms(0)
}

#[test]
fn old_keys_beyond_the_newest_are_forgotten_and_are_forks_then() {
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
fn outcomes_above_the_bound_stay() {
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
    assert_eq!(forgotten, 3, "the first round raised the bound, the second forgot what lies below");
    assert_eq!(server.int("SELECT min(mutation_id) FROM _plasma_outcomes"), 4);
}

#[test]
fn of_an_expired_client_only_its_name_stays() {
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
fn many_clients_are_gone_through_in_steps() {
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
    let mut options = ServerOptions::default();
    options.compaction = Some(all_but(10));
    options.upkeep_every_ms = 1;
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
    let Server { engine, db, now, .. } = &mut server;
    let mut upkeep = engine.upkeep();
    let failed = poll_once(Box::pin(engine.upkeep_step(db, *now, &mut upkeep))).unwrap().unwrap_err();
    assert!(!crate::store::SqlExecutor::in_transaction(db));
    engine.report_upkeep(Err(failed));
    assert_eq!(server.errors().iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [ServerErrorKind::MaintenanceFailed]);
    server.sql("DELETE FROM _plasma_meta WHERE key = 'compaction_bound'");
    assert!(round(&mut server).compaction.unwrap().bound > 0);
}
