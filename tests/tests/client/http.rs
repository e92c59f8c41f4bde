//! Over sockets: the same clients against the HTTP server.

use std::time::Duration;

use plasma::client::{Client, Headers, SqliteStore};
use plasma::prelude::*;
use plasma::server::{Auth, Server};
use plasma::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{AddNote, App, Ctx, Note, Place, add, soon, texts, until};

/// The token is the user's name, in these tests.
async fn authenticate(parts: &http::request::Parts) -> Result<Auth<Ctx>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Error::unauthorized("no token"))?;
    Ok(Auth::new(user, Ctx { user: user.to_owned() }))
}

async fn client(address: &str, user: &'static str) -> Client<App> {
    Client::<App>::builder(SqliteStore::in_memory())
        .server(format!("http://{address}/sync"))
        .auth(move || async move { Ok(Headers::bearer(user)) })
        .ctx(Ctx { user: user.to_owned() })
        .group(user)
        .poll_interval(Duration::from_secs(60))
        .open()
        .await
        .expect("opened")
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn changes_cross_the_network_by_held_pulls(place: Place) {
    let Some(data) = place.data() else { return };
    let server = Server::<App>::builder(data.database()).auth(authenticate).open().await.expect("opened");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        server
            .serve(listener, async {
                let _ = stopped.await;
            })
            .await
    });

    let (a, b) = (client(&address, "alice").await, client(&address, "bob").await);
    a.start().expect("started");
    b.start().expect("started");
    until(async || a.status().get().last_pull_ms.is_some() && b.status().get().last_pull_ms.is_some()).await;
    // Polling would take a minute: what arrives now was pushed out by a pull that was held.
    for number in 0..300 {
        let text = format!("{number:03} {}", "long enough to be worth compressing ".repeat(4));
        a.mutate(AddNote { text, ..add(&a, "") }).await.expect("applied");
    }
    let bad = b.mutate(add(&b, "bad")).await.expect("applied");
    assert_eq!(soon(bad.acknowledged()).await.expect_err("rejected").code(), "bad-word");
    until(async || b.count(Note::select()).await.expect("counted") == 300).await;
    until(async || a.status().get().unobserved == 0).await;
    assert_eq!(texts(&a).await, texts(&b).await);

    drop((a, b));
    let _ = stop.send(());
    soon(serving).await.expect("no panic").expect("an orderly end");
}
