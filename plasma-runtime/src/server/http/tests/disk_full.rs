//! No room for the database: SQLite says that the disk is full when a page more than `max_page_count` is needed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value as Json, json};

use super::{Running, ask, builder, json_of, pull_head, push_bytes, push_head, start};
use crate::error::ErrorKind;
use crate::future::poll_once;
use crate::server::http::SqliteDatabase;
use crate::server::tests::fixture::uuid;
use crate::server::{CompactionOptions, ServerErrorKind};
use crate::value::Kind;

/// From now on the database may have so many pages more than it has.
async fn room(running: &Running, pages: i64) {
    let set = running.server.inner.backend.writer().visit(move |db| {
        let now = poll_once(db.query("PRAGMA page_count", &[], &[Kind::BigInt])).unwrap().unwrap();
        let most = now[0][0].as_int().unwrap() + pages;
        poll_once(db.batch(&format!("PRAGMA max_page_count = {most}"))).unwrap()
    });
    set.await.unwrap().unwrap();
}

fn large(n: u64) -> Json {
    json!([["insert", "notes", { "id": uuid(&n.to_string()), "text": "x".repeat(3_000), "tag": null }]])
}

async fn push(running: &Running, user: &str, id: u64) -> (u16, String, Json) {
    let (status, head, body) = ask(running.address, &push_head(user), &push_bytes(user, id, large(id))).await;
    (status, head, json_of(&body))
}

#[tokio::test]
async fn a_full_disk_is_answered_for_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let reports = Arc::new(AtomicU32::new(0));
    let heard = Arc::clone(&reports);
    let builder = builder(SqliteDatabase::file(folder.path().join("server.db"))).on_error(move |error| {
        assert_ne!(error.kind, ServerErrorKind::MutationError, "no mutation is to blame: {error:?}");
        heard.fetch_add(1, Ordering::SeqCst);
    });
    let running = start(builder, |_| {}).await;
    assert_eq!(push(&running, "alice", 1).await.0, 200);
    room(&running, 12).await;
    let mut full = 2;
    let (status, head, body) = loop {
        let answer = push(&running, "alice", full).await;
        if answer.0 != 200 {
            break answer;
        }
        full += 1;
        assert!(full < 100, "it was never full");
    };
    assert_eq!((status, body["error"].as_str()), (503, Some("unavailable")), "{body}");
    assert!(head.contains("retry-after"), "{head}");
    // However often it is tried: nothing of it is known to be wrong.
    for _ in 0..8 {
        assert_eq!(push(&running, "alice", full).await.0, 503);
    }
    assert!(reports.load(Ordering::SeqCst) > 0, "the operator is told");
    // What is committed is served.
    let (status, _, body) = ask(running.address, &pull_head("alice", ""), b"").await;
    let body = json_of(&body);
    assert_eq!((status, body["lastMutationIDs"]["alice-c"].as_u64()), (200, Some(full - 1)), "{body}");
    assert_eq!(body["patch"].as_array().unwrap().len() as u64, full);
    // Compaction may want room as well.
    let everything = || CompactionOptions::default().keep_ms(0).keep_entries(1).lease_ms(0);
    if let Err(error) = running.server.compact_change_log(everything()).await {
        assert_eq!(error.kind(), ErrorKind::Storage);
    }
    room(&running, 100_000).await;
    for id in full..full + 3 {
        let (status, _, body) = push(&running, "alice", id).await;
        assert_eq!((status, body["results"][0]["status"].as_str()), (200, Some("applied")), "{body}");
    }
    running.server.compact_change_log(everything()).await.unwrap();
    let found = running.server.inner.backend.writer().visit(|db| {
        let sql = "SELECT (SELECT count(*) FROM notes), (SELECT count(*) FROM _plasma_outcomes), \
            (SELECT last_mutation_id FROM _plasma_client_mutations)";
        let counted = poll_once(db.query(sql, &[], &[Kind::BigInt; 3])).unwrap().unwrap();
        let sound = poll_once(db.query("PRAGMA integrity_check", &[], &[Kind::Text])).unwrap().unwrap();
        let numbers: Vec<_> = counted[0].iter().map(|value| value.as_int().unwrap() as u64).collect();
        (numbers, sound[0][0].as_text().unwrap().to_owned())
    });
    assert_eq!(found.await.unwrap(), (vec![full + 2; 3], "ok".to_owned()));
}
