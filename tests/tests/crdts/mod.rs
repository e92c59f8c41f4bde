//! Operations on CRDT columns between real clients and a real server, over both databases.

mod schema;

use std::sync::{Arc, Mutex, PoisonError};

use plasma::client::{Client, Headers, InProcess, OutcomeStatus, SqliteStore};
use plasma::crdt::CrdtKind;
use plasma::prelude::*;
use plasma::server::{Auth, ServerOptions};
use plasma::value::Kind;
use schema::*;
use serde_json::{Value as Json, json};

use crate::place::{Data, Place};

type Edit = Box<dyn Fn(&mut Json) + Send>;

struct Server {
    server: plasma::server::Server<App>,
    /// Changes each mutation on its way.
    edit: Mutex<Option<Edit>>,
    data: Data,
}

async fn authenticate(_: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    Ok(Auth::new("all", Caller))
}

impl Server {
    /// None where there is no such database.
    async fn new(place: Place, options: ServerOptions) -> Option<Arc<Self>> {
        let data = place.data()?;
        let builder = plasma::server::Server::<App>::builder(data.database()).auth(authenticate).options(options);
        let server = builder.open().await.expect("opens");
        Some(Arc::new(Server { server, edit: Mutex::default(), data }))
    }

    fn edit(&self, edit: impl Fn(&mut Json) + Send + 'static) {
        *self.edit.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(edit));
    }

    async fn client(self: &Arc<Self>) -> Client<App> {
        let server = Arc::clone(self);
        let transport = InProcess::new(move |mut request| {
            let server = Arc::clone(&server);
            async move {
                if request.path.ends_with("/push")
                    && let Some(edit) = &*server.edit.lock().unwrap_or_else(PoisonError::into_inner)
                {
                    let mut body: Json = serde_json::from_slice(&request.body).expect("JSON");
                    body["mutations"].as_array_mut().expect("an array").iter_mut().for_each(edit);
                    request.body = body.to_string().into();
                }
                Ok(server.server.respond(request).await)
            }
        });
        let builder = Client::<App>::builder(SqliteStore::in_memory()).transport(transport);
        let builder = builder.auth(|| async { Ok(Headers::bearer("all")) }).ctx(Caller);
        builder.group("all").open().await.expect("open")
    }

    /// Two clients that hold one poll.
    async fn two(self: &Arc<Self>) -> (Client<App>, Client<App>, Id<Poll>) {
        let (a, b) = (self.client().await, self.client().await);
        let id = a.new_id();
        a.mutate(Open { id, name: "poll".into() }).await.expect("applied");
        sync(&a).await;
        sync(&b).await;
        (a, b, id)
    }
}

async fn sync(client: &Client<App>) {
    client.flush().await.expect("the server answers");
    client.pull_once().await.expect("the server answers");
}

async fn poll(client: &Client<App>, id: Id<Poll>) -> Poll {
    client.get(id).await.expect("readable").expect("there")
}

fn tag(id: Id<Poll>, add: &[&str], remove: &[&str]) -> Tag {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Tag { id, add: texts(add), remove: texts(remove) }
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
async fn operations_of_two_clients_meet(place: Place) {
    let Some(server) = Server::new(place, ServerOptions::default()).await else { return };
    let (a, b, id) = server.two().await;
    assert_eq!(poll(&a, id).await, poll(&b, id).await);
    for client in [&a, &b] {
        client.mutate(LikeAll {}).await.expect("applied");
        client.mutate(Count { id: client.new_id(), name: "poll".into() }).await.expect("applied");
        client.mutate(Count { id: client.new_id(), name: "other".into() }).await.expect("applied");
    }
    // b removes the tag that a adds anew, unseen.
    a.mutate(tag(id, &["new", "x"], &[])).await.expect("applied");
    b.mutate(tag(id, &["y"], &["new"])).await.expect("applied");
    a.mutate(Say { id, status: "from a".into() }).await.expect("applied");
    b.mutate(Say { id, status: "from b".into() }).await.expect("applied");
    b.mutate(Say { id, status: "from b again".into() }).await.expect("applied");
    // The later writes arrive first.
    sync(&b).await;
    sync(&a).await;
    sync(&b).await;
    let (here, there) = (poll(&a, id).await, poll(&b, id).await);
    assert_eq!(here, there);
    assert_eq!((here.likes.value(), here.votes.value()), (3, 4));
    assert_eq!(here.tags.values(), ["new", "x", "y"]);
    assert_eq!(here.status.value(), "from b again");
    let other = a.all(Poll::select().filter(Poll::name.eq("other"))).await.expect("readable").remove(0);
    assert_eq!(other.votes.value(), 4, "two of the insert, and two of the one that met it");
    // Seen, it goes, and leaves nothing behind.
    b.mutate(tag(id, &[], &["new", "x", "y"])).await.expect("applied");
    sync(&b).await;
    sync(&a).await;
    assert_eq!(poll(&a, id).await.tags, OrSet::default());
    all_is_well(&a).await;
    all_is_well(&b).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn observations_of_another_form_reject_their_mutation_alone(place: Place) {
    for garbage in [json!(7), json!({ "polls": [] }), json!("tags"), json!(1)] {
        let Some(server) = Server::new(place, ServerOptions::default()).await else { return };
        let (a, _, id) = server.two().await;
        let (shape, text) = (garbage.clone(), id.to_string());
        server.edit(move |mutation| {
            if mutation["args"]["remove"] == json!(["new"]) {
                mutation["observed"] = match &shape {
                    // The form is right, and what an operation finds there is not.
                    Json::Number(n) if n.as_i64() == Some(1) => json!({ "polls": { &text: { "tags": [[1]] } } }),
                    shape => shape.clone(),
                };
            }
        });
        a.mutate(tag(id, &[], &["new"])).await.expect("applied here");
        a.mutate(tag(id, &["next"], &[])).await.expect("applied");
        sync(&a).await;
        let outcomes = a.outcomes().await.expect("readable");
        let rejected: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.error.as_ref()).collect();
        assert_eq!(rejected.iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), ["invalid-args"], "{garbage}");
        assert_eq!(poll(&a, id).await.tags.values(), ["new", "next"], "{garbage}");
    }
}

/// A client of before sends nothing: its removal takes what it finds. A server of before ignores it.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn clients_that_say_nothing_are_served(place: Place) {
    let Some(server) = Server::new(place, ServerOptions::default()).await else { return };
    let (a, b, id) = server.two().await;
    a.mutate(tag(id, &["new"], &[])).await.expect("applied");
    sync(&a).await;
    server.edit(|mutation| drop(mutation.as_object_mut().expect("an object").remove("observed")));
    b.mutate(tag(id, &[], &["new"])).await.expect("applied");
    b.mutate(Say { id, status: "b".into() }).await.expect("applied");
    sync(&b).await;
    assert_eq!(poll(&b, id).await.tags.values(), Vec::<String>::new());
    assert_eq!(poll(&b, id).await.status.value(), "b");
    all_is_well(&b).await;
}

/// A whole row that a mutator stores is a new row's beginning, held to the bound of the clock.
#[tokio::test]
async fn a_state_of_the_future_is_held_to_the_bound() {
    let server = Server::new(Place::Sqlite, ServerOptions::default()).await.expect("SQLite is here");
    let (a, _, id) = server.two().await;
    let before = poll(&a, id).await;
    let future = json!({ "value": "mine", "ts": 9_000_000_000_000_000_u64, "replica": "00000000000000ff" });
    let status = serde_json::from_value(future).expect("a register");
    a.mutate(Restore { id, likes: before.likes, tags: before.tags, status }).await.expect("applied");
    assert_eq!(poll(&a, id).await.status.written_at(), 9_000_000_000_000_000);
    sync(&a).await;
    let held = poll(&a, id).await.status;
    assert!(held.written_at() < 4_000_000_000_000, "a minute ahead of today: {}", held.written_at());
    assert_eq!(held.value(), "mine");
}

/// The states of a poll by the column's name.
const COLUMNS: [(&str, CrdtKind); 5] = [
    ("likes", CrdtKind::GCounter),
    ("votes", CrdtKind::PnCounter),
    ("status", CrdtKind::Lww(&Kind::Text)),
    ("tags", CrdtKind::OrSet(&Kind::Text)),
    ("places", CrdtKind::OrSet(&Kind::BigInt)),
];

fn states(server: &Server) -> Vec<String> {
    let one =
        |(name, _): (&str, _)| server.data.texts(&format!("SELECT {name} FROM polls WHERE name = 'poll'")).remove(0);
    COLUMNS.into_iter().map(one).collect()
}

/// Two servers whose clients wrote apart. Their rows are exchanged as another program would, and the triggers merge.
#[test_case::test_case(Place::Sqlite, Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Sqlite, Place::Postgres; "sqlite and postgres")]
#[tokio::test]
async fn two_regions_agree_whichever_way_they_are_merged(one: Place, other: Place) {
    let mut options = ServerOptions::default();
    options.keep_removed_tags = true;
    let (Some(west), Some(east)) = (Server::new(one, options.clone()).await, Server::new(other, options).await) else {
        return;
    };
    let (a, _, id) = west.two().await;
    let b = east.client().await;
    b.mutate(Open { id, name: "poll".into() }).await.expect("applied");
    sync(&b).await;
    let exchange = |from: &Server, to: &Server| {
        let set: Vec<String> = COLUMNS
            .iter()
            .zip(states(from))
            .map(|((name, _), state)| format!("{name} = '{}'", state.replace('\'', "''")))
            .collect();
        to.data.sql(&format!("UPDATE polls SET {} WHERE name = 'poll'", set.join(", ")));
    };
    exchange(&west, &east);
    exchange(&east, &west);
    sync(&a).await;
    sync(&b).await;
    assert_eq!(states(&west), states(&east));
    // Apart: removals on one side, the same values anew on the other.
    a.mutate(tag(id, &["west"], &["new"])).await.expect("applied");
    a.mutate(LikeAll {}).await.expect("applied");
    b.mutate(tag(id, &["new", "east"], &[])).await.expect("applied");
    b.mutate(Count { id: b.new_id(), name: "poll".into() }).await.expect("applied");
    a.mutate(Say { id, status: "west".into() }).await.expect("applied");
    b.mutate(Say { id, status: "east".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    let (here, there) = (states(&west), states(&east));
    let merge = |mine: &[String], theirs: &[String]| -> Vec<String> {
        let states = COLUMNS.iter().zip(mine.iter().zip(theirs));
        states.map(|((_, kind), (mine, theirs))| kind.merge(mine, theirs).expect("states")).collect()
    };
    assert_eq!(merge(&here, &there), merge(&there, &here));
    exchange(&west, &east);
    exchange(&east, &west);
    assert_eq!(states(&west), states(&east));
    assert_eq!(states(&west), merge(&here, &there));
    sync(&a).await;
    sync(&b).await;
    assert_eq!(poll(&a, id).await, poll(&b, id).await);
    // `new` was removed by one who had not seen that the other added it again.
    assert_eq!(poll(&a, id).await.tags.values(), ["east", "new", "west"]);
    assert_eq!(poll(&a, id).await.likes.value(), 3, "one of each opening, one more");
}
