//! Mutators that are no function of what they are given, on a real client and a real server.

use std::sync::atomic::AtomicU64;

use plasma::client::SqliteStore;
use plasma::client::event::{ClientError, ClientErrorKind};
use plasma::{Drift, ErrorKind};

use super::*;

type Errors = Arc<Mutex<Vec<(ClientErrorKind, String)>>>;

async fn open(server: &Arc<Server>, user: &str) -> (Client<App>, Errors) {
    let errors = Errors::default();
    let by = errors.clone();
    let on_error = move |error: &ClientError| lock(&by).push((error.kind, error.error.to_string()));
    let client = client_of(server, user, SqliteStore::in_memory()).on_error(on_error).open().await.expect("opened");
    client.start().expect("started");
    (client, errors)
}

async fn run<M: plasma::mutate::RunsIn<App>>(client: &Client<App>, mutation: M) {
    let receipt = client.mutate(mutation).await.expect("applied");
    soon(receipt.observed()).await.expect("accepted");
}

fn drift(client: &Client<App>) -> Option<Drift> {
    client.status().get().drift
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_mutator_that_counts_its_calls_is_told_of(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (client, errors) = open(&server, "alice").await;
    run(&client, add(&client, "honest")).await;
    assert_eq!(drift(&client), None);
    for count in 1..=2 {
        run(&client, Counted { id: client.new_id() }).await;
        let drift = drift(&client).expect("the two runs wrote different numbers");
        assert_eq!((drift.count, drift.name.as_str()), (count, "notes.counted"));
    }
    let heard = lock(&errors);
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard.iter().all(|(kind, text)| *kind == ClientErrorKind::Drift && text.contains("`notes.counted`")));
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn given_values_and_reads_that_changed_are_no_drift(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (alice, heard_by_alice) = open(&server, "alice").await;
    let (bob, _) = open(&server, "bob").await;
    run(&alice, Thrown { id: alice.new_id() }).await;
    let (from, to) = (add(&alice, "one"), add(&alice, "copy"));
    let (from_id, to_id) = (from.id, to.id);
    run(&alice, from).await;
    run(&alice, to).await;
    run(&alice, CopyNote { from: from_id, to: to_id }).await;
    // Bob changes what alice is going to read, while she cannot see it.
    alice.set_offline(true).await.expect("offline");
    until(async || bob.get(from_id).await.expect("readable").is_some()).await;
    run(&bob, EditNote { id: from_id, text: "two".into() }).await;
    let receipt = alice.mutate(CopyNote { from: from_id, to: to_id }).await.expect("applied");
    alice.set_offline(false).await.expect("online");
    soon(receipt.observed()).await.expect("accepted");
    assert_eq!(texts(&alice).await.iter().filter(|text| *text == "two").count(), 2, "the server copied what it saw");
    assert_eq!(drift(&alice), None, "{:?}", lock(&heard_by_alice));
}

fn assert_named(kind: ErrorKind, code: &str, message: &str) {
    assert_eq!((kind, code), (ErrorKind::ForeignAwait, "foreign-await"));
    assert!(message.contains("`notes.waits`") && message.contains("may await only what `tx` returns"), "{message}");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_mutator_that_waits_for_something_else_is_ended_on_the_client(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (client, _) = open(&server, "alice").await;
    for how in ["sleep", "channel"] {
        let waits = Waits { id: client.new_id(), how: how.into(), only_on_the_server: false };
        let error = client.mutate(waits).await.expect_err("it may not wait");
        assert_named(error.kind(), error.code(), error.message());
    }
    assert_eq!(client.status().get().pending, 0, "nothing is queued");
    assert!(texts(&client).await.is_empty(), "what it wrote before is taken back");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_mutator_that_waits_for_something_else_is_ended_on_the_server(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (client, _) = open(&server, "alice").await;
    for how in ["sleep", "channel"] {
        let waits = Waits { id: client.new_id(), how: how.into(), only_on_the_server: true };
        let receipt = client.mutate(waits).await.expect("applied here");
        let error = soon(receipt.acknowledged()).await.expect_err("it may not wait there");
        assert_named(error.kind(), error.code(), error.message());
    }
    // The server goes on.
    run(&client, add(&client, "after")).await;
    assert_eq!(texts(&client).await, ["after"]);
}

/// How often [`Notes::counted`] ran, on either side.
pub static COUNTED: AtomicU64 = AtomicU64::new(0);
