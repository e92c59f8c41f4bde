//! With a server: pushes, pulls, rejections, offline, other processes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use plasma::ErrorKind;
use plasma::client::{OutcomeStatus, ReceiptState, SqliteStore, Stuck};

use super::*;

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn two_clients_converge_and_hear_of_each_other(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let a = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let b = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    a.start().expect("started");
    b.start().expect("started");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let by = heard.clone();
    let live = b.live(Note::select());
    let _subscription = live.subscribe(move |rows| lock(&by).push(rows.len()));
    let note = add(&a, "from alice");
    let receipt = a.mutate(note.clone()).await.expect("applied");
    soon(receipt.acknowledged()).await.expect("accepted");
    soon(receipt.observed()).await.expect("observed");
    assert!(matches!(receipt.state().get(), ReceiptState::Observed));
    until(async || lock(&heard).last() == Some(&1)).await;
    b.mutate(EditNote { id: note.id, text: "from bob".into() }).await.expect("applied");
    b.mutate(add(&b, "bob's own")).await.expect("applied");
    until(async || texts(&a).await == ["bob's own", "from bob"]).await;
    assert_eq!(texts(&a).await, texts(&b).await);
    until(async || a.status().get().pending == 0 && b.status().get().unobserved == 0).await;
    assert_eq!(a.status().get().stuck, None);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_rejection_reaches_the_receipt_and_the_outcomes_and_survives_a_restart(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = || client_of(&server, "alice", SqliteStore::open(&path)).open();
    let client = open().await.expect("opened");
    let told = Arc::new(Mutex::new(Vec::new()));
    let by = told.clone();
    let following = client
        .subscribe_outcomes(move |outcomes| {
            lock(&by).push(outcomes.iter().filter(|outcome| outcome.status == OutcomeStatus::Rejected).count())
        })
        .await
        .expect("followed");
    let good = client.mutate(add(&client, "good")).await.expect("applied");
    let bad_note = add(&client, "bad");
    let bad = client.mutate(bad_note.clone()).await.expect("applied here: only the server minds");
    assert_eq!(texts(&client).await, ["bad", "good"]);
    client.flush().await.expect("the server has decided");
    client.pull_once().await.expect("pulled");
    soon(good.observed()).await.expect("accepted");
    let error = soon(bad.acknowledged()).await.expect_err("rejected");
    assert_eq!((error.kind(), error.code(), error.message()), (ErrorKind::Rejected, "bad-word", "we do not say that"));
    let refused = Refused::BadWord { word: "bad".into(), note: bad_note.id };
    assert_eq!(error.data(), Some(&serde_json::json!({ "word": "bad", "note": bad_note.id })));
    assert_eq!(error.parse(), Some(refused.clone()));
    assert_eq!(texts(&client).await, ["good"], "its effect is gone");
    assert_eq!(lock(&told).last(), Some(&1));
    drop(following);
    drop(client);

    let client = open().await.expect("opened again");
    let outcomes = client.outcomes().await.expect("read");
    let rejected = outcomes.iter().find(|outcome| outcome.status == OutcomeStatus::Rejected).expect("still there");
    assert_eq!((rejected.key, rejected.name.as_str()), (bad.key(), "notes.add"));
    assert_eq!(rejected.parse(), Some(refused));
    assert!(outcomes.iter().all(|outcome| outcome.key == bad.key() || outcome.parse::<Refused>().is_none()));
    let again = client.receipt(bad.key()).await.expect("read").expect("known");
    assert_eq!(soon(again.acknowledged()).await.expect_err("still rejected").code(), "bad-word");
    let fine = client.receipt(good.key()).await.expect("read").expect("known");
    soon(fine.observed()).await.expect("still accepted");
    assert!(client.receipt(client.new_id::<Note>().uuid()).await.expect("read").is_none());

    let retried = client.retry(bad.key()).await.expect("issued again");
    assert_ne!(retried.key(), bad.key());
    client.flush().await.expect("pushed");
    assert_eq!(soon(retried.acknowledged()).await.expect_err("still a bad word").code(), "bad-word");
    assert!(client.dismiss(retried.key()).await.expect("dismissed"));
    assert!(!client.dismiss(retried.key()).await.expect("gone already"));
    let left = client.outcomes().await.expect("read");
    assert!(left.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{left:?}");
    assert_eq!(client.retry(good.key()).await.expect_err("it was applied").kind(), ErrorKind::Conflict);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn what_a_program_does_not_know_is_no_rejection_of_its_type(place: Place) {
    /// The same codes in another program: one more member, another type, one code more.
    #[derive(Debug, PartialEq, plasma::Rejection)]
    enum Newer {
        BadWord { word: String, since: Option<i64> },
        Full(String),
    }
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let mut errors = Vec::new();
    for text in ["bad", "too many"] {
        let receipt = client.mutate(add(&client, text)).await.expect("applied here");
        client.flush().await.expect("pushed");
        errors.push(soon(receipt.acknowledged()).await.expect_err("rejected"));
    }
    assert_eq!(errors[0].parse(), Some(Newer::BadWord { word: "bad".into(), since: None }));
    assert_eq!((errors[1].parse(), errors[1].parse::<Newer>()), (Some(Refused::Full(7)), None));
    assert_eq!(Error::rejected("bad-word", "without data").parse::<Refused>(), None);
    assert_eq!(Error::rejected("worse-word", "another code").parse::<Refused>(), None);
    assert_eq!(Error::new(ErrorKind::Closed, "not a rejection").parse::<Refused>(), None);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn offline_work_waits_and_goes_up_by_itself(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).offline(true).open().await.expect("opened");
    client.start().expect("started");
    let receipts = [
        client.mutate(add(&client, "one")).await.expect("applied"),
        client.mutate(add(&client, "two")).await.expect("applied"),
    ];
    let status = soon(client.status().wait_until(|status| status.started)).await.expect("started");
    assert_eq!((status.online, status.pending, status.stuck), (false, 2, Some(Stuck::Offline)));
    assert_eq!(client.push_once().await.expect_err("offline").kind(), ErrorKind::Network);
    assert_eq!(client.pull_once().await.expect_err("offline").kind(), ErrorKind::Network);
    assert_eq!(server.requests.load(Ordering::SeqCst), 0, "nothing left the device");
    client.set_offline(false).await.expect("switched");
    for receipt in &receipts {
        soon(receipt.observed()).await.expect("accepted");
    }
    assert!(client.status().get().online);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn pending_work_survives_a_restart_and_is_sent_once(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = || client_of(&server, "alice", SqliteStore::open(&path)).open();
    server.down.store(true, Ordering::SeqCst);
    let client = open().await.expect("opened");
    let key = client.mutate(add(&client, "kept")).await.expect("applied").key();
    let failed = client.push_once().await.expect_err("the network is down");
    assert_eq!(failed.kind(), ErrorKind::Network);
    assert!(failed.message().contains("the cable is cut"), "{failed}");
    drop(client);
    server.down.store(false, Ordering::SeqCst);
    let client = open().await.expect("opened again");
    assert_eq!((texts(&client).await, client.status().get().pending), (vec!["kept".to_owned()], 1));
    let receipt = client.receipt(key).await.expect("read").expect("queued");
    assert!(matches!(receipt.state().get(), ReceiptState::Durable));
    client.start().expect("started");
    soon(receipt.observed()).await.expect("accepted");
    let other = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    other.pull_once().await.expect("pulled");
    assert_eq!(texts(&other).await, ["kept"]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn by_hand_without_a_loop(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let a = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let b = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    assert!(!a.push_once().await.expect("nothing to push"));
    for number in 0..450 {
        a.mutate(add(&a, &format!("{number:03}"))).await.expect("applied");
    }
    a.flush().await.expect("all of it");
    assert_eq!((a.status().get().pending, server.pushes.load(Ordering::SeqCst)), (0, 3), "200 at a time");
    b.pull_once().await.expect("to the head, over several pages");
    assert_eq!(texts(&b).await, texts(&a).await);
    assert!(!b.status().get().started);
    assert_eq!(b.status().get().stuck, Some(Stuck::Stopped));
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn another_process_on_the_same_file_is_seen_and_served(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = || client_of(&server, "alice", SqliteStore::open(&path)).open();
    let (first, second) = (open().await.expect("opened"), open().await.expect("opened too"));
    first.start().expect("started");
    let live = first.live(Note::select());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let by = heard.clone();
    let _subscription = live.subscribe(move |rows| lock(&by).push(rows.len()));
    until(async || first.status().get().last_pull_ms.is_some()).await;
    // The second never sends anything: the first finds its mutation in the outbox.
    let receipt = second.mutate(add(&second, "from the other window")).await.expect("applied");
    until(async || lock(&heard).last() == Some(&1)).await;
    until(async || first.status().get().unobserved == 0).await;
    // And the second's receipt hears of it, once something looks at the file.
    second.start().expect("started");
    soon(receipt.observed()).await.expect("accepted");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_fresh_pull_does_not_wait_for_one_that_is_held(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let held = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (inner, counter) = (server.transport(), held.clone());
    let transport = plasma::client::InProcess::new(move |request: WireRequest| {
        let (inner, counter) = (inner.clone(), counter.clone());
        async move {
            if request.query.contains("&wait=") {
                counter.fetch_add(1, Ordering::SeqCst);
                // A server that holds the pull for ever; ends only when the client lets go of it.
                std::future::pending::<()>().await;
            }
            plasma::client::Transport::send(&inner, request, Headers::new()).await
        }
    });
    let client =
        client_of(&server, "alice", SqliteStore::in_memory()).transport(transport).open().await.expect("opened");
    client.start().expect("started");
    until(async || held.load(Ordering::SeqCst) == 1).await;
    let other = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    other.mutate(add(&other, "news")).await.expect("applied");
    other.flush().await.expect("pushed");
    soon(client.pull_once()).await.expect("pulled");
    assert_eq!(texts(&client).await, ["news"]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn discarding_and_changing_the_context_replay_what_is_pending(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let first = client.mutate(add(&client, "first")).await.expect("applied");
    let note_key = client.mutate(add(&client, "second")).await.expect("applied").key();
    client.discard(first.key()).await.expect("never sent");
    assert_eq!(texts(&client).await, ["second"]);
    assert_eq!(soon(first.acknowledged()).await.expect_err("it never ran").code(), "discarded");
    client.set_ctx(Ctx { user: "alice the second".into() }).await.expect("replayed");
    let note = client.one(Note::select()).await.expect("one note");
    assert_eq!(note.author, "alice the second");
    client.flush().await.expect("pushed");
    client.discard(first.key()).await.expect("twice is no error");
    client.pull_once().await.expect("pulled");
    assert_eq!(client.discard(note_key).await.expect_err("the server has it").kind(), ErrorKind::AlreadySent);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_receipt_hears_of_what_another_process_has_sent_before_the_flush(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = || client_of(&server, "alice", SqliteStore::open(&path)).open();
    // Two handles of one file, as two processes have them; no loop runs.
    let (mine, other) = (open().await.expect("opened"), open().await.expect("opened"));
    let good = mine.mutate(add(&mine, "good")).await.expect("applied");
    let bad = mine.mutate(add(&mine, "bad")).await.expect("applied");
    other.flush().await.expect("the other one sends it");
    other.pull_once().await.expect("pulled");
    mine.flush().await.expect("nothing is left to send");
    soon(good.acknowledged()).await.expect("accepted");
    assert_eq!(soon(bad.acknowledged()).await.expect_err("rejected").code(), "bad-word");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_push_by_hand_waits_for_the_attempt_with_fresh_credentials(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    lock(&server.expired).push("alice#old".to_owned());
    let fresh = Arc::new(AtomicBool::new(false));
    let asked = fresh.clone();
    let client = client_of(&server, "alice", SqliteStore::in_memory())
        .auth(move || {
            // Asked a second time, the application has renewed it.
            let token = if asked.swap(true, Ordering::SeqCst) { "alice#new" } else { "alice#old" };
            async move { Ok(Headers::bearer(token)) }
        })
        .open()
        .await
        .expect("opened");
    let first = client.mutate(add(&client, "first")).await.expect("applied");
    assert!(client.push_once().await.expect("pushed"));
    assert!(matches!(first.state().get(), ReceiptState::Acknowledged), "{:?}", first.state().get());
    fresh.store(false, Ordering::SeqCst);
    let second = client.mutate(add(&client, "second")).await.expect("applied");
    client.flush().await.expect("flushed");
    soon(second.acknowledged()).await.expect("accepted");
    fresh.store(false, Ordering::SeqCst);
    client.pull_once().await.expect("pulled");
    soon(second.observed()).await.expect("observed");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_flush_that_is_refused_with_good_credentials_says_so(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    lock(&server.expired).push("alice".to_owned());
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    client.mutate(add(&client, "mine")).await.expect("applied");
    let error = soon(client.flush()).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(matches!(client.status().get().stuck, Some(Stuck::Unauthorized { .. })));
    assert_eq!(client.status().get().pending, 1);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_copied_store_is_flushed_in_one_call(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("a.db"), folder.path().join("copy.db"));
    let open = |path: &std::path::Path| client_of(&server, "alice", SqliteStore::open(path)).open();
    let client = open(&path).await.expect("opened");
    client.mutate(add(&client, "base")).await.expect("applied");
    client.flush().await.expect("flushed");
    client.close().await;
    std::fs::copy(&path, &copy).expect("copied");
    let (original, copied) = (open(&path).await.expect("opened"), open(&copy).await.expect("opened"));
    original.mutate(add(&original, "original")).await.expect("applied");
    original.flush().await.expect("flushed");
    let receipt = copied.mutate(add(&copied, "copied")).await.expect("applied");
    soon(copied.flush()).await.expect("it goes on under another client id");
    soon(receipt.acknowledged()).await.expect("accepted");
    copied.pull_once().await.expect("pulled");
    assert_eq!(texts(&copied).await, ["base", "copied", "original"]);
}

#[tokio::test]
async fn a_flush_gives_up_on_a_server_that_refuses_every_client_id() {
    let requests = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let seen = requests.clone();
    let transport = plasma::client::InProcess::new(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
        let body = r#"{"error":"client-forked","message":"again"}"#;
        async move { Ok(WireResponse { status: 409, headers: Vec::new(), body: body.into() }) }
    });
    let client = Client::<App>::builder(SqliteStore::in_memory())
        .transport(transport)
        .ctx(Ctx { user: "alice".into() })
        .group("alice")
        .open()
        .await
        .expect("opened");
    client.mutate(add(&client, "mine")).await.expect("applied");
    soon(client.flush()).await.expect_err("it is refused whatever it is called");
    assert!(requests.load(Ordering::SeqCst) <= 10, "{requests:?} requests");
    assert_eq!(client.status().get().pending, 1, "the queue is kept");
}
