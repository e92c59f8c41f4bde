//! The server's database goes back to an older backup while devices are ahead of it. Nothing has to be done for it: who is
//! ahead is told so, what was lost is reported, what is queued goes up again, and all agree in the end.

use plasma::client::{OutcomeStatus, SqliteStore};

use super::*;

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn an_older_backup_costs_what_came_after_it_and_says_so(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let a = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let b = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    let sync = async |client: &Client<App>| {
        client.flush().await.expect("the server answers");
        client.pull_once().await.expect("the server answers");
    };
    let (kept, gone) = (add(&a, "kept"), add(&a, "edited later"));
    a.mutate(kept.clone()).await.expect("applied");
    a.mutate(gone.clone()).await.expect("applied");
    sync(&a).await;
    sync(&b).await;

    let Some(backup) = server.backup() else { return };
    // After the backup: two mutations that are acknowledged and seen by another device, and one that waits.
    a.mutate(EditNote { id: gone.id, text: "lost".into() }).await.expect("applied");
    let lost = add(&a, "lost too");
    a.mutate(lost.clone()).await.expect("applied");
    sync(&a).await;
    sync(&b).await;
    assert_eq!(texts(&b).await, ["kept", "lost", "lost too"]);
    a.mutate(add(&a, "queued")).await.expect("applied");

    server.restore(&backup).await;
    // Somebody else writes first: the log grows past where the devices stood.
    let c = client_of(&server, "carol", SqliteStore::in_memory()).open().await.expect("opened");
    for number in 0..20 {
        c.mutate(add(&c, &format!("new {number:02}"))).await.expect("applied");
    }
    sync(&c).await;
    for client in [&b, &a, &b, &c] {
        // A device that finds its history gone may have to begin anew before it can send.
        let _ = client.flush().await;
        client.pull_once().await.expect("the server answers");
        sync(client).await;
    }
    let (of_a, of_b, of_c) = (texts(&a).await, texts(&b).await, texts(&c).await);
    assert_eq!((&of_a, &of_b), (&of_b, &of_c), "all agree");
    assert!(of_a.contains(&"kept".to_owned()) && of_a.contains(&"queued".to_owned()), "{of_a:?}");
    assert!(!of_a.iter().any(|text| text.starts_with("lost")), "{of_a:?}");
    assert!(of_a.contains(&"edited later".to_owned()), "as of the backup: {of_a:?}");
    let outcomes = a.outcomes().await.expect("readable");
    let lost = outcomes.iter().filter(|outcome| outcome.status == OutcomeStatus::LostByServer).count();
    assert_eq!(lost, 2, "what was acknowledged and is gone is reported: {outcomes:?}");
    assert_eq!(a.status().get().pending, 0);
    // Life goes on.
    b.mutate(EditNote { id: kept.id, text: "kept on".into() }).await.expect("applied");
    sync(&b).await;
    sync(&a).await;
    assert!(texts(&a).await.contains(&"kept on".to_owned()));
}
