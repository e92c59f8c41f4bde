//! Rows that two versions changed: a client of an earlier version says nothing about columns it does not know.

use serde_json::json;

use super::{Fleet, Version, id, known, list, retitle, sync, task, v1, v3};
use crate::place::Place;

/// The merge joins both titles whenever it is asked.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_column_the_client_does_not_know_is_no_conflict(place: Place) {
    let folder = tempfile::tempdir().expect("a folder");
    for updated in [false, true] {
        let Some(fleet) = Fleet::new::<v3::App>(place).await else { return };
        let path = folder.path().join(updated.to_string());
        let three = fleet.client::<v3::App>("ann").await;
        let one = fleet.open::<v1::App>("ann", &path).await;
        list(&three, 1).await;
        task(&three, 11, "a", 5).await;
        task(&three, 12, "b", 5).await;
        three.mutate_named("tasks.set_priority", &json!({ "id": id(11), "priority": 9 })).await.expect("applied");
        sync(&three).await;
        sync(&one).await;
        retitle(&one, 11, "of one").await;
        retitle(&one, 12, "of one").await;
        // Meanwhile a column that version 1 does not know is another, and a title that it knows.
        three.mutate_named("tasks.set_priority", &json!({ "id": id(11), "priority": 10 })).await.expect("applied");
        retitle(&three, 12, "of three").await;
        sync(&three).await;
        one.close().await;
        let merged = [known("of one", 5), known("of three & of one", 5)];
        if updated {
            let one = fleet.open::<v3::App>("ann", &path).await;
            sync(&one).await;
            assert_eq!(v3::App::tasks(&one).await, merged);
        } else {
            let one = fleet.open::<v1::App>("ann", &path).await;
            sync(&one).await;
            assert_eq!(v1::App::tasks(&one).await, merged);
        }
        sync(&three).await;
        assert_eq!(v3::App::tasks(&three).await, merged);
    }
}
