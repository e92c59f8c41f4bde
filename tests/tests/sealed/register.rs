//! Registers of sealed values: the last write stands, and nobody between can read either.

use plasma::client::OutcomeStatus;

use super::*;

async fn title(client: &Client<App>, id: Id<Page>) -> String {
    let page = client.need(id).await.expect("there");
    client.open(Page::title, id, page.title.value()).expect("opens")
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn the_last_write_stands_sealed(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let ring = keys(&["old", "new"]);
    let (a, b) = (server.client("alice", &ring).await, server.client("bob", &ring).await);
    let id = a.new_id();
    a.mutate(PlainAddPage { id, title: "draft".into() }).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(title(&b, id).await, "draft");
    b.mutate(PlainRetitle { id, title: "from b".into() }).await.expect("applied");
    sync(&b).await;
    sync(&a).await;
    assert_eq!(title(&a, id).await, "from b");

    // Sealed anew, it is the same write: an edit that had seen it stands over it, whoever arrives first.
    b.mutate(PlainRetitle { id, title: "after all".into() }).await.expect("applied there");
    let progress = a.rotate_keys(&key("old"), &key("new")).await.expect("rotated");
    assert_eq!(progress.resealed, 1);
    sync(&a).await;
    assert_eq!(a.need(id).await.expect("there").title.value().key_id(), &key("new"));
    assert_eq!(title(&a, id).await, "from b");
    sync(&b).await;
    sync(&a).await;
    for client in [&a, &b] {
        assert_eq!(title(client, id).await, "after all");
        let outcomes = client.outcomes().await.expect("readable");
        assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    }
}

#[tokio::test]
async fn an_envelope_in_a_register_is_held_to_the_limits() {
    let limits = EnvelopeLimits { max_ciphertext_bytes: 100, ..EnvelopeLimits::default() };
    let server = Server::with(Place::Sqlite, limits).await.expect("always there");
    let a = server.client("alice", &keys(&["k"])).await;
    let id = a.new_id();
    a.mutate(PlainAddPage { id, title: "short".into() }).await.expect("applied");
    for mutation in [PlainRetitle { id, title: "x".repeat(200) }, PlainRetitle { id, title: "fits".into() }] {
        a.mutate(mutation).await.expect("applied here");
    }
    sync(&a).await;
    let outcomes = a.outcomes().await.expect("readable");
    let rejected: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.error.as_ref()).collect();
    assert_eq!(rejected.len(), 1, "{outcomes:?}");
    let data = rejected[0].data.as_ref().expect("what is wrong");
    assert_eq!((&*rejected[0].code, data["column"].as_str()), ("validation", Some("title")));
    assert_eq!(title(&a, id).await, "fits");
}
