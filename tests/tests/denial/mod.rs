//! Why a caller may not: the parts of a rule that do not hold, told by the server.

use plasma::client::{Client, Headers};
use plasma::server::{Access, Auth, Reason, Server};

use crate::place::Place;
use crate::sim::schema::{App, Caller, CreateList, List, Share, ShareList, Step, Todo};

fn caller(user: &str) -> Caller {
    Caller { user: user.to_owned() }
}

async fn authenticate(_: &http::request::Parts) -> plasma::Result<Auth<Caller>> {
    Ok(Auth::new("alice", caller("alice")))
}

/// A server with a list of Alice's that Bob may see.
async fn server(place: Place) -> Option<(Server<App>, List, Client<App>)> {
    let data = place.data()?;
    let server = Server::<App>::builder(data.database()).auth(authenticate).open().await.expect("opens");
    // The database lives as long as the test.
    std::mem::forget(data);
    let client = Client::<App>::builder(plasma::client::SqliteStore::in_memory())
        .transport(server.transport())
        .auth(|| async { Ok(Headers::bearer("x")) })
        .ctx(caller("alice"))
        .group("alice")
        .open()
        .await
        .expect("opens");
    let id = client.new_id();
    let step = || Step { id: client.new_id(), after: None };
    client.mutate(CreateList { step: step(), id, name: "garden".to_owned() }).await.expect("applied");
    let share = ShareList { step: step(), id: client.new_id(), list_id: id, user: "bob".to_owned() };
    client.mutate(share).await.expect("applied");
    client.flush().await.expect("the server answers");
    let list = List { id, name: "garden".to_owned(), owner: "alice".to_owned(), tally: 0 };
    Some((server, list, client))
}

fn todo(client: &Client<App>, list: &List) -> Todo {
    Todo {
        id: client.new_id(),
        list_id: list.id,
        title: "weed".to_owned(),
        done: false,
        slug: None,
        created_at: plasma::Timestamp::from_millis(0),
    }
}

async fn tells(place: Place) {
    let Some((server, list, client)) = server(place).await else { return };
    // What is allowed has no reason against it: by a column, by a row of another table, by a row of a row.
    for (user, access) in
        [("alice", Access::Read), ("alice", Access::Delete), ("bob", Access::Read), ("bob", Access::Update)]
    {
        assert_eq!(
            server.why_denied(&caller(user), access, list.clone()).await.expect("judged"),
            None,
            "{user} {access}"
        );
    }
    let written = todo(&client, &list);
    assert_eq!(server.why_denied(&caller("bob"), Access::Insert, written.clone()).await.expect("judged"), None);

    // One condition of one column.
    let denial =
        server.why_denied(&caller("bob"), Access::Delete, list.clone()).await.expect("judged").expect("denied");
    assert_eq!((denial.table, denial.access, denial.row.clone()), ("lists", Access::Delete, list.id.to_string()));
    assert_eq!(denial.reasons, [Reason::Condition("\"lists\".\"owner\" = 'bob'".to_owned())]);

    // Alternatives: each says what it lacks.
    let denial =
        server.why_denied(&caller("carol"), Access::Read, list.clone()).await.expect("judged").expect("denied");
    let [Reason::NoneOf(alternatives)] = &denial.reasons[..] else { panic!("{denial:?}") };
    assert_eq!(alternatives.len(), 2, "{denial}");
    let text = denial.to_string();
    assert!(text.starts_with(&format!("the policy of `lists` does not let the caller read {}:", list.id)), "{text}");
    assert!(text.contains("\"lists\".\"owner\" = 'carol'") && text.contains("\"shares\""), "{text}");

    // A row that is not stored, of a list that nobody has.
    let nowhere = List { id: client.new_id(), ..list.clone() };
    let denial = server.why_denied(&caller("alice"), Access::Insert, todo(&client, &nowhere)).await.expect("judged");
    assert!(denial.expect("denied").to_string().contains("EXISTS"), "it names the row that is asked for");

    // No rule at all: shares are never updated.
    let share = Share { id: client.new_id(), list_id: list.id, user: "bob".to_owned() };
    let denial = server.why_denied(&caller("alice"), Access::Update, share).await.expect("judged").expect("denied");
    assert_eq!(denial.reasons, [Reason::Nobody]);
    client.close().await;
}

#[tokio::test]
async fn the_parts_that_do_not_hold_are_told_on_sqlite() {
    tells(Place::Sqlite).await;
}

#[tokio::test]
async fn the_parts_that_do_not_hold_are_told_on_postgres() {
    tells(Place::Postgres).await;
}
