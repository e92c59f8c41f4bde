//! `resolve_conflict` between real clients and a real server: when it is called, with what, and what becomes of it.

mod hostile;
mod schema;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plasma::client::event::SendFailure;
use plasma::client::{Client, Headers, InProcess, OutcomeStatus, SqliteStore};
use plasma::prelude::*;
use plasma::protocol::WireRequest;
use plasma::server::Auth;
use schema::*;

use crate::place::{Data, Place};

type Edit = Box<dyn Fn(&mut serde_json::Value) + Send>;

/// A server in this process, and a hand on the pushes that go to it.
struct Server {
    server: plasma::server::Server<App>,
    /// Changes each mutation on its way.
    edit: Mutex<Option<Edit>>,
    /// The mutations that arrived.
    pushed: Mutex<Vec<serde_json::Value>>,
    /// Answers of pushes do not come back.
    deaf: Mutex<bool>,
    data: Data,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    let user = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user =
        user.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| plasma::Error::unauthorized("who?"))?;
    Ok(Auth::new(user, Caller { user: user.to_owned() }))
}

impl Server {
    /// None where there is no such database.
    async fn new(place: Place) -> Option<Arc<Self>> {
        let data = place.data()?;
        let server = plasma::server::Server::<App>::builder(data.database()).auth(authenticate).open().await;
        Some(Arc::new(Server {
            server: server.expect("opens"),
            edit: Mutex::default(),
            pushed: Mutex::default(),
            deaf: Mutex::default(),
            data,
        }))
    }

    fn sql(&self, sql: &str) {
        self.data.sql(sql);
    }

    fn edit(&self, edit: impl Fn(&mut serde_json::Value) + Send + 'static) {
        *lock(&self.edit) = Some(Box::new(edit));
    }

    fn pass(&self, request: &mut WireRequest) {
        if !request.path.ends_with("/push") {
            return;
        }
        assert!(request.body.len() <= 1 << 20, "a client knows what a push may hold: {}", request.body.len());
        let mut body: serde_json::Value = serde_json::from_slice(&request.body).expect("JSON");
        for mutation in body["mutations"].as_array_mut().expect("an array") {
            if let Some(edit) = &*lock(&self.edit) {
                edit(mutation);
            }
            lock(&self.pushed).push(mutation.clone());
        }
        request.body = body.to_string().into();
    }

    async fn client(self: &Arc<Self>, user: &'static str) -> Client<App> {
        self.client_over(user, SqliteStore::in_memory()).await
    }

    async fn client_over(self: &Arc<Self>, user: &'static str, store: SqliteStore) -> Client<App> {
        let server = Arc::clone(self);
        let transport = InProcess::new(move |mut request| {
            let server = Arc::clone(&server);
            async move {
                server.pass(&mut request);
                let push = request.path.ends_with("/push");
                let answer = server.server.respond(request).await;
                if push && *lock(&server.deaf) {
                    return Err(SendFailure::new("the answer is lost"));
                }
                Ok(answer)
            }
        });
        let builder =
            Client::<App>::builder(store).transport(transport).auth(move || async move { Ok(Headers::bearer(user)) });
        let builder = builder.ctx(Caller { user: user.to_owned() });
        builder.group(user).open().await.expect("open")
    }

    /// Two clients that hold one note.
    async fn two(self: &Arc<Self>, title: &str) -> (Client<App>, Client<App>, Id<Note>) {
        let (a, b) = (self.client("a").await, self.client("b").await);
        let id = a.new_id();
        a.mutate(AddNote { id, title: title.into() }).await.expect("applied");
        sync(&a).await;
        sync(&b).await;
        (a, b, id)
    }
}

async fn sync(client: &Client<App>) {
    client.flush().await.expect("the server answers");
    client.pull_once().await.expect("the server answers");
}

async fn note(client: &Client<App>, id: Id<Note>) -> Note {
    client.get(id).await.expect("readable").expect("there")
}

/// The title, and how often the row was merged.
async fn title(client: &Client<App>, id: Id<Note>) -> (String, i64) {
    let note = note(client, id).await;
    (note.title, note.merges)
}

fn is(title: &str, merges: i64) -> (String, i64) {
    (title.to_owned(), merges)
}

async fn rename(client: &Client<App>, id: Id<Note>, title: &str) {
    client.mutate(Rename { id, title: title.into() }).await.expect("applied");
}

/// Nobody lost a mutation, and no run is told to be another than the client's.
async fn all_is_well(client: &Client<App>) {
    let outcomes = client.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    assert_eq!(client.status().get().drift, None);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn two_edits_offline_are_merged_and_both_sides_show_it(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    rename(&a, id, "from a").await;
    a.mutate(SetTags { id, tags: vec!["x".into()] }).await.expect("applied");
    rename(&b, id, "from b").await;
    b.mutate(SetTags { id, tags: vec!["y".into()] }).await.expect("applied");
    assert_eq!(title(&b, id).await, is("from b", 0), "the client never merges");
    sync(&a).await;
    assert_eq!(title(&a, id).await, is("from a", 0), "a was first: nothing to merge");
    sync(&b).await;
    sync(&a).await;
    // Each of b's mutations met a row that b's user had not seen.
    assert_eq!(title(&b, id).await, is("from a & from b", 2));
    assert_eq!(note(&b, id).await.tags.0, ["x", "y"]);
    assert_eq!(note(&a, id).await, note(&b, id).await);
    all_is_well(&a).await;
    all_is_well(&b).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_row_that_is_as_it_was_seen_is_not_merged(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    for n in 0..3 {
        rename(&a, id, &format!("a{n}")).await;
    }
    sync(&a).await;
    sync(&b).await;
    rename(&b, id, "b").await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("b", 0));
    // Two that say the same are in no conflict.
    sync(&a).await;
    rename(&a, id, "same").await;
    sync(&a).await;
    rename(&b, id, "same").await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("same", 0));
    // JSON is compared by what it says, however the server writes it down.
    server.sql("UPDATE notes SET tags = '[ \"t\" ]'");
    sync(&b).await;
    rename(&b, id, "c").await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("c", 0));
}

/// The second edit was made over the first: that one is the client's own, and no other side.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_chain_of_edits_over_somebody_elses(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    rename(&b, id, "one").await;
    rename(&b, id, "two").await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("two", 0), "nobody else was there");
    rename(&a, id, "from a").await; // Over "draft".
    a.mutate(SetTags { id, tags: vec!["x".into()] }).await.expect("applied");
    rename(&a, id, "again from a").await;
    sync(&a).await;
    // draft -> from a meets two: joined. The tags meet another title than was seen: it stays. Then from a -> again from a
    // meets the joined title: joined once more, and nothing of b is lost.
    assert_eq!(title(&a, id).await, is("two & from a & again from a", 3));
    assert_eq!(note(&a, id).await.tags.0, ["x"]);
}

/// What came in between was never on the screen: the blind edit was made over the old title.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_rebase_in_between_does_not_change_what_the_user_saw(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (a, b) = (server.client("a").await, server.client_over("b", SqliteStore::open(folder.path().join("b"))).await);
    let id = a.new_id();
    a.mutate(AddNote { id, title: "draft".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    rename(&b, id, "from b").await;
    rename(&a, id, "from a").await;
    sync(&a).await;
    b.pull_once().await.expect("pulled");
    assert_eq!(title(&b, id).await, is("from b", 0), "replayed over a's");
    rename(&b, id, "b once more").await;
    // And a restart does not, either.
    drop(b);
    let b = server.client_over("b", SqliteStore::open(folder.path().join("b"))).await;
    sync(&b).await;
    // The second of b's edits was made over "from b", as the screen showed it.
    assert_eq!(title(&b, id).await, is("from a & from b & b once more", 2));
    all_is_well(&b).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_mutation_that_arrives_twice_is_merged_once(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    rename(&a, id, "from a").await;
    rename(&b, id, "from b").await;
    sync(&a).await;
    *lock(&server.deaf) = true;
    b.push_once().await.expect_err("the answer is lost");
    *lock(&server.deaf) = false;
    sync(&b).await;
    let mut of_b = lock(&server.pushed).clone();
    of_b.retain(|mutation| mutation["args"]["title"] == "from b");
    assert_eq!((of_b.len(), &of_b[0]), (2, &of_b[1]), "the very same twice");
    assert_eq!(title(&b, id).await, is("from a & from b", 1));
    all_is_well(&b).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn updates_by_condition_and_upserts_are_merged(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    let other = a.new_id();
    a.mutate(AddNote { id: other, title: "other".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    rename(&a, id, "from a").await;
    b.mutate(RenameAll { title: "all".into() }).await.expect("applied");
    let new = a.new_id();
    a.mutate(AddNote { id: new, title: "new".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("from a & all", 1));
    assert_eq!(title(&b, other).await, is("all", 0), "as it was seen");
    assert_eq!(title(&b, new).await, is("all", 0), "never seen, and never asked for: the condition decides");

    // An upsert that updates on both sides, and one that found nothing here.
    sync(&a).await;
    rename(&a, id, "again a").await;
    b.mutate(PutNote { id, title: "put".into() }).await.expect("applied");
    let same = a.new_id();
    a.mutate(PutNote { id: same, title: "first".into() }).await.expect("applied");
    b.mutate(PutNote { id: same, title: "second".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("again a & put", 2));
    assert_eq!(title(&b, same).await, is("first & second", 1), "without a base");
    all_is_well(&b).await;
}

/// What a mutator computes from the newer row has taken it into account: a merge finds both in `local`.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn computed_values_count_once(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    for client in [&a, &b] {
        client.mutate(Raise { id }).await.expect("applied");
        client.mutate(Append { id, text: "more".into() }).await.expect("applied");
    }
    sync(&a).await;
    sync(&b).await;
    let note = note(&b, id).await;
    assert_eq!(note.rank, 2);
    // `Append` read `draft more` and made `draft more more` of it, which the merge sees as two changes of the title.
    assert_eq!((note.title.as_str(), note.merges), ("draft more & draft more more", 2));
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn one_call_for_a_row_however_often_the_mutation_writes_it(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    rename(&a, id, "from a").await;
    let twice = RenameTwice { id, first: "one".into(), second: "two".into() };
    b.mutate(twice).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("from a & two", 1));
    // A row that the mutation made itself is nobody else's.
    rename(&a, id, "third").await;
    b.mutate(Replace { id, title: "replaced".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, is("replaced", 0));
    all_is_well(&b).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn an_edit_that_changed_nothing_here_takes_nothing_back_there(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    rename(&a, id, "from a").await;
    rename(&b, id, "draft").await; // As it stands there already.
    b.mutate(Audited { id }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    // `from a` was kept by the merge, and then overwritten by the server itself, which asks nobody.
    let before: Vec<_> =
        lock(&server.pushed).iter().filter_map(|mutation| mutation["bases"].as_object().cloned()).collect();
    assert_eq!(before.len(), 2, "of the renames: {before:?}");
    assert_eq!(title(&b, id).await, is("audited", 1));
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn what_the_merge_returns_is_what_is_stored(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let (a, b, id) = server.two("draft").await;
    for (local, expected) in [("#remote", is("from a", 0)), ("#local", is("#local", 0)), ("#id", is("from a & #id", 1))]
    {
        sync(&b).await;
        rename(&b, id, local).await;
        sync(&a).await;
        rename(&a, id, "from a").await;
        sync(&a).await;
        sync(&b).await;
        assert_eq!(title(&b, id).await, expected, "{local}");
    }
    assert_eq!(b.count(Note::select()).await.expect("readable"), 1, "the id is not the merge's to choose");
    all_is_well(&b).await;
}
