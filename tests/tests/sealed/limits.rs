//! What a server takes in sealed columns, of which it can read nothing.

use std::collections::BTreeSet;

use plasma::Envelope;
use plasma::client::OutcomeStatus;

use super::*;

fn strict() -> EnvelopeLimits {
    EnvelopeLimits {
        max_ciphertext_bytes: 200,
        allowed_key_ids: Some(BTreeSet::from([key("k"), key("k2")])),
        ..EnvelopeLimits::default()
    }
}

/// How the server rejected the last mutation: its code, and what its data says.
async fn verdict(client: &Client<App>) -> Option<(String, String, String)> {
    sync(client).await;
    let outcome = client.outcomes().await.expect("readable").pop().expect("it ended");
    if outcome.status == OutcomeStatus::Applied {
        return None;
    }
    let error = outcome.error.expect("a reason");
    let said = |member: &str| error.data.as_ref().and_then(|data| data[member].as_str()).unwrap_or("").to_owned();
    Some((error.code.clone(), said("column"), said("reason")))
}

fn refused(column: &str, reason: &str) -> Option<(String, String, String)> {
    Some(("validation".into(), column.into(), reason.into()))
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn whatever_writes_an_envelope_is_held_to_the_limits(place: Place) {
    let Some(server) = Server::with(place, strict()).await else { return };
    let a = server.client("alice", &keys(&["k", "k2", "other"])).await;
    let id = a.new_id();
    a.mutate(plain(id, "short")).await.expect("applied");
    assert_eq!(verdict(&a).await, None);

    // An insert, an update of one row, one of many: too long, and by a key that is not allowed.
    let long = "x".repeat(400);
    a.mutate(plain(a.new_id(), &long)).await.expect("the client has no limits");
    assert_eq!(verdict(&a).await, refused("body", "too-large"));
    a.mutate(PlainEditBody { id, body: long.clone() }).await.expect("applied here");
    assert_eq!(verdict(&a).await, refused("body", "too-large"));
    a.mutate(EditAll { body: a.seal(Note::body, id, &long).await.expect("sealed") }).await.expect("applied here");
    assert_eq!(verdict(&a).await, refused("body", "too-large"));
    a.mutate(PlainEditWith { id, key: key("other"), body: "x".into() }).await.expect("applied here");
    assert_eq!(verdict(&a).await, refused("body", "unknown-key"));
    let labels = Some(vec![long]);
    a.mutate(PlainAddNote { labels, ..plain(a.new_id(), "x") }).await.expect("applied here");
    assert_eq!(verdict(&a).await, refused("labels", "too-large"));

    // What is refused leaves nothing, and does not stand in the way of what comes after it.
    a.mutate(PlainEditWith { id, key: key("k2"), body: "also short".into() }).await.expect("applied");
    assert_eq!(verdict(&a).await, None);
    assert_eq!(body(&a, id).await, "also short");
    assert_eq!(server.data.integers("SELECT count(*) FROM notes"), [1]);
}

/// What a client says it saw is its word, and a merge may take it up: what it stores is held to the limits as well.
#[tokio::test]
async fn a_merge_stores_nothing_that_a_mutator_could_not() {
    let server = Server::with(Place::Sqlite, strict()).await.expect("always there");
    let ring = keys(&["k"]);
    let (a, b) = (server.client("alice", &ring).await, server.client("bob", &ring).await);
    let id = a.new_id();
    a.mutate(PlainAddCard { id, body: "short".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    a.mutate(Raise { id }).await.expect("applied");
    b.mutate(Raise { id }).await.expect("applied");
    sync(&a).await;
    let long = b.seal(Card::body, id, &"x".repeat(400)).await.expect("sealed").envelope().to_json();
    *lock(&server.edit) = Some(Box::new(move |push| {
        for mutation in push["mutations"].as_array_mut().into_iter().flatten() {
            let row = &mut mutation["bases"]["cards"][id.to_string()];
            let mut image = row.as_str().expect("an image").to_owned();
            let start = image.find(r#""body":"#).expect("a body") + 7;
            let end = start + image[start..].find('}').expect("an envelope") + 1;
            image.replace_range(start..end, &long);
            *row = image.into();
        }
    }));
    assert_eq!(verdict(&b).await, refused("body", "too-large"));
}

#[tokio::test]
async fn the_edges_are_taken() {
    let server = Server::with(Place::Sqlite, strict()).await.expect("always there");
    let a = server.client("alice", &keys(&["k"])).await;
    // Two quotes of JSON and a tag of 16 bytes.
    for (length, taken) in [(182, true), (183, false)] {
        a.mutate(plain(a.new_id(), &"x".repeat(length))).await.expect("applied here");
        assert_eq!(verdict(&a).await.is_none(), taken, "{length}");
    }
}

#[test_case::test_case(|envelope| *envelope = "nobody sees this".into(); "the text itself")]
#[test_case::test_case(|envelope| envelope["alg"] = "none".into(); "no cipher")]
#[test_case::test_case(|envelope| envelope["v"] = 2.into(); "a version of another time")]
#[test_case::test_case(|envelope| envelope["nonce"] = "AAAA".into(); "a short nonce")]
#[test_case::test_case(|envelope| envelope["ct"] = "AAAA".into(); "no tag")]
#[test_case::test_case(|envelope| envelope["keyId"] = "".into(); "a key without a name")]
#[test_case::test_case(|envelope| envelope["more"] = 1.into(); "a member too many")]
#[test_case::test_case(|envelope| *envelope = serde_json::Value::Null; "nothing")]
#[tokio::test]
async fn what_is_no_envelope_is_no_argument(spoil: fn(&mut serde_json::Value)) {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let a = server.client("alice", &keys(&["k"])).await;
    *lock(&server.edit) = Some(Box::new(move |push| {
        for mutation in push["mutations"].as_array_mut().into_iter().flatten() {
            spoil(&mut mutation["args"]["body"]);
        }
    }));
    a.mutate(plain(a.new_id(), "x")).await.expect("applied here");
    let (code, ..) = verdict(&a).await.expect("rejected");
    assert_eq!(code, "invalid-args");
    *lock(&server.edit) = None;
    a.mutate(plain(a.new_id(), "y")).await.expect("applied");
    assert_eq!(verdict(&a).await, None, "one malformed mutation blocks nobody");
}

#[test]
fn limits_are_of_the_server_and_have_defaults() {
    let options = plasma::server::ServerOptions::default();
    assert_eq!(options.envelope_limits, EnvelopeLimits::default());
    assert_eq!(options.envelope_limits.max_ciphertext_bytes, 1 << 20);
    let envelope = Envelope { key_id: key("any"), nonce: [0; 12], ciphertext: vec![0; 16] };
    assert_eq!(options.envelope_limits.validate(&envelope), Ok(()));
}
