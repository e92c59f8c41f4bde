//! What goes wrong between client and server, and how the application hears of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use plasma::ErrorKind;
use plasma::client::event::ClientErrorKind;
use plasma::client::{Client, SqliteStore, Stuck};

use super::*;

type Errors = Arc<Mutex<Vec<(ClientErrorKind, String)>>>;

fn heard() -> (Errors, impl Fn(&plasma::client::event::ClientError) + Send + Sync + 'static) {
    let errors = Errors::default();
    let by = errors.clone();
    (errors, move |error| lock(&by).push((error.kind, error.error.to_string())))
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_failing_network_is_reported_and_tried_again(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (errors, on_error) = heard();
    let client = client_of(&server, "alice", SqliteStore::in_memory()).on_error(on_error).open().await.expect("opened");
    server.down.store(true, Ordering::SeqCst);
    client.start().expect("started");
    let receipt = client.mutate(add(&client, "patient")).await.expect("applied");
    let stuck = |status: &plasma::client::Status| matches!(status.stuck, Some(Stuck::Backoff { .. }));
    let status = soon(client.status().wait_until(stuck)).await.expect("it says why");
    assert!(!status.online);
    assert_eq!(status.last_error.expect("the last failure").kind, ClientErrorKind::Network);
    until(async || lock(&errors).len() >= 3).await;
    assert!(lock(&errors).iter().all(|(kind, text)| *kind == ClientErrorKind::Network && text.contains("cable")));
    server.down.store(false, Ordering::SeqCst);
    soon(receipt.observed()).await.expect("accepted in the end");
    assert!(client.status().get().online);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_captive_portal_is_a_failing_network(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let receipt = client.mutate(add(&client, "kept")).await.expect("applied");
    server.portal.store(true, Ordering::SeqCst);
    assert_eq!(client.push_once().await.expect_err("that was not the server").kind(), ErrorKind::Network);
    assert_eq!(client.pull_once().await.expect_err("that was not the server").kind(), ErrorKind::Network);
    assert_eq!(client.status().get().pending, 1, "nothing is lost");
    server.portal.store(false, Ordering::SeqCst);
    client.flush().await.expect("pushed");
    soon(receipt.acknowledged()).await.expect("accepted");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn credentials_are_asked_for_again_when_they_are_refused(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    // The token is renewed whenever it is asked for; the first one is not good any more.
    lock(&server.expired).push("alice#0".to_owned());
    let client = client_of(&server, "alice", SqliteStore::in_memory())
        .auth(move || {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Headers::bearer(format!("alice#{number}"))) }
        })
        .open()
        .await
        .expect("opened");
    client.start().expect("started");
    let receipt = client.mutate(add(&client, "signed")).await.expect("applied");
    soon(receipt.observed()).await.expect("accepted with the second token");
    assert!(asked.load(Ordering::SeqCst) >= 2);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn without_good_credentials_the_status_says_so(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    lock(&server.expired).push("alice".to_owned());
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    client.start().expect("started");
    client.mutate(add(&client, "unsigned")).await.expect("applied");
    let stuck = |status: &plasma::client::Status| matches!(status.stuck, Some(Stuck::Unauthorized { .. }));
    soon(client.status().wait_until(stuck)).await.expect("it says why");
    lock(&server.expired).clear();
    until(async || client.status().get().pending == 0).await;

    // Credentials that cannot be had are a failed request like any other.
    let client = client_of(&server, "bob", SqliteStore::in_memory())
        .auth(|| async { Err(Error::unauthorized("the key ring is locked")) })
        .open()
        .await
        .expect("opened");
    let error = client.pull_once().await.expect_err("no credentials");
    assert!(error.message().contains("the key ring is locked"), "{error}");
}

#[tokio::test]
async fn a_callback_that_panics_is_reported_and_harms_nobody() {
    let (errors, on_error) = heard();
    let client = Client::<App>::builder(SqliteStore::in_memory())
        .ctx(Ctx { user: "me".into() })
        .on_error(on_error)
        .open()
        .await
        .expect("opened");
    let live = client.live(Note::select());
    let _bad = live.subscribe(|rows| assert!(rows.is_empty(), "I did not expect that"));
    let counted = Arc::new(AtomicUsize::new(0));
    let counter = counted.clone();
    let _good = live.subscribe(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    client.mutate(add(&client, "surprise")).await.expect("applied all the same");
    assert_eq!(counted.load(Ordering::SeqCst), 2, "the others are called");
    let errors = lock(&errors);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].0, ClientErrorKind::Callback);
    assert!(errors[0].1.contains("I did not expect that"), "{errors:?}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_the_fix() {
    let builder = || Client::<App>::builder(SqliteStore::in_memory());
    let ctx = || Ctx { user: "me".into() };
    let refused = [
        (builder().open().await, "`.ctx(..)`"),
        (builder().ctx(ctx()).server("example.com").open().await, "no scheme"),
        (builder().ctx(ctx()).auth(|| async { Ok(Headers::new()) }).open().await, "`.server(..)`"),
        (
            builder().ctx(ctx()).server("http://127.0.0.1:1").base_path("/x").open().await,
            "part of the server's address",
        ),
    ];
    for (result, hint) in refused {
        let error = result.expect_err(hint);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.message().contains(hint), "{error} does not say {hint}");
    }
    let failing = builder().ctx_provider(|| async { Err(Error::unauthorized("nobody is signed in")) });
    assert_eq!(failing.open().await.expect_err("no context").message(), "nobody is signed in");
}
