//! Columns that are encrypted in the client's file, over a real sync: clear on the wire, on the server and for whoever
//! asks the client; nowhere in what lies on the device's disk.

pub(crate) mod app;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use app::*;
use plasma::client::event::SendFailure;
use plasma::client::{Client, Headers, InProcess, OutcomeStatus, SqliteStore};
use plasma::crypto::{Dek, KeyId};
use plasma::prelude::*;
use plasma::server::Auth;

use crate::place::{Data, Place};

/// What the test looks for in the encrypted columns, and what it looks for in the others.
const MARKER: &str = "plaintext-marker-4c1d8e2b7a90";
const CLEAR: &str = "clear-marker-93b5d0f1";

struct Server {
    server: plasma::server::Server<App>,
    said: Mutex<Vec<u8>>,
    data: Data,
}

async fn authenticate(_: &http::request::Parts) -> plasma::Result<Auth<()>> {
    Ok(Auth::new("somebody", ()))
}

impl Server {
    async fn new() -> Arc<Self> {
        let data = Place::Sqlite.data().expect("always there");
        let builder = plasma::server::Server::<App>::builder(data.database()).auth(authenticate);
        let server = builder.open().await.expect("opens");
        Arc::new(Server { server, said: Mutex::default(), data })
    }

    async fn client(self: &Arc<Self>, folder: &Path, key: &str) -> plasma::Result<Client<App>> {
        let server = Arc::clone(self);
        let transport = InProcess::new(move |request| {
            let server = Arc::clone(&server);
            async move {
                let request_body = request.body.to_vec();
                let answer = server.server.respond(request).await;
                let mut said = server.said.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend(request_body);
                said.extend(answer.body.iter());
                Ok::<_, SendFailure>(answer)
            }
        });
        Client::<App>::builder(SqliteStore::open(folder.join("store.db")))
            .transport(transport)
            .auth(|| async { Ok(Headers::new()) })
            .encryption(dek(key), KeyId::new(key).expect("a name"))
            .group("somebody")
            .open()
            .await
    }
}

fn dek(name: &str) -> Dek {
    let mut bytes = [7; 32];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Dek::from_bytes(bytes)
}

async fn sync(client: &Client<App>) {
    client.flush().await.expect("the server answers");
    client.pull_once().await.expect("the server answers");
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// The files of a folder with the word in them, as they lie there: free pages, logs, whatever else.
fn files_with(folder: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        if holds(&std::fs::read(&path).unwrap_or_default(), word) {
            found.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    found
}

#[tokio::test]
async fn a_value_that_is_encrypted_on_the_device_is_clear_everywhere_else() {
    let server = Server::new().await;
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let a = server.client(one.path(), "phone").await.expect("opens");
    let b = server.client(two.path(), "laptop").await.expect("opens");
    let nothing = |when: &str| {
        for folder in [&one, &two] {
            assert_eq!(files_with(folder.path(), MARKER), Vec::<String>::new(), "{when}");
        }
    };
    let live = a.live(Contact::select());

    // Offline: in rows, in the outbox with its effects, in rows that never leave.
    let ids: Vec<Id<Contact>> = (0..40).map(|_| a.new_id()).collect();
    for (n, id) in ids.iter().enumerate() {
        let add =
            Add { id: *id, name: format!("{CLEAR} {n}"), phone: format!("{MARKER} {}", "0123456789".repeat(n * 10)) };
        a.mutate(add).await.expect("applied");
    }
    a.mutate(SetPhone { id: ids[0], phone: format!("{MARKER} again") }).await.expect("applied");
    a.mutate(Called { id: a.new_id(), number: MARKER.into() }).await.expect("applied");
    assert!(!files_with(one.path(), CLEAR).is_empty(), "the scan finds what is there");
    nothing("offline");

    sync(&a).await;
    sync(&b).await;
    nothing("synced");
    assert!(holds(&server.said.lock().expect("whole"), MARKER), "the wire has it in clear");
    let Data::Sqlite(folder) = &server.data else { panic!("it was to be SQLite") };
    assert!(!files_with(folder.path(), MARKER).is_empty(), "and so has the server");
    let phone = async |client: &Client<App>, n: usize| {
        client.get(ids[n]).await.expect("readable").map(|contact| contact.phone.into_inner())
    };
    assert_eq!(phone(&b, 0).await, Some(format!("{MARKER} again")));
    assert_eq!(phone(&b, 7).await, phone(&a, 7).await);

    // Two devices change the same, one of them gone on offline; one mutation is rejected in words that repeat the value.
    a.mutate(SetPhone { id: ids[1], phone: format!("{MARKER} a") }).await.expect("applied");
    b.mutate(SetPhone { id: ids[1], phone: format!("{MARKER} b") }).await.expect("applied");
    b.mutate(Noted { id: ids[2], remark: format!("{MARKER} aside") }).await.expect("applied here");
    b.mutate(Remove { id: ids[3] }).await.expect("applied");
    nothing("changed offline");
    sync(&b).await;
    sync(&a).await;
    sync(&b).await;
    let outcomes = b.outcomes().await.expect("readable");
    let rejected = outcomes.iter().find(|outcome| outcome.status == OutcomeStatus::Rejected).expect("it was rejected");
    assert!(rejected.args.as_deref().is_some_and(|args| args.contains(MARKER)), "it can be tried again: {rejected:?}");
    assert!(rejected.error.as_ref().is_some_and(|error| error.message.contains(MARKER)), "{rejected:?}");
    for client in [&a, &b] {
        assert_eq!(phone(client, 1).await, Some(format!("{MARKER} a")), "the server ran it last");
        assert_eq!(phone(client, 3).await, None);
    }
    nothing("rejected and deleted");
    assert_eq!(live.rows().len(), 39);

    // Another key, and the file as a process that ends leaves it.
    a.rotate_at_rest(dek("another"), KeyId::new("another").expect("a name")).await.expect("changed");
    a.mutate(SetPhone { id: ids[4], phone: format!("{MARKER} later") }).await.expect("applied");
    drop(live);
    a.close().await;
    b.close().await;
    nothing("closed");
    let error = server.client(one.path(), "phone").await.expect_err("it has another key now");
    assert_eq!(error.kind(), plasma::ErrorKind::Config);
    let a = server.client(one.path(), "another").await.expect("opens");
    assert_eq!(phone(&a, 4).await, Some(format!("{MARKER} later")), "it was not lost with the key");
    sync(&a).await;
    let b = server.client(two.path(), "laptop").await.expect("opens");
    sync(&b).await;
    assert_eq!(phone(&b, 4).await, Some(format!("{MARKER} later")));
    nothing("opened again");
}
