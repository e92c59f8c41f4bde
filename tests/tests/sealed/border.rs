//! What crosses the border of a client: sealed by hand, by the arguments' plain form, with which key, for which place.

use plasma::crypto::{MemoryLedger, Nonces, OpenError, Sealer};
use plasma::inputs::OsEntropy;
use plasma::store::SqlConnection as _;
use plasma::store::sqlite::SqliteConnection;
use plasma::value::Kind;
use plasma::{BlindIndex, ErrorKind, SealArgs as _};

use super::*;

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn what_one_device_seals_another_opens(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let keys = keys(&["k"]);
    let (a, b) = (server.client("alice", &keys).await, server.client("alice", &keys).await);
    let id = a.new_id();
    let labels = vec!["x".to_owned(), "y".to_owned()];
    a.mutate(PlainAddNote { labels: Some(labels.clone()), ..plain(id, "  dear diary ") }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(body(&b, id).await, "dear diary", "trimmed before it was sealed");
    let note = b.need(id).await.expect("there");
    assert_eq!(b.open(Note::labels, id, note.labels.as_ref().expect("sealed")).expect("opens"), labels);

    // By hand, into a mutation that knows nothing of sealing.
    let sealed = b.seal(Note::body, id, "second thoughts").await.expect("sealed");
    b.mutate(EditBody { id, body: sealed }).await.expect("applied");
    sync(&b).await;
    sync(&a).await;
    assert_eq!(body(&a, id).await, "second thoughts");

    // Without the key there is an envelope and nothing else.
    let stranger = server.open("eve", "eve", SqliteStore::in_memory(), None).await;
    sync(&stranger).await;
    let note = stranger.need(id).await.expect("readable");
    assert_eq!(stranger.open(Note::body, id, &note.body), Err(OpenError::NoKey(key("k"))));
    let refused = stranger.mutate(plain(stranger.new_id(), "x")).await.expect_err("no keyring");
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert_eq!(stranger.outbox().await.expect("readable").len(), 0);
}

#[tokio::test]
async fn rules_are_about_the_text_and_not_about_the_envelope() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let a = server.client("alice", &keys(&["k"])).await;
    for broken in ["", "   ", &"x".repeat(20_001)] {
        let error = a.mutate(plain(a.new_id(), broken)).await.expect_err("against the rule");
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert_eq!(error.data().expect("the fields")["fields"][0]["field"], "body");
        assert!(!format!("{error:?}").contains("xxx"), "{error:?}");
    }
    let labels = Some(vec![String::new(); 4]);
    assert!(a.mutate(PlainAddNote { labels, ..plain(a.new_id(), "x") }).await.is_err());
    a.mutate(plain(a.new_id(), &"x".repeat(20_000))).await.expect("just fits, whatever its envelope measures");
}

#[tokio::test]
async fn the_caller_may_name_the_key() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let a = server.client("alice", &keys(&["k", "team"])).await;
    let id = a.new_id();
    a.mutate(plain(id, "mine")).await.expect("applied");
    assert_eq!(a.need(id).await.expect("there").body.key_id(), &key("k"));
    a.mutate(PlainEditWith { id, key: key("team"), body: "ours".into() }).await.expect("applied");
    assert_eq!(a.need(id).await.expect("there").body.key_id(), &key("team"));
    assert_eq!(body(&a, id).await, "ours");
    let unknown =
        a.mutate(PlainEditWith { id, key: key("nobody's"), body: "x".into() }).await.expect_err("no such key");
    assert_eq!(unknown.kind(), ErrorKind::Encryption);
}

#[tokio::test]
async fn an_envelope_opens_at_its_place_only() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let a = server.client("alice", &keys(&["k"])).await;
    let (one, other) = (a.new_id(), a.new_id());
    a.mutate(plain(one, "pay bob 10")).await.expect("applied");
    a.mutate(plain(other, "pay eve 1000")).await.expect("applied");
    // Whoever can write rows, the server for one, moves an envelope to another row.
    let moved = a.need(other).await.expect("there").body;
    a.mutate(EditBody { id: one, body: moved.clone() }).await.expect("applied");
    let note = a.need(one).await.expect("there");
    assert_eq!(a.open(Note::body, one, &note.body), Err(OpenError::Tampered));
    assert_eq!(a.open(Note::body, other, &moved).expect("where it belongs"), "pay eve 1000");
    // Another column of the same row.
    let sealed = a.seal(Note::labels, one, &vec!["x".to_owned()]).await.expect("sealed");
    let as_body = Sealed::<String>::from_envelope(sealed.envelope().clone());
    assert_eq!(a.open(Note::body, one, &as_body), Err(OpenError::Tampered));
}

#[test]
fn a_sealer_needs_no_client() {
    let keys = keys(&["k"]);
    let (mut nonces, mut ledger) = (Nonces::new(), MemoryLedger::default());
    let mut sealer = Sealer { keyring: &*keys, nonces: &mut nonces, ledger: &mut ledger, entropy: &mut OsEntropy };
    let id = Id::<Note>::from_u128(1);
    let sealed = sealer.seal_for(Note::body, id, "text").expect("sealed");
    assert_eq!(sealed.open(&*keys, Note::body, id).expect("opens"), "text");
    let args = PlainEditBody { id, body: "more".into() }.seal(&mut sealer).expect("sealed");
    assert_eq!(args.body.open(&*keys, Note::body, id).expect("opens"), "more");
    // Two envelopes of one value are different, and both say what they are.
    let again = sealer.seal_for(Note::body, id, "text").expect("sealed");
    assert_ne!(sealed, again);
    assert_eq!(format!("{again:?}"), "Sealed(key `k`, 22 bytes)");
    let json = serde_json::to_string(&again).expect("an envelope");
    assert_eq!(serde_json::from_str::<Sealed<String>>(&json).expect("an envelope"), again);
    assert!(serde_json::from_str::<Sealed<String>>("\"text\"").is_err());
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn equal_texts_are_found_by_their_index(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let ring = keys(&["k"]);
    let dek = plasma::crypto::Keyring::key(&*ring, &key("k")).expect("held");
    let (a, b) = (server.client("alice", &ring).await, server.client("bob", &ring).await);
    let index = |text: &str| BlindIndex::of(&dek, Note::email, text);
    for (text, email) in [("1", "ada@example.com"), ("2", "Bob@example.com"), ("3", " bob@EXAMPLE.com ")] {
        let note = PlainAddNote { email: Some(index(email)), ..plain(a.new_id(), text) };
        a.mutate(note).await.expect("applied");
    }
    sync(&a).await;
    sync(&b).await;
    let of_bob = Note::select().filter(Note::email.eq(index("bob@example.com")));
    let mut found = Vec::new();
    for note in b.all(of_bob.clone()).await.expect("readable") {
        found.push(b.open(Note::body, note.id, &note.body).expect("opens"));
    }
    found.sort();
    assert_eq!(found, ["2", "3"]);
    assert_eq!(b.live(of_bob).rows().len(), 2);
    assert_eq!(b.count(Note::select().filter(Note::email.eq(index("eve@example.com")))).await.expect("readable"), 0);
}

#[tokio::test]
async fn a_store_counts_what_it_seals_with_each_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["k", "other"]);
    let counts = || {
        let mut store = SqliteConnection::open(&file, Default::default()).expect("a database");
        let sql = "SELECT key || '=' || value FROM _plasma_meta WHERE key GLOB 'sealed_with:*' ORDER BY key";
        let rows = store.query(sql, &[], &[Kind::Text]).expect("readable");
        rows.into_iter().flatten().map(|text| text.as_text().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let a = server.open("alice", "alice", SqliteStore::open(&file), Some(ring.clone())).await;
    let id = a.new_id();
    a.mutate(plain(id, "1")).await.expect("applied");
    for _ in 0..30 {
        a.seal(Note::body, id, "2").await.expect("sealed");
    }
    // Counted by blocks, ahead of what is sealed.
    assert_eq!(counts(), ["sealed_with:k=1024"]);
    a.mutate(PlainEditWith { id, key: key("other"), body: "3".into() }).await.expect("applied");
    assert_eq!(counts(), ["sealed_with:k=1024", "sealed_with:other=1024"]);
    a.close().await;
    let a = server.open("alice", "alice", SqliteStore::open(&file), Some(ring.clone())).await;
    a.seal(Note::body, id, "4").await.expect("sealed");
    a.reset_local_state().await.expect("reset");
    assert_eq!(counts(), ["sealed_with:k=2048", "sealed_with:other=1024"], "a key is not fresh because a store is");
    // A key that has sealed its 2^28 values seals no more here.
    let full = format!("UPDATE _plasma_meta SET value = '{}' WHERE key = 'sealed_with:k'", 1 << 28);
    a.close().await;
    SqliteConnection::open(&file, Default::default()).expect("a database").batch(&full).expect("written");
    let a = server.open("alice", "alice", SqliteStore::open(&file), Some(ring)).await;
    let used_up = a.seal(Note::body, id, "5").await.expect_err("used up");
    assert_eq!(used_up.kind(), ErrorKind::Encryption);
}
