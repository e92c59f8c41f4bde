//! A client and a server with one schema.

use plasma::client::{Client, OutcomeStatus};
use plasma::prelude::*;
use plasma::{Error, ErrorKind, FileRef};

use super::Server;
use super::schema::*;
use crate::place::Place;

async fn sync(client: &Client<App>) {
    client.flush().await.expect("the server answers");
    client.pull_once().await.expect("the server answers");
}

fn take(client: &Client<App>, number: Option<i32>, guest: &str) -> Take {
    Take { id: client.new_id(), hall: "A".into(), number, guest: guest.into() }
}

async fn guests(client: &Client<App>) -> Vec<Option<String>> {
    client.all(Seat::select().order_by(Seat::guest.asc()).project(Seat::guest)).await.expect("readable")
}

fn some(names: &[&str]) -> Vec<Option<String>> {
    names.iter().map(|name| Some((*name).to_owned())).collect()
}

/// How the last mutation of this client ended.
async fn last_outcome(client: &Client<App>) -> (OutcomeStatus, String, Option<serde_json::Value>) {
    let outcomes = client.outcomes().await.expect("readable");
    let last = outcomes.into_iter().last().expect("there is one");
    let error = last.error.expect("it was rejected");
    (last.status, error.code, error.data)
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_set_of_columns_is_unique_on_both_sides(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let (a, b) = (server.client("a").await, server.client("b").await);
    let ann = take(&a, Some(1), "ann");
    a.mutate(ann.clone()).await.expect("free");
    let taken = a.mutate(take(&a, Some(1), "al")).await.expect_err("taken, as this client sees");
    assert_eq!(taken.kind(), ErrorKind::Conflict);
    assert_eq!(taken.data().expect("what is in the way")["columns"], serde_json::json!(["hall", "number"]));
    // Another hall, and seats without a number as many as one likes.
    a.mutate(Take { hall: "B".into(), ..take(&a, Some(1), "bea") }).await.expect("free");
    a.mutate(take(&a, None, "cis")).await.expect("free");
    a.mutate(take(&a, None, "dan")).await.expect("free");

    // Both are offline; the first to arrive has the seat, the other client sees it before its own is judged. It has
    // pulled before, so that the new row comes as a small change, which runs nothing again that did not look at it.
    b.pull_once().await.expect("the server answers");
    b.mutate(take(&b, Some(1), "bob")).await.expect("free, as this client sees");
    sync(&a).await;
    b.pull_once().await.expect("the server answers");
    assert_eq!(guests(&b).await, some(&["ann", "bea", "cis", "dan"]), "the pending one fails over the new rows");
    // It looked at that seat: when the seat is free again, it runs again.
    for (number, guests_of_b) in
        [(7, some(&["ann", "bea", "bob", "cis", "dan"])), (1, some(&["ann", "bea", "cis", "dan"]))]
    {
        a.mutate(Change { id: ann.id, patch: SeatPatch { number: Some(Some(number)), ..Default::default() } })
            .await
            .expect("free");
        sync(&a).await;
        b.pull_once().await.expect("the server answers");
        assert_eq!(guests(&b).await, guests_of_b);
    }
    sync(&b).await;
    let (status, code, data) = last_outcome(&b).await;
    assert_eq!((status, code.as_str()), (OutcomeStatus::Rejected, "conflict"));
    assert_eq!(data.expect("what is in the way")["columns"], serde_json::json!(["hall", "number"]));
    assert_eq!(guests(&a).await, guests(&b).await);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn sets_of_values_change_places_in_one_pull(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let (a, b) = (server.client("a").await, server.client("b").await);
    let (ann, bob) = (take(&a, Some(1), "ann"), take(&a, Some(2), "bob"));
    a.mutate(ann.clone()).await.expect("free");
    a.mutate(bob.clone()).await.expect("free");
    sync(&a).await;
    b.pull_once().await.expect("the server answers");
    for (id, number) in [(ann.id, None), (bob.id, Some(1)), (ann.id, Some(2))] {
        let patch = SeatPatch { number: Some(number), ..Default::default() };
        a.mutate(Change { id, patch }).await.expect("free by now");
    }
    sync(&a).await;
    b.pull_once().await.expect("the server answers");
    let numbers = b.all(Seat::select().order_by(Seat::guest.asc()).project((Seat::guest, Seat::number))).await;
    assert_eq!(numbers.expect("readable"), [(Some("ann".into()), Some(2)), (Some("bob".into()), Some(1))]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[tokio::test]
async fn rows_that_raw_sql_replaces_by_a_unique_set_are_gone_everywhere(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let a = server.client("a").await;
    a.mutate(take(&a, Some(1), "ann")).await.expect("free");
    sync(&a).await;
    server.sql("REPLACE INTO seats VALUES ('00000000-0000-4000-8000-000000000001', 'A', 1, 'raw')");
    a.pull_once().await.expect("the server answers");
    assert_eq!(guests(&a).await, some(&["raw"]));
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_patch_changes_what_it_names(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let a = server.client("a").await;
    let seat = take(&a, Some(1), "ann");
    a.mutate(seat.clone()).await.expect("free");
    // As it comes over a wire: absent stays, null clears.
    let patch: SeatPatch = serde_json::from_str(r#"{"guest":null}"#).expect("a patch");
    a.mutate(Change { id: seat.id, patch }).await.expect("applied");
    sync(&a).await;
    let row = a.need(seat.id).await.expect("there");
    assert_eq!((row.number, row.guest), (Some(1), None));
    a.mutate(Change { id: seat.id, patch: SeatPatch::default() }).await.expect("changes nothing");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_check_holds_on_both_sides_and_for_every_row(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let a = server.client("a").await;
    let broken = |error: Error, rule: &str| {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Rejected, "check"), "{error}");
        assert_eq!(error.message(), format!("a row of `stock` breaks the rule `{rule}`"));
    };
    let deliver = |qty, wanted, limit| Deliver { id: a.new_id(), qty, wanted, limit };
    broken(a.mutate(deliver(-1, 0, None)).await.expect_err("negative"), "Stock::qty.gte(0)");
    broken(a.mutate(deliver(9, 0, Some(5))).await.expect_err("too many"), "Stock::qty.lte(Stock::limit_)");
    let (fits, lacks, bursts) = (deliver(3, 4, None), deliver(3, -4, None), deliver(3, 11, Some(10)));
    for new in [&fits, &lacks, &bursts] {
        a.mutate(new.clone()).await.expect("fits");
    }
    let fill = |id: Option<&Deliver>| Fill { id: id.map(|new| new.id), on_server: false, swallow: false };
    a.mutate(fill(Some(&fits))).await.expect("4 of any number");
    broken(a.mutate(fill(Some(&lacks))).await.expect_err("negative"), "Stock::qty.gte(0)");
    broken(a.mutate(fill(Some(&bursts))).await.expect_err("too many"), "Stock::qty.lte(Stock::limit_)");
    assert_eq!(a.mutate(fill(None)).await.expect_err("two of three").code(), "check");
    sync(&a).await;

    let on_server = |id: Option<&Deliver>, swallow| Fill { on_server: true, swallow, ..fill(id) };
    for (id, rule) in [
        (Some(&lacks), "Stock::qty.gte(0)"),
        (Some(&bursts), "Stock::qty.lte(Stock::limit_)"),
        (None, "Stock::qty.gte(0)"),
    ] {
        a.mutate(on_server(id, false)).await.expect("nothing to do here");
        sync(&a).await;
        let (status, code, data) = last_outcome(&a).await;
        assert_eq!((status, code.as_str()), (OutcomeStatus::Rejected, "check"));
        assert_eq!(data, Some(serde_json::json!({ "constraint": "check", "table": "stock", "check": rule })));
    }
    // A mutator that goes on after the refusal has changed none of the rows.
    a.mutate(on_server(None, true)).await.expect("nothing to do here");
    sync(&a).await;
    assert_eq!(server.integers("SELECT qty FROM stock ORDER BY qty"), [3, 3, 4]);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn now_is_the_time_of_the_mutation_in_every_run(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let a = server.client("a").await;
    let new = Deliver { id: a.new_id(), qty: 3, wanted: 3, limit: None };
    a.mutate(new.clone()).await.expect("fits");
    let first = a.need(new.id).await.expect("there");
    assert_eq!((first.created_at, first.day), (first.updated_at, None));
    std::thread::sleep(std::time::Duration::from_millis(3));
    sync(&a).await;
    assert_eq!(a.need(new.id).await.expect("there"), first, "the server stored the same");
    assert_eq!(server.integers("SELECT created_at FROM stock"), [first.created_at.micros()]);

    a.mutate(Touch { id: new.id, updated_at: None }).await.expect("applied");
    let second = a.need(new.id).await.expect("there");
    assert_eq!(second.created_at, first.created_at);
    assert!(second.updated_at > first.updated_at);
    assert_eq!(second.day, Some(second.updated_at.date(0).expect("a date")));
    sync(&a).await;
    assert_eq!(a.need(new.id).await.expect("there"), second);
    // A value of one's own is kept, and `update_where` counts as an update.
    let old = Timestamp::from_millis(5);
    a.mutate(Touch { id: new.id, updated_at: Some(old) }).await.expect("applied");
    assert_eq!(a.need(new.id).await.expect("there").updated_at, old);
    a.mutate(Fill { id: None, on_server: false, swallow: false }).await.expect("applied");
    assert!(a.need(new.id).await.expect("there").updated_at >= second.updated_at);

    // Rows of other programs have the time of the database.
    server.sql("INSERT INTO stock (id, qty, wanted) VALUES ('00000000-0000-4000-8000-000000000001', 1, 77)");
    let raw = server.integers(
        "SELECT created_at - (SELECT max(created_at) FROM stock WHERE wanted <> 77) FROM stock WHERE wanted = 77",
    );
    let apart = raw[0];
    assert!((0..60_000_000).contains(&apart), "{apart} µs");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn files_stay_within_the_limits_of_their_column(place: Place) {
    let Some(server) = Server::<App>::new(place).await else { return };
    let a = server.client("a").await;
    let image = |bytes: &[u8]| FileRef::of(bytes, "image/png").expect("a media type");
    let add = |scan| File { id: a.new_id(), scan, add: true, on_server: false };
    let large = a.mutate(add(Some(image(&[0; 1025])))).await.expect_err("too large");
    assert_eq!(large.kind(), ErrorKind::Validation);
    assert_eq!(large.message(), "`papers.scan` takes files of at most 1024 bytes, this one has 1025");
    assert_eq!(large.data().expect("which")["limit"], serde_json::json!({ "max_size": 1024, "size": 1025 }));
    let text = FileRef::of(b"x", "text/plain").expect("a media type");
    let other = a.mutate(add(Some(text))).await.expect_err("no image");
    assert_eq!(other.message(), "`papers.scan` takes files of type `image/*`, this one is `text/plain`");

    let paper = add(None);
    a.mutate(paper.clone()).await.expect("no file is within any limit; its seat need not exist");
    let put = |scan, on_server| File { id: paper.id, scan, add: false, on_server };
    a.mutate(put(Some(image(&[1; 1024])), false)).await.expect("the first");
    sync(&a).await;
    assert_eq!(a.status().get().pending, 0);
    for scan in [Some(image(&[2])), None] {
        let replaced = a.mutate(put(scan, false)).await.expect_err("it stays");
        assert_eq!(replaced.message(), "`papers.scan` is immutable: its file is never replaced");
    }
    a.mutate(put(Some(image(&[2])), true)).await.expect("nothing to do here");
    sync(&a).await;
    let (status, code, data) = last_outcome(&a).await;
    assert_eq!((status, code.as_str()), (OutcomeStatus::Rejected, "validation"));
    assert_eq!(data.expect("which")["column"], "scan");
}
