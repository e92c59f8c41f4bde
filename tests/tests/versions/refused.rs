//! What does not fit: versions, and single mutations.

use plasma::client::{OnMismatch, OutcomeStatus, Stuck};
use plasma::schema::Schema;
use serde_json::json;

use super::{Fleet, Version, id, known, list, retitle, sync, task, v1, v3, v4};
use crate::place::Place;

/// An incompatible server is told apart with every reason; the client keeps its work, and its rows unless it is told to
/// drop them, and goes on once it is updated.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_version_that_is_no_ancestor_waits_for_its_update(place: Place) {
    for on_mismatch in [OnMismatch::Stay, OnMismatch::Reset] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let Some(old) = Fleet::new::<v3::App>(place).await else { return };
        let one = old.open::<v1::App>("ann", &path).await;
        list(&one, 1).await;
        task(&one, 11, "a", 5).await;
        sync(&one).await;
        task(&one, 12, "queued", 7).await;
        one.close().await;

        let Some(fleet) = Fleet::new::<v4::App>(place).await else { return };
        fleet.data.sql(&format!("INSERT INTO lists (id, name, owner) VALUES ('{}', 'list 1', 'ann')", id(1)));
        let one = fleet.open_with::<v1::App>("ann", &path, |builder| builder.schema_mismatch(on_mismatch)).await;
        for _ in 0..3 {
            assert!(one.pull_once().await.is_err());
            assert!(one.flush().await.is_err());
        }
        let refusal = fleet.refusals().remove(0);
        assert_eq!(
            (&refusal["error"], &refusal["expected"], &refusal["got"]),
            (&json!("schema-mismatch"), &json!(v4::App::DEF.fingerprint_hex()), &json!(v1::App::DEF.fingerprint_hex()))
        );
        let message = refusal["message"].as_str().expect("a text");
        assert!(message.contains("version \"1\" is no compatible ancestor: `tasks.minutes`: removed"), "{message}");
        assert!(matches!(one.status().get().stuck, Some(Stuck::SchemaMismatch { .. })));
        let shown = match on_mismatch {
            OnMismatch::Stay => vec![known("a", 5), known("queued", 7)],
            OnMismatch::Reset => vec![known("queued", 7)],
        };
        assert_eq!(v1::App::tasks(&one).await, shown);
        assert_eq!(one.outbox().await.expect("readable").len(), 1);
        one.close().await;

        let four = fleet.open::<v4::App>("ann", &path).await;
        sync(&four).await;
        assert_eq!(v4::App::tasks(&four).await, [known("queued", 7)]);
        assert_eq!(four.outbox().await.expect("readable"), []);
    }
}

/// Arguments that cannot be made today's are refused alone, be it because the upgrade says so or because what it makes
/// cannot be read.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn one_mutation_is_refused_and_the_others_run(place: Place) {
    let Some(fleet) = Fleet::new::<v3::App>(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for updated in [false, true] {
        let user = if updated { "ann" } else { "bob" };
        let path = folder.path().join(user);
        let n = if updated { 1 } else { 2 };
        let one = fleet.open::<v1::App>(user, &path).await;
        list(&one, n).await;
        for (number, title, minutes) in [(11, "a", 5), (12, "never", -1), (13, "too long", 2_000_000_000), (14, "b", 6)]
        {
            let args = v1::App::add_task(&id(number + 100 * n), &id(n), title, minutes);
            one.mutate_named("tasks.add_task", &args).await.expect("fine, as this version sees");
        }
        retitle(&one, 14 + 100 * n, "c").await;
        one.close().await;
        let codes = |outcomes: Vec<plasma::client::Outcome>| -> Vec<_> {
            let rejected = outcomes.into_iter().filter(|outcome| outcome.status == OutcomeStatus::Rejected);
            rejected.map(|outcome| outcome.error.expect("why").code).collect()
        };
        let (codes, tasks) = if updated {
            let three = fleet.open::<v3::App>(user, &path).await;
            sync(&three).await;
            assert_eq!(three.outbox().await.expect("readable"), []);
            (codes(three.outcomes().await.expect("readable")), v3::App::tasks(&three).await)
        } else {
            let one = fleet.open::<v1::App>(user, &path).await;
            sync(&one).await;
            assert_eq!(one.outbox().await.expect("readable"), []);
            (codes(one.outcomes().await.expect("readable")), v1::App::tasks(&one).await)
        };
        assert_eq!(codes, ["no-time", "invalid-args"]);
        assert_eq!(tasks, [known("a", 5), known("c", 6)]);
    }
}
