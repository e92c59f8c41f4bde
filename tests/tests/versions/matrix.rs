//! Every version of the client with every version of the server.

use plasma::client::{Client, OnMismatch, OutcomeStatus, Stuck};
use plasma::schema::Schema;
use serde_json::json;

use super::{Fleet, Version, id, known, list, retitle, sync, task, v1, v2, v3};
use crate::place::Place;

/// Nothing was refused, and nobody is told that the other side did something else.
async fn all_is_well<S: Version>(client: &Client<S>) {
    let outcomes = client.outcomes().await.expect("readable");
    assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
    let status = client.status().get();
    assert_eq!(
        (status.drift, status.stuck.filter(|stuck| *stuck != Stuck::Stopped), status.unobserved),
        (None, None, 0)
    );
}

/// A client of version `C` and one of the server's own version `S` see each other's work.
async fn works<C: Version, S: Version>(place: Place) {
    let Some(fleet) = Fleet::new::<S>(place).await else { return };
    let (old, new) = (fleet.client::<C>("ann").await, fleet.client::<S>("ann").await);
    list(&old, 1).await;
    task(&old, 11, "a", 5).await;
    sync(&old).await;
    sync(&new).await;
    assert_eq!(S::tasks(&new).await, [known("a", 5)]);
    task(&new, 12, "b", 7).await;
    retitle(&new, 11, "a again").await;
    sync(&new).await;
    sync(&old).await;
    assert_eq!(C::tasks(&old).await, [known("a again", 5), known("b", 7)]);
    retitle(&old, 12, "b again").await;
    sync(&old).await;
    sync(&new).await;
    assert_eq!(C::tasks(&old).await, [known("a again", 5), known("b again", 7)]);
    assert_eq!(S::tasks(&new).await, C::tasks(&old).await);
    all_is_well(&old).await;
    all_is_well(&new).await;
    assert_eq!(fleet.refusals(), [json!(null); 0]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn an_old_client_works_with_a_new_server(place: Place) {
    works::<v1::App, v1::App>(place).await;
    works::<v1::App, v2::App>(place).await;
    works::<v1::App, v3::App>(place).await;
    works::<v2::App, v2::App>(place).await;
    works::<v2::App, v3::App>(place).await;
    works::<v3::App, v3::App>(place).await;
}

/// A client of version `C` keeps what it has and what it does until its server is of that version, too.
async fn waits<S: Version, C: Version>(place: Place, on_mismatch: OnMismatch) {
    let Some(fleet) = Fleet::new::<S>(place).await else { return };
    let file = tempfile::tempdir().expect("a folder");
    let path = file.path().join("store.db");
    // Rolled back, or not yet rolled out: the client has rows of a server of its own version.
    let client = fleet.open_with::<C>("ann", &path, |builder| builder.schema_mismatch(on_mismatch)).await;
    list(&client, 1).await;
    task(&client, 11, "a", 5).await;
    assert!(client.flush().await.is_err());
    fleet.join::<C>().await;
    fleet.only::<C>();
    sync(&client).await;
    fleet.only::<S>();
    task(&client, 12, "b", 7).await;
    for _ in 0..3 {
        assert!(client.pull_once().await.is_err());
        assert!(client.flush().await.is_err());
        assert_eq!(C::tasks(&client).await, [known("a", 5), known("b", 7)]);
    }
    let Some(Stuck::SchemaMismatch { expected, got }) = client.status().get().stuck else { panic!("it is told why") };
    assert_eq!((expected, got), (S::DEF.fingerprint_hex(), C::DEF.fingerprint_hex()));
    assert_eq!(client.outbox().await.expect("readable").len(), 1);
    fleet.only::<C>();
    fleet.pages();
    sync(&client).await;
    assert!(fleet.operations().iter().all(|op| op["op"] != "clear"), "it goes on where it was");
    assert_eq!(C::tasks(&client).await, [known("a", 5), known("b", 7)]);
    all_is_well(&client).await;
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_new_client_waits_for_a_new_server(place: Place) {
    for on_mismatch in [OnMismatch::Stay, OnMismatch::Reset] {
        waits::<v1::App, v2::App>(place, on_mismatch).await;
        waits::<v1::App, v3::App>(place, on_mismatch).await;
        waits::<v2::App, v3::App>(place, on_mismatch).await;
    }
}

/// What a version does not know is never sent to it: no column, no table, no change of these alone.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_client_is_sent_what_it_knows(place: Place) {
    let Some(fleet) = Fleet::new::<v3::App>(place).await else { return };
    let (one, three) = (fleet.client::<v1::App>("ann").await, fleet.client::<v3::App>("ann").await);
    list(&three, 1).await;
    task(&three, 11, "a", 5).await;
    for (name, args) in [
        ("tasks.set_priority", json!({ "id": id(11), "priority": 77 })),
        ("tasks.add_tag", json!({ "id": id(31), "label": "red" })),
        ("tasks.add_comment", json!({ "id": id(41), "task_id": id(11), "text": "well" })),
    ] {
        three.mutate_named(name, &args).await.expect("applied");
    }
    sync(&three).await;
    fleet.pages();
    // A snapshot.
    sync(&one).await;
    let row = json!({ "id": id(11), "list_id": id(1), "title": "a", "minutes": 5 });
    let put = |table: &str, value: serde_json::Value| json!({ "op": "put", "table": table, "id": value["id"], "value": value });
    let list = put("lists", json!({ "id": id(1), "name": "list 1", "owner": "ann" }));
    assert_eq!(fleet.operations(), [json!({ "op": "clear" }), list, put("tasks", row.clone())]);
    // Changes of what it does not know.
    three.mutate_named("tasks.set_priority", &json!({ "id": id(11), "priority": 78 })).await.expect("applied");
    three.mutate_named("tasks.add_tag", &json!({ "id": id(32), "label": "blue" })).await.expect("applied");
    sync(&three).await;
    fleet.pages();
    sync(&one).await;
    assert_eq!(fleet.operations(), [json!(null); 0]);
    // A difference, and a walk of a part of the rows by rows that are in the log.
    retitle(&three, 11, "b").await;
    sync(&three).await;
    fleet.pages();
    sync(&one).await;
    let mut retitled = row;
    retitled["title"] = json!("b");
    assert_eq!(fleet.operations(), [put("tasks", retitled)]);
    // Raw writes, and rows that come into sight and go out of it by a table of the policy.
    fleet.data.sql("UPDATE lists SET owner = 'bob'");
    sync(&one).await;
    assert_eq!(v1::App::tasks(&one).await, []);
    let gone =
        [json!({ "op": "del", "table": "lists", "id": id(1) }), json!({ "op": "del", "table": "tasks", "id": id(11) })];
    assert_eq!(fleet.operations(), gone);
    fleet.data.sql("UPDATE lists SET owner = 'ann'; UPDATE tasks SET priority = 1");
    sync(&one).await;
    assert_eq!(v1::App::tasks(&one).await, [known("b", 5)]);
    let text = fleet.operations().iter().map(ToString::to_string).collect::<String>();
    assert!(text.contains("minutes") && !text.contains("priority") && !text.contains("note"), "{text}");
}

#[test]
fn the_schema_says_whom_its_server_serves() {
    let served = |schema: plasma::schema::SchemaDef| {
        let ancestors = schema.ancestors();
        ancestors
            .into_iter()
            .map(|ancestor| ancestor.map(|lens| lens.version).map_err(|why| why.reasons))
            .collect::<Vec<_>>()
    };
    assert_eq!(served(v1::App::DEF), []);
    assert_eq!(served(v3::App::DEF), [Ok("1".to_owned()), Ok("2".to_owned())]);
    let gone = vec!["`tasks.minutes`: removed".to_owned()];
    assert_eq!(served(super::v4::App::DEF), [Err(gone.clone()), Err(gone.clone()), Err(gone)]);
}
