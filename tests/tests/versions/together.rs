//! Servers of two versions and clients of three, all at work at the same time, while an operator backfills a column.

use plasma::ErrorKind;
use plasma::client::{Client, OutcomeStatus};
use plasma::server::{Migrated, Step, migrations};
use serde_json::json;

use super::{Fleet, Known, Version, id, list, sync, task, v1, v2, v3};
use crate::place::Place;

const ROUNDS: u32 = 25;

/// What a device does: it adds tasks, changes its own and one that all change, and pushes and pulls, whatever comes back.
async fn work<S: Version>(client: Client<S>, first: u32) -> Client<S> {
    for round in 0..ROUNDS {
        let n = first + round;
        task(&client, n, &format!("t{n}"), i64::from(round)).await;
        for (n, title) in [(n - round / 2, format!("t{}", n - round / 2)), (10, format!("shared by {n}"))] {
            let changed = client.mutate_named(S::RETITLE, &json!({ "id": id(n), "title": title })).await;
            assert!(changed.is_ok() || changed.is_err_and(|error| error.kind() == ErrorKind::NotFound));
        }
        // One of the servers refuses what it does not know, and one may wait for the other.
        let (pushed, pulled) = tokio::join!(client.push_once(), client.pull_once());
        drop((pushed, pulled));
    }
    client
}

async fn settled<S: Version>(client: &Client<S>, all: &[Known], data: &str) {
    for _ in 0..2 {
        sync(client).await;
    }
    let shared = |known: &&Known| known.0.starts_with("shared");
    let tasks = S::tasks(client).await;
    assert_eq!(tasks.iter().filter(|known| !shared(known)).cloned().collect::<Vec<_>>(), all);
    assert_eq!(tasks.iter().find(shared).map(|known| known.0.as_str()), Some(data), "what was last is everybody's");
    let outcomes = client.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    assert_eq!(client.status().get().drift, None);
    assert_eq!(client.outbox().await.expect("readable"), []);
}

async fn backfill(place: Box<dyn plasma::server::Database>) -> Migrated {
    let fill = Step::backfill("tasks").set("priority", "7").only("priority = 1").batch(3);
    let mut migration = migrations::<v3::App>(place).step("priorities", fill);
    migration.run().await.expect("it waits where it has to")
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_where_all_versions_work_at_once(place: Place) {
    let Some(fleet) = Fleet::new::<v2::App>(place).await else { return };
    fleet.join::<v3::App>().await;
    let (one, two) = (fleet.client::<v1::App>("ann").await, fleet.client::<v2::App>("ann").await);
    let three = fleet.client::<v3::App>("ann").await;
    list(&one, 1).await;
    task(&one, 10, "shared", 1).await;
    sync(&one).await;
    sync(&two).await;
    sync(&three).await;
    let (one, two, three, filled) = {
        let one = tokio::spawn(work(one, 1_000));
        let two = tokio::spawn(work(two, 2_000));
        let three = tokio::spawn(work(three, 3_000));
        let filled = tokio::spawn(backfill(fleet.data.database()));
        tokio::join!(one, two, three, filled)
    };
    let (one, two, three) = (one.expect("no panic"), two.expect("no panic"), three.expect("no panic"));
    assert_eq!(filled.expect("no panic").steps, ["priorities"]);
    sync(&one).await;
    sync(&two).await;
    sync(&three).await;
    let mut all: Vec<Known> = Vec::new();
    for first in [1_000, 2_000, 3_000] {
        all.extend((0..ROUNDS).map(|round| (format!("t{}", first + round), i64::from(round))));
    }
    let shared = fleet.data.texts(&format!("SELECT title FROM tasks WHERE id = '{}'", id(10))).remove(0);
    settled(&one, &all, &shared).await;
    settled(&two, &all, &shared).await;
    settled(&three, &all, &shared).await;
    let rows = fleet.data.integers("SELECT count(*) FROM tasks");
    assert_eq!(rows, [3 * i64::from(ROUNDS) + 1], "nothing twice");
    let runs = fleet.data.integers("SELECT count(*) FROM _plasma_client_mutations WHERE last_mutation_id > 0");
    assert_eq!(runs, [3]);
    assert!(!fleet.refusals().is_empty(), "the client of version 3 met the server of version 2");
}
