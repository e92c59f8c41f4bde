//! Opening, closing, dropping, signing out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plasma::ErrorKind;
use plasma::client::{Client, SignOut, SqliteStore};

use super::*;

#[test]
fn clients_go_where_threads_go() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Client<App>>();
    shared::<plasma::client::Receipt<AddNote>>();
    shared::<plasma::live::LiveQuery<Note>>();
    shared::<plasma::live::Subscription>();
    shared::<plasma::live::LiveStream<Note>>();
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn dropping_the_last_handle_ends_the_loop_and_closes_the_store(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let client = client_of(&server, "alice", SqliteStore::open(&path)).open().await.expect("opened");
    client.start().expect("started");
    let running = tokio::spawn(client.run());
    let clone = client.clone();
    let receipt = client.mutate(add(&client, "one")).await.expect("applied");
    soon(receipt.observed()).await.expect("accepted");
    let live = client.live(Note::select());
    server.down.store(true, Ordering::SeqCst);
    let waiting = client.mutate(add(&client, "two")).await.expect("applied");
    drop(client);
    assert_eq!(texts(&clone).await, ["one", "two"], "one handle is left");
    drop(clone);
    let ended = soon(waiting.acknowledged()).await.expect_err("nobody will say");
    assert_eq!(ended.kind(), ErrorKind::Closed);
    soon(running).await.expect("no panic").expect("the loop ends in order");
    assert_eq!(live.rows().len(), 2, "what is on the screen stays there");
    // The transport, and with it the server, is let go of.
    until(async || Arc::strong_count(&server) == 1).await;
    assert!(!path.with_extension("db-wal").exists(), "the last connection has cleaned up");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_closed_client_says_so(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    client.start().expect("started");
    let clone = client.clone();
    client.close().await;
    client.close().await;
    let kinds = [
        clone.mutate(add(&clone, "late")).await.expect_err("closed").kind(),
        clone.all(Note::select()).await.expect_err("closed").kind(),
        clone.outcomes().await.expect_err("closed").kind(),
        clone.push_once().await.expect_err("closed").kind(),
        clone.start().expect_err("closed").kind(),
        clone.live(Note::select()).when_ready().await.expect_err("closed").kind(),
    ];
    assert_eq!(kinds, [ErrorKind::Closed; 6]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn stopping_sends_nothing_and_starting_goes_on(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    client.start().expect("started");
    until(async || client.status().get().last_pull_ms.is_some()).await;
    client.stop().await.expect("stopped");
    until(async || !client.status().get().downloading).await;
    let before = server.requests.load(Ordering::SeqCst);
    let receipt = client.mutate(add(&client, "later")).await.expect("applied");
    // Long enough for ten polls.
    tokio::time::timeout(std::time::Duration::from_millis(120), receipt.acknowledged()).await.expect_err("stopped");
    assert_eq!(server.requests.load(Ordering::SeqCst), before);
    client.start().expect("started again");
    soon(receipt.observed()).await.expect("accepted");
}

#[test]
fn outside_of_a_runtime_the_loop_is_the_callers() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = runtime.block_on(Server::new(Place::Sqlite)).expect("SQLite is always there");
    let open = client_of(&server, "alice", SqliteStore::in_memory()).open();
    let client = plasma::future::poll_once(Box::pin(open)).expect("at once").expect("opened");
    let error = client.start().expect_err("there is no runtime");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("client.run()"), "{error}");
    let error = plasma::future::poll_once(Box::pin(client.run())).expect("at once").expect_err("there is no timer");
    assert_eq!(error.kind(), ErrorKind::Config);
    runtime.block_on(async {
        let receipt = client.mutate(add(&client, "one")).await.expect("applied");
        let mut running = Box::pin(client.run());
        let mut observed = Box::pin(receipt.observed());
        soon(std::future::poll_fn(|cx| {
            let _ = running.as_mut().poll(cx);
            observed.as_mut().poll(cx)
        }))
        .await
        .expect("accepted");
    });
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_loop_that_is_dropped_in_mid_flight_loses_nothing(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    // The first push and the first pull never come to an end.
    let hang = Arc::new(AtomicUsize::new(2));
    let (inner, left) = (server.transport(), hang.clone());
    let transport = plasma::client::InProcess::new(move |request| {
        let (inner, left) = (inner.clone(), left.clone());
        async move {
            if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                std::future::pending::<()>().await;
            }
            plasma::client::Transport::send(&inner, request, Headers::new()).await
        }
    });
    let builder = client_of(&server, "alice", SqliteStore::in_memory()).transport(transport);
    let client = builder.open().await.expect("opened");
    let receipt = client.mutate(add(&client, "once")).await.expect("applied");
    let mut running = Box::pin(client.run());
    assert!(plasma::future::poll_once(Box::pin(&mut running)).is_none(), "it runs");
    assert_eq!(hang.load(Ordering::SeqCst), 0, "both requests are under way");
    drop(running);
    client.start().expect("started");
    soon(receipt.observed()).await.expect("accepted once");
    let other = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    other.pull_once().await.expect("pulled");
    assert_eq!(texts(&other).await, ["once"]);
}

#[test]
fn reads_do_not_wait_for_a_long_transaction() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let builder = Client::<App>::builder(SqliteStore::open(folder.path().join("a.db")));
    let client = runtime.block_on(builder.ctx(Ctx { user: "me".into() }).open()).expect("opened");
    runtime.block_on(client.mutate(add(&client, "quick"))).expect("applied");
    let gate = lock(&GATE);
    std::thread::scope(|scope| {
        let writer = client.clone();
        let writing = scope.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let id = writer.new_id();
            runtime.block_on(writer.mutate(SlowNote { id })).expect("applied");
        });
        // The mutation is inside its transaction when the writer's turn is taken.
        while plasma::future::poll_once(Box::pin(client.outbox())).is_some() {
            std::thread::yield_now();
        }
        assert_eq!(runtime.block_on(texts(&client)), ["quick"]);
        drop(gate);
        writing.join().expect("no panic");
    });
    assert_eq!(runtime.block_on(texts(&client)), ["quick", "slow"]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_store_belongs_to_its_group_and_can_be_left(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = |user: &str| client_of(&server, user, SqliteStore::open(&path)).open();
    let alice = open("alice").await.expect("opened");
    alice.mutate(add(&alice, "alice's")).await.expect("applied");
    assert_eq!(open("bob").await.expect_err("it is alice's").kind(), ErrorKind::WrongStore);
    alice.sign_out(SignOut::KeepOutbox).await.expect("left");
    assert_eq!(alice.outbox().await.expect_err("closed").kind(), ErrorKind::Closed);
    assert_eq!(open("bob").await.expect_err("her outbox is in it").kind(), ErrorKind::WrongStore);
    let alice = open("alice").await.expect("she comes back");
    alice.flush().await.expect("what she wrote goes up");
    let lost = alice.mutate(add(&alice, "not yet sent")).await.expect("applied");
    let losses = alice.losses().await.expect("read");
    assert_eq!(losses.mutations.iter().map(|lost| lost.key).collect::<Vec<_>>(), [lost.key()]);
    let before = alice.client_id().await.expect("read");
    assert_eq!(alice.reset_local_state().await.expect("reset").mutations.len(), 1);
    assert_ne!(alice.client_id().await.expect("read"), before);
    assert_eq!(soon(lost.acknowledged()).await.expect_err("it is lost").code(), "reset");
    alice.pull_once().await.expect("anew");
    assert_eq!(texts(&alice).await, ["alice's"]);
    alice.sign_out(SignOut::Wipe).await.expect("left for good");
    let bob = open("bob").await.expect("a fresh store");
    assert!(texts(&bob).await.is_empty());
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn the_context_is_made_anew_at_every_start(place: Place) {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory())
        .ctx_provider(move || {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Ctx { user: format!("session {number}") }) }
        })
        .offline(true)
        .open()
        .await
        .expect("opened");
    let note = add(&client, "mine");
    client.mutate(note.clone()).await.expect("applied");
    assert_eq!(client.need(note.id).await.expect("there").author, "session 0");
    client.start().expect("started");
    until(async || client.need(note.id).await.expect("there").author == "session 1").await;
}
