//! An application is updated: its store comes along, with everything that was under way.

use plasma::client::{Client, OutcomeStatus};
use plasma::prelude::*;
use plasma::schema::Schema;
use serde_json::{Value as Json, json};

use super::{Fleet, Version, id, known, list, retitle, sync, task, v1, v2, v3, v4};
use crate::place::Place;

fn clears(operations: &[Json]) -> Vec<&str> {
    let clears = operations.iter().filter(|op| op["op"] == "clear");
    clears.map(|op| op["table"].as_str().unwrap_or("everything")).collect()
}

/// A server of version 3 with one list and its task 11, of priority 9 and with a comment, and a tag.
async fn furnished(place: Place) -> Option<(std::sync::Arc<Fleet>, Client<v3::App>)> {
    let fleet = Fleet::new::<v3::App>(place).await?;
    let three = fleet.client::<v3::App>("ann").await;
    list(&three, 1).await;
    task(&three, 11, "a", 5).await;
    for (name, args) in [
        ("tasks.set_priority", json!({ "id": id(11), "priority": 9 })),
        ("tasks.add_tag", json!({ "id": id(31), "label": "red" })),
        ("tasks.add_comment", json!({ "id": id(41), "task_id": id(11), "text": "well" })),
    ] {
        three.mutate_named(name, &args).await.expect("applied");
    }
    sync(&three).await;
    Some((fleet, three))
}

async fn priorities(client: &Client<v3::App>) -> Vec<(String, i32)> {
    client
        .all(v3::Task::select().order_by(v3::Task::title.asc()).project((v3::Task::title, v3::Task::priority)))
        .await
        .expect("readable")
}

/// The update happens with work in the queue, some of it sent and not heard of.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn queued_work_is_carried_over_and_new_columns_are_fetched(place: Place) {
    let Some((fleet, three)) = furnished(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let one = fleet.open::<v1::App>("ann", &path).await;
    sync(&one).await;
    one.mutate_named("tasks.set_draft", &json!({ "id": id(51), "text": "remember" })).await.expect("applied");
    task(&one, 12, "sent", 7).await;
    fleet.answers(Some(0));
    assert!(one.flush().await.is_err(), "the server has it, the client does not know");
    task(&one, 13, "queued", 8).await;
    retitle(&one, 13, "queued again").await;
    retitle(&one, 11, "b").await;
    let queue = one.outbox().await.expect("readable");
    let client_id = one.client_id().await.expect("readable");
    one.close().await;
    fleet.answers(None);
    fleet.pages();

    let one = fleet.open::<v3::App>("ann", &path).await;
    let carried = one.outbox().await.expect("readable");
    let brief = |queue: &[plasma::client::QueuedMutation]| -> Vec<_> {
        queue
            .iter()
            .map(|queued| (queued.key, queued.id, queued.name.clone(), queued.args.clone(), queued.sent_ms))
            .collect()
    };
    assert_eq!(brief(&carried), brief(&queue), "nothing of the queue is rewritten");
    assert_eq!(one.client_id().await.expect("readable"), client_id);
    // Nothing was pulled yet: new columns have their defaults, and what is pending ran again with upgraded arguments.
    let made_up = [("b", 1), ("queued again", 1), ("sent", 1)].map(|(title, priority)| (title.to_owned(), priority));
    one.poke().await.expect("open");
    assert_eq!(priorities(&one).await, made_up);
    assert_eq!(v3::App::tasks(&one).await, [known("b", 5), known("queued again", 8), known("sent", 7)]);
    let drafts = one.all(v3::Draft::select()).await.expect("readable");
    assert_eq!(
        drafts.iter().map(|draft| (draft.text.as_str(), draft.pinned)).collect::<Vec<_>>(),
        [("remember", false)]
    );

    sync(&one).await;
    let operations = fleet.operations();
    assert_eq!(clears(&operations), ["comments", "tags", "tasks"], "what was never sent is stated, and nothing else");
    assert!(operations.iter().all(|op| op["table"] != "lists"), "{operations:?}");
    sync(&three).await;
    let fetched = [("b", 9), ("queued again", 1), ("sent", 1)].map(|(title, priority)| (title.to_owned(), priority));
    for client in [&one, &three] {
        assert_eq!(priorities(client).await, fetched);
        assert_eq!(v3::App::tasks(client).await, [known("b", 5), known("queued again", 8), known("sent", 7)]);
        assert_eq!(client.count(v3::Comment::select()).await.expect("readable"), 1);
        assert_eq!(client.count(v3::Tag::select()).await.expect("readable"), 1);
        let outcomes = client.outcomes().await.expect("readable");
        assert!(outcomes.iter().all(|outcome| outcome.status == OutcomeStatus::Applied), "{outcomes:?}");
        assert_eq!(client.status().get().drift, None);
        assert_eq!(client.outbox().await.expect("readable"), []);
    }
    // It is settled: nothing is stated again, not after another start either.
    one.close().await;
    let one = fleet.open::<v3::App>("ann", &path).await;
    fleet.pages();
    sync(&one).await;
    assert_eq!(fleet.operations(), [json!(null); 0]);
}

/// Client and server are updated together: the cookie is of before there was anything to leave out.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn the_server_is_updated_first_and_the_client_never_pulled_from_it(place: Place) {
    let Some(fleet) = Fleet::new::<v1::App>(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let one = fleet.open::<v1::App>("ann", &path).await;
    list(&one, 1).await;
    task(&one, 11, "a", 5).await;
    sync(&one).await;
    one.close().await;
    fleet.replace::<v2::App>().await;
    fleet.data.sql("UPDATE tasks SET note = 'by hand'");
    fleet.replace::<v3::App>().await;
    fleet.data.sql("UPDATE tasks SET priority = 4");
    fleet.pages();
    let one = fleet.open::<v3::App>("ann", &path).await;
    sync(&one).await;
    assert_eq!(clears(&fleet.operations()), ["comments", "tags", "tasks"]);
    let tasks = one.all(v3::Task::select()).await.expect("readable");
    assert_eq!((tasks[0].note.as_deref(), tasks[0].priority), (Some("by hand"), 4));
}

/// One version after the other, each with work of its own.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_store_goes_through_all_versions(place: Place) {
    let Some(fleet) = Fleet::new::<v1::App>(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let one = fleet.open::<v1::App>("ann", &path).await;
    list(&one, 1).await;
    task(&one, 11, "one", 1).await;
    one.close().await;
    // The client first, then the server.
    let two = fleet.open::<v2::App>("ann", &path).await;
    task(&two, 12, "two", 2).await;
    assert!(two.flush().await.is_err(), "the server is of version 1");
    two.close().await;
    let three = fleet.open::<v3::App>("ann", &path).await;
    task(&three, 13, "three", 3).await;
    retitle(&three, 11, "first").await;
    assert!(three.flush().await.is_err(), "still");
    fleet.replace::<v2::App>().await;
    fleet.replace::<v3::App>().await;
    sync(&three).await;
    let all = [known("first", 1), known("three", 3), known("two", 2)];
    assert_eq!(v3::App::tasks(&three).await, all);
    let fresh = fleet.client::<v1::App>("ann").await;
    sync(&fresh).await;
    assert_eq!(v1::App::tasks(&fresh).await, all);
}

/// A set of pages is interrupted by the update: its parts are of another version.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn an_update_in_the_middle_of_a_snapshot(place: Place) {
    let Some((fleet, three)) = furnished(place).await else { return };
    for n in 100..140 {
        task(&three, n, &format!("t{n}"), 1).await;
    }
    sync(&three).await;
    fleet.data.sql("UPDATE tasks SET priority = 6");
    for pages in 0..8 {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store.db");
        let small = plasma::client::EngineOptions { page_limit: 10, ..Default::default() };
        let one = fleet.open_with::<v1::App>("ann", &path, |builder| builder.engine_options(small).group("ann")).await;
        fleet.answers(Some(pages));
        let _ = one.pull_once().await;
        one.close().await;
        fleet.answers(None);
        let one = fleet.open::<v3::App>("ann", &path).await;
        sync(&one).await;
        let tasks = one.all(v3::Task::select()).await.expect("readable");
        assert_eq!(tasks.len(), 41, "after {pages} pages");
        assert!(tasks.iter().all(|task| task.priority == 6), "after {pages} pages");
        assert_eq!(one.count(v3::Comment::select()).await.expect("readable"), 1, "after {pages} pages");
    }
}

/// A set is never finished for a reader that knows more than the one it was begun for.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_set_of_pages_begins_anew_for_another_version(place: Place) {
    let Some((fleet, three)) = furnished(place).await else { return };
    for n in 100..110 {
        task(&three, n, &format!("t{n}"), 1).await;
    }
    sync(&three).await;
    let mut page = fleet.page::<v1::App>("ann", None, 4).await;
    assert_eq!(page["partial"], true);
    let mut held = std::collections::BTreeMap::new();
    for _ in 0..20 {
        let cookie = page["cookie"].as_str().expect("a cookie").to_owned();
        page = fleet.page::<v3::App>("ann", Some(&cookie), 4).await;
        for op in page["patch"].as_array().expect("a patch") {
            match op["op"].as_str() {
                Some("clear") => held.clear(),
                _ => drop(held.insert(op["id"].to_string(), op.clone())),
            }
        }
        if page["hasMore"] == false {
            break;
        }
    }
    let tasks: Vec<_> = held.values().filter(|op| op["table"] == "tasks").collect();
    assert_eq!(tasks.len(), 11);
    assert!(tasks.iter().all(|op| op["value"]["priority"].is_number()), "{tasks:?}");
    assert_eq!(held.len(), 11 + 3, "the list, the comment and the tag");
}

/// A version that shares less: the rows come anew, the work and what was only here stay.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn an_incompatible_update_keeps_the_work_and_the_local_rows(place: Place) {
    let Some(fleet) = Fleet::new::<v4::App>(place).await else { return };
    let four = fleet.client::<v4::App>("ann").await;
    list(&four, 1).await;
    task(&four, 11, "a", 5).await;
    sync(&four).await;
    let Some(old) = Fleet::new::<v3::App>(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let one = old.open::<v3::App>("ann", &path).await;
    list(&one, 1).await;
    sync(&one).await;
    task(&one, 12, "queued", 7).await;
    one.mutate_named("tasks.set_draft", &json!({ "id": id(51), "text": "remember" })).await.expect("applied");
    one.close().await;
    let reports = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = std::sync::Arc::clone(&reports);
    let one = fleet
        .open_with::<v4::App>("ann", &path, |builder| {
            builder.on_error(move |error| told.lock().expect("a lock").push(error.error.message().to_owned()))
        })
        .await;
    let expected = "columns of `drafts` are gone; its former rows are kept in `_plasma_kept_1_drafts`";
    one.poke().await.expect("open");
    assert_eq!(*reports.lock().expect("a lock"), [expected]);
    assert_eq!(v4::App::tasks(&one).await, [known("queued", 7)], "the queue runs again over what fits");
    assert_eq!(one.outbox().await.expect("readable").len(), 1);
    fleet.pages();
    // Another server's history: what this one never had is issued again.
    sync(&one).await;
    assert_eq!(clears(&fleet.operations())[0], "everything");
    assert_eq!(v4::App::tasks(&one).await, [known("a", 5), known("queued", 7)]);
    one.close().await;
    let db = rusqlite::Connection::open(&path).expect("the store");
    let text: String = db.query_row("SELECT text FROM _plasma_kept_1_drafts", [], |row| row.get(0)).expect("kept");
    assert_eq!(text, "remember");
}

/// Going back: an application of an earlier version leaves the store of a later one alone.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn an_earlier_application_does_not_touch_the_store(place: Place) {
    let Some(fleet) = Fleet::new::<v3::App>(place).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for migrated in [true, false] {
        let path = folder.path().join(format!("{migrated}.db"));
        if migrated {
            fleet.open::<v1::App>("ann", &path).await.close().await;
        }
        let three = fleet.open::<v3::App>("ann", &path).await;
        let (mine, drafted) = if migrated { (1, 51) } else { (2, 52) };
        list(&three, mine).await;
        three.mutate_named("tasks.set_draft", &json!({ "id": id(drafted), "text": "x" })).await.expect("applied");
        three
            .local(async |tx| {
                tx.update(Id::<v3::Draft>::from_uuid(uuid::Uuid::parse_str(&id(drafted)).expect("an id")))
                    .set(v3::Draft::pinned.to(true))
                    .await
            })
            .await
            .expect("applied");
        three.close().await;
        for (version, error) in [
            ("1", fleet.cannot_open::<v1::App>("ann", &path).await),
            ("2", fleet.cannot_open::<v2::App>("ann", &path).await),
        ] {
            assert_eq!(error, (plasma::ErrorKind::WrongStore, json!({ "expected": "3", "got": version })));
        }
        let three = fleet.open::<v3::App>("ann", &path).await;
        assert_eq!(three.outbox().await.expect("readable").len(), 1);
        let drafts = three.all(v3::Draft::select()).await.expect("readable");
        assert!(drafts[0].pinned);
        sync(&three).await;
    }
    let _ = v3::App::DEF;
}
