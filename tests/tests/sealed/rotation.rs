//! A key is replaced while others go on writing.

use plasma::ErrorKind;
use plasma::client::OutcomeStatus;
use plasma::crypto::Keyring;
use plasma::crypto::SealScope;

use super::*;

/// Notes of this client: sealed with `old`, known to the server.
async fn filled(client: &Client<App>, count: usize) -> Vec<Id<Note>> {
    let mut ids = Vec::new();
    for n in 0..count {
        let id = client.new_id();
        let labels = (n % 3 == 0).then(|| vec![format!("label {n}")]);
        client.mutate(PlainAddNote { labels, ..plain(id, &format!("note {n}")) }).await.expect("applied");
        ids.push(id);
    }
    sync(client).await;
    ids
}

/// The bodies that a keyring reads.
async fn bodies(client: &Client<App>, keys: &Keys) -> Vec<Option<String>> {
    let notes = client.all(Note::select().order_by(Note::id.asc())).await.expect("readable");
    notes.iter().map(|note| note.body.open(keys, Note::body, note.id).ok()).collect()
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn everything_is_sealed_anew_and_the_old_key_can_go(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let ring = keys(&["old", "new"]);
    let (a, b) = (server.client("alice", &ring).await, server.client("bob", &ring).await);
    filled(&a, 150).await;
    let before = bodies(&a, &ring).await;
    ring.make_current(&key("new")).expect("held");

    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    assert_eq!((progress.resealed, progress.refused, progress.unopened), (200, 0, 0));
    assert!(progress.pending > 0 && !progress.can_forget(), "the server has not heard of it: {progress:?}");
    assert_eq!(a.rotations().await.expect("readable"), std::slice::from_ref(&progress));
    sync(&a).await;
    assert_eq!(a.rotations().await.expect("readable"), [], "all of it is confirmed");
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("nothing to do");
    assert!(progress.can_forget(), "{progress:?}");

    sync(&b).await;
    let only_new = keys(&["new"]);
    assert_eq!(bodies(&a, &only_new).await, before);
    assert_eq!(bodies(&b, &only_new).await, before);
    let outcomes = a.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    assert_eq!(a.status().get().drift, None);
    // An application's own clock of a row does not move: nothing but the envelopes is another.
    assert_eq!(server.data.integers("SELECT count(*) FROM notes WHERE labels IS NOT NULL"), [50]);
}

#[tokio::test]
async fn a_row_that_was_changed_meanwhile_keeps_the_change() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let (a, phone) = (server.client("alice", &ring).await, server.client("alice", &ring).await);
    let ids = filled(&a, 3).await;
    sync(&phone).await;
    // The rotation has opened and sealed all three when an edit of the phone, under the old key, gets to the server.
    a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    phone.mutate(PlainEditBody { id: ids[1], body: "edited on the phone".into() }).await.expect("applied");
    sync(&phone).await;
    sync(&a).await;
    sync(&phone).await;
    for client in [&a, &phone] {
        assert_eq!(body(client, ids[1]).await, "edited on the phone");
        assert_eq!(client.need(ids[1]).await.expect("there").body.key_id(), &key("old"));
        assert_eq!(client.need(ids[0]).await.expect("there").body.key_id(), &key("new"));
    }
    // It is not forgotten, and done when it is asked for again.
    let left = a.rotations().await.expect("readable");
    assert_eq!((left.len(), left[0].left), (1, 1));
    a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    sync(&a).await;
    assert_eq!(a.rotations().await.expect("readable"), []);
    assert_eq!(body(&a, ids[1]).await, "edited on the phone");
}

#[tokio::test]
async fn what_an_offline_client_still_seals_with_the_old_key_is_found_when_it_comes() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let old_only = keys(&["old"]);
    let (a, away) = (server.client("alice", &ring).await, server.client("alice", &old_only).await);
    let ids = filled(&a, 2).await;
    sync(&away).await;
    let late = away.new_id();
    away.mutate(plain(late, "from far away")).await.expect("applied there");
    away.mutate(PlainEditBody { id: ids[0], body: "edited far away".into() }).await.expect("applied there");

    ring.make_current(&key("new")).expect("held");
    a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    sync(&a).await;
    assert_eq!(a.rotations().await.expect("readable"), [], "as far as this client can see");
    sync(&away).await;
    sync(&a).await;
    // The edit was made after what was re-sealed, and stands.
    assert_eq!(body(&a, ids[0]).await, "edited far away");
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    assert_eq!(progress.resealed, 5, "three before it came back, and two now");
    sync(&a).await;
    assert!(a.rotate_keys(&key("old"), &key("new")).await.expect("nothing to do").can_forget());
    assert!(bodies(&a, &keys(&["new"])).await.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_value_of_the_old_key_in_the_outbox_keeps_it() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let a = server.client("alice", &ring).await;
    let id = filled(&a, 1).await[0];
    a.mutate(PlainEditBody { id, body: "not sent yet".into() }).await.expect("applied");
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    // The edit, and the two mutations that took its value and the first one away.
    assert!(!progress.can_forget() && progress.pending >= 2, "{progress:?}");
    sync(&a).await;
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("nothing to do");
    assert!(progress.can_forget(), "{progress:?}");
    assert_eq!(body(&a, id).await, "not sent yet");
}

/// Should the server refuse the write that took the old value away, the old value is back.
#[tokio::test]
async fn a_value_that_a_pending_write_replaced_keeps_the_key() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let a = server.client("alice", &ring).await;
    let id = a.new_id();
    a.mutate(plain(id, "first")).await.expect("applied");
    sync(&a).await;
    ring.make_current(&key("new")).expect("held");
    a.mutate(PlainEditBody { id, body: "second".into() }).await.expect("applied");
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("nothing to do");
    assert_eq!((progress.resealed, progress.left, progress.pending, progress.can_forget()), (0, 1, 0, false));
    sync(&a).await;
    assert_eq!(a.rotations().await.expect("readable"), []);
}

#[tokio::test]
async fn a_mutation_that_was_refused_and_can_be_tried_again_keeps_the_key() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let bob = server.client("bob", &ring).await;
    let id = filled(&bob, 1).await[0];
    let a = server.open("alice", "bob", SqliteStore::in_memory(), Some(ring.clone())).await;
    sync(&a).await;
    a.mutate(PlainEditBody { id, body: "not hers".into() }).await.expect("applied here");
    sync(&a).await;
    bob.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    sync(&bob).await;
    sync(&a).await;
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("nothing to do");
    assert_eq!((progress.left, progress.pending, progress.can_forget()), (0, 1, false));
    let refused = a.outcomes().await.expect("readable").pop().expect("it ended");
    a.dismiss(refused.key).await.expect("forgotten");
    assert_eq!(a.rotations().await.expect("readable"), []);
}

#[tokio::test]
async fn rows_that_may_not_be_written_do_not_stand_in_the_way() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let (bob, a) = (server.client("bob", &ring).await, server.client("alice", &ring).await);
    let of_bob = filled(&bob, 2).await;
    let of_alice = filled(&a, 5).await;
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    assert_eq!((progress.resealed, progress.refused), (7, 3), "five bodies and two labels; two bodies and a label");
    sync(&a).await;
    let key_of = async |id: Id<Note>| a.need(id).await.expect("there").body.key_id().clone();
    for id in of_alice {
        assert_eq!(key_of(id).await, key("new"));
    }
    for id in of_bob {
        assert_eq!(key_of(id).await, key("old"));
    }
    let left = a.rotations().await.expect("readable");
    assert_eq!((left[0].left, left[0].can_forget()), (3, false));
    // Who may does the rest.
    sync(&bob).await;
    bob.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    sync(&bob).await;
    sync(&a).await;
    assert_eq!(a.rotations().await.expect("readable"), []);
}

#[tokio::test]
async fn what_the_server_refuses_is_tried_row_by_row_and_then_left() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let bob = server.client("bob", &ring).await;
    filled(&bob, 2).await;
    // A client that takes itself for bob: its own policy lets pass what the server's does not.
    let a = server.open("alice", "bob", SqliteStore::in_memory(), Some(ring.clone())).await;
    sync(&a).await;
    let rejected = async || {
        let outcomes = a.outcomes().await.expect("readable");
        outcomes.iter().filter(|outcome| outcome.status == OutcomeStatus::Rejected).count()
    };
    for (issued, refused, rejections) in [(1, 0, 1), (2, 0, 2), (0, 3, 2)] {
        let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
        assert_eq!((a.status().get().pending, progress.refused), (issued, refused));
        sync(&a).await;
        assert_eq!(rejected().await, rejections);
        assert_eq!(a.rotations().await.expect("readable")[0].left, 3);
    }
}

/// The server learns of the new key after the rotation was begun: what it refused until then is not left for ever.
#[tokio::test]
async fn what_was_refused_for_another_reason_than_the_policy_is_tried_again() {
    let allowed_key_ids = Some([key("old"), key("new")].into());
    let limits = EnvelopeLimits { allowed_key_ids, ..EnvelopeLimits::default() };
    let server = Server::with(Place::Sqlite, limits).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let a = server.client("alice", &ring).await;
    filled(&a, 2).await;
    *lock(&server.edit) = Some(Box::new(|push| {
        let other = push.to_string().replace(r#""keyId":"new""#, r#""keyId":"not yet""#);
        *push = serde_json::from_str(&other).expect("JSON");
    }));
    for issued in [1, 2, 2] {
        a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
        assert_eq!(a.status().get().pending, issued);
        sync(&a).await;
        assert_eq!(a.rotations().await.expect("readable")[0].left, 3);
    }
    *lock(&server.edit) = None;
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    assert_eq!(progress.refused, 0);
    sync(&a).await;
    assert_eq!(a.rotations().await.expect("readable"), []);
    let outcomes = a.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
}

/// Keys that stop to be there after so many questions for the new one.
struct Failing {
    keys: Arc<Keys>,
    left: Mutex<usize>,
}

impl Keyring for Failing {
    fn key(&self, id: &KeyId) -> Option<Dek> {
        if *id == key("new") {
            let mut left = lock(&self.left);
            *left = left.checked_sub(1)?;
        }
        self.keys.key(id)
    }

    fn current(&self, scope: SealScope<'_>) -> Option<KeyId> {
        self.keys.current(scope)
    }
}

#[tokio::test]
async fn a_rotation_goes_on_after_a_restart_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.db");
    let ring = keys(&["old", "new"]);
    // 90 rows are two batches; the keyring fails in the second.
    let failing = Arc::new(Failing { keys: ring.clone(), left: Mutex::new(usize::MAX) });
    let open = |failing: Arc<Failing>| {
        let store = SqliteStore::open(&file);
        async move {
            let builder = Client::<App>::builder(store).keyring(failing).group("alice");
            builder.ctx(Caller { user: "alice".into() }).open().await.expect("opens")
        }
    };
    let a = open(failing.clone()).await;
    for n in 0..90 {
        a.mutate(plain(a.new_id(), &format!("note {n}"))).await.expect("applied");
    }
    *lock(&failing.left) = 71;
    let stopped = a.rotate_keys(&key("old"), &key("new")).await.expect_err("the key is gone");
    assert_eq!(stopped.kind(), ErrorKind::Encryption);
    a.close().await;

    let a = open(Arc::new(Failing { keys: ring.clone(), left: Mutex::new(usize::MAX) })).await;
    let begun = a.rotations().await.expect("readable");
    assert_eq!((begun.len(), begun[0].resealed), (1, 64));
    let (old, new) = (begun[0].old.clone(), begun[0].new.clone());
    let progress = a.rotate_keys(&old, &new).await.expect("rotated");
    assert_eq!(progress.resealed, 90, "each once");
    assert_eq!(a.outbox().await.expect("readable").iter().filter(|entry| entry.name == "plasma.reseal").count(), 2);
    assert!(bodies(&a, &keys(&["new"])).await.iter().all(Option::is_some));
}

#[tokio::test]
async fn a_rotation_needs_both_keys_and_leaves_what_does_not_open() {
    let server = Server::new(Place::Sqlite).await.expect("always there");
    let ring = keys(&["old", "new"]);
    let a = server.client("alice", &ring).await;
    let ids = filled(&a, 2).await;
    assert_eq!(a.rotate_keys(&key("old"), &key("gone")).await.expect_err("no key").kind(), ErrorKind::Encryption);
    assert_eq!(a.rotate_keys(&key("old"), &key("old")).await.expect_err("one key").kind(), ErrorKind::Config);
    // An envelope that was moved here does not open, and is not made to look as if it belonged here.
    let moved = a.need(ids[0]).await.expect("there").body;
    a.mutate(EditBody { id: ids[1], body: moved.clone() }).await.expect("applied");
    sync(&a).await;
    let progress = a.reseal::<Note>(&key("old"), &key("new")).await.expect("rotated");
    assert_eq!((progress.unopened, progress.resealed), (1, 2));
    assert_eq!(a.need(ids[1]).await.expect("there").body, moved);
    sync(&a).await;
    let left = a.rotations().await.expect("readable");
    assert_eq!((left[0].left, left[0].pending), (1, 0));
}
