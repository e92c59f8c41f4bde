//! Without a server: the client is a store with live queries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use plasma::ErrorKind;
use plasma::client::{Client, Durability, ReceiptState, SqliteStore, Stuck};
use plasma::live::{Delta, LiveState};
use plasma::prelude::*;

use super::*;

async fn local() -> Client<App> {
    Client::<App>::builder(SqliteStore::in_memory()).ctx(Ctx { user: "me".into() }).open().await.expect("opened")
}

fn assert_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn mutate_returns_when_everybody_was_told() {
    let client = local().await;
    let live = client.live(Note::select().order_by(Note::text.asc()));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let by = seen.clone();
    let _subscription = live.subscribe(move |rows| lock(&by).push(rows.len()));
    let note = add(&client, "milk");
    let receipt = assert_send(client.mutate(note.clone())).await.expect("applied");
    assert_eq!(*lock(&seen), [0, 1], "told before mutate returned");
    receipt.durable().await.expect("it is in the store");
    assert!(matches!(receipt.state().get(), ReceiptState::Durable));
    assert_eq!(client.need(note.id).await.expect("there").author, "me");
    assert_eq!(client.count(Note::select()).await.expect("counted"), 1);
    assert!(client.exists(Note::select().filter(Note::text.eq("milk"))).await.expect("looked"));
    assert_eq!(client.get(client.new_id::<Note>()).await.expect("looked"), None);
    let missing = client.need(client.new_id::<Note>()).await.expect_err("it does not exist");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    client.mutate(RemoveNote { id: note.id }).await.expect("applied");
    assert_eq!(*lock(&seen), [0, 1, 0]);
    let status = client.status().get();
    assert_eq!((status.pending, status.stuck), (2, Some(Stuck::NoServer)));
    assert_eq!(client.flush().await.expect_err("to whom?").kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_mutation_that_fails_leaves_nothing() {
    let client = local().await;
    let note = add(&client, "one");
    client.mutate(note.clone()).await.expect("applied");
    let taken = client.mutate(AddNote { id: note.id, text: "two".into() }).await.expect_err("the id is taken");
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    let empty = client.mutate(add(&client, "")).await.expect_err("a note says something");
    assert_eq!(empty.kind(), ErrorKind::Validation);
    let missing = client.mutate(EditNote { id: client.new_id(), text: "x".into() }).await.expect_err("no such note");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    let unknown = client.mutate_named("notes.burn", &serde_json::json!({})).await.expect_err("no such mutator");
    assert_eq!(unknown.kind(), ErrorKind::UnknownMutator);
    let args = client.mutate_named("notes.add", &serde_json::json!({ "id": 7 })).await.expect_err("no id is 7");
    assert_eq!(args.kind(), ErrorKind::InvalidArgs);
    assert_eq!((client.outbox().await.expect("read").len(), texts(&client).await), (1, vec!["one".to_owned()]));
    let named = serde_json::json!({ "id": client.new_id::<Note>(), "text": "by name" });
    let receipt = client.mutate_named("notes.add", &named).await.expect("applied");
    assert_eq!(client.outbox().await.expect("read").last().map(|queued| queued.key), Some(receipt.key()));
}

#[tokio::test]
async fn several_queries_see_one_state_and_local_writes_are_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let builder = Client::<App>::builder(SqliteStore::open(folder.path().join("a.db")));
    let client = builder.ctx(Ctx { user: "me".into() }).open().await.expect("opened");
    client.mutate(add(&client, "one")).await.expect("applied");
    let other = client.clone();
    let (before, after) = client
        .read(async |tx| {
            let before = tx.count(Note::select()).await?;
            // Somebody writes in between, on the connection that writes.
            let mut writing = Box::pin(other.mutate(add(&other, "two")));
            let written = writing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(written, Poll::Ready(Ok(_))), "readers do not keep the writer waiting");
            Ok((before, tx.all(Note::select()).await?.len()))
        })
        .await
        .expect("read");
    assert_eq!((before, after), (1, 1), "the state of the beginning");
    assert_eq!(client.count(Note::select()).await.expect("counted"), 2);
    let foreign = client
        .read(async |_| {
            tokio::task::yield_now().await;
            Ok(())
        })
        .await
        .expect_err("not the tx");
    assert_eq!(foreign.kind(), ErrorKind::Internal);

    let drafts = client.live(Draft::select());
    let id = client.local(async |tx| tx.insert(NewDraft { text: "mi".into() }).await).await.expect("written");
    assert_eq!(client.need(id).await.expect("there").text, "mi");
    assert_eq!(drafts.rows().len(), 1, "live queries hear of it");
    let refused = client
        .local(async |tx| {
            tx.update(id).set(Draft::text.to("milk")).await?;
            tx.insert(NewNote { text: "milk".into(), author: "me".into() }).await
        })
        .await
        .expect_err("notes go through mutators");
    assert_eq!(refused.kind(), ErrorKind::Validation);
    assert_eq!(client.need(id).await.expect("there").text, "mi", "all of it or nothing");
    assert_eq!(client.outbox().await.expect("read").len(), 2, "nothing was queued");
}

#[tokio::test]
async fn a_callback_may_mutate() {
    let client = local().await;
    let live = client.live(Note::select());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (by, writer) = (seen.clone(), client.clone());
    let _subscription = live.subscribe(move |rows| {
        lock(&by).push(rows.len());
        if rows.len() == 1 {
            // A synchronous callback drives the future itself: no lock is held that it could wait for.
            let mut inner = Box::pin(writer.mutate(add(&writer, "second")));
            match inner.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(result) => drop(result.expect("applied")),
                Poll::Pending => panic!("the callback holds a lock"),
            }
            lock(&by).push(100);
        }
    });
    client.mutate(add(&client, "first")).await.expect("applied");
    assert_eq!(*lock(&seen), [0, 1, 100, 2], "its news come after it, not inside it");
}

#[tokio::test]
async fn many_threads_write_and_every_delta_arrives_in_order() {
    let client = local().await;
    let live = client.live(Note::select().order_by(Note::text.asc()));
    let replayed: Arc<Mutex<Vec<Note>>> = Arc::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let (by, counted) = (replayed.clone(), calls.clone());
    let _subscription = live.subscribe_delta(move |delta: &Delta<Note>| {
        counted.fetch_add(1, Ordering::SeqCst);
        delta.apply(&mut lock(&by)).expect("deltas follow each other");
    });
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let client = client.clone();
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                runtime.block_on(async {
                    for number in 0..25 {
                        client.mutate(add(&client, &format!("{number}-{thread}"))).await.expect("applied");
                    }
                });
            });
        }
    });
    until(async || lock(&replayed).len() == 100).await;
    assert_eq!(live.rows(), lock(&replayed)[..]);
    assert_eq!(calls.load(Ordering::SeqCst), 101, "one call for each transaction, and the first");
}

#[tokio::test]
async fn a_live_row_and_a_stream_follow() {
    let client = local().await;
    let note = add(&client, "old");
    let row = client.live_row(note.id);
    assert_eq!(row.when_ready().await.expect("read"), None);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let by = seen.clone();
    let _subscription = row.subscribe(move |note| lock(&by).push(note.map(|note| note.text.clone())));
    let mut stream = client.live(Note::select()).stream();
    assert!(matches!(soon(stream.next()).await, Some(LiveState::Ready(rows)) if rows.is_empty()));
    client.mutate(note.clone()).await.expect("applied");
    client.mutate(EditNote { id: note.id, text: "new".into() }).await.expect("applied");
    client.mutate(RemoveNote { id: note.id }).await.expect("applied");
    assert_eq!(*lock(&seen), [None, Some("old".to_owned()), Some("new".to_owned()), None]);
    client.mutate(add(&client, "other")).await.expect("applied");
    assert!(matches!(soon(stream.next()).await, Some(LiveState::Ready(rows)) if rows.len() == 1));
    drop(client);
    assert!(soon(stream.next()).await.is_none(), "the client is gone");
}

#[tokio::test]
async fn write_behind_says_when_it_is_durable_and_a_drop_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.db");
    let open = || {
        Client::<App>::builder(SqliteStore::open(&path))
            .ctx(Ctx { user: "me".into() })
            .durability(Durability::WriteBehind)
            .open()
    };
    let client = open().await.expect("opened");
    // Nobody drives this client: it commits at once.
    let receipt = client.mutate(add(&client, "one")).await.expect("applied");
    soon(receipt.durable()).await.expect("durable");
    client.start().expect("started");
    until(async || client.status().get().started).await;
    let receipt = client.mutate(add(&client, "two")).await.expect("applied");
    assert_eq!(texts(&client).await, ["one", "two"], "reads see it before the commit");
    soon(receipt.durable()).await.expect("durable within a moment");
    let receipt = client.mutate(add(&client, "three")).await.expect("applied");
    drop(client);
    let client = open().await.expect("opened again");
    assert_eq!(texts(&client).await, ["one", "three", "two"]);
    assert!(client.receipt(receipt.key()).await.expect("read").is_some());
}
