//! No room for the store: SQLite says that the disk is full when a page more than `max_page_count` is needed.

use serde_json::{Value as Json, json};

use super::support::{Client, LISTS, applied, id, put_list};
use crate::client::event::Event;
use crate::error::ErrorKind;
use crate::store::SqlConnection;
use crate::value::Kind;

/// From now on the store may have so many pages more than it has.
fn room(client: &mut Client, pages: i64) {
    let now = client.store.query("PRAGMA page_count", &[], &[Kind::BigInt]).unwrap()[0][0].as_int().unwrap();
    client.store.batch(&format!("PRAGMA max_page_count = {}", now + pages)).unwrap();
}

const ENOUGH: i64 = 100_000;

fn add(n: u32) -> Json {
    json!({ "id": id(n), "name": "x".repeat(3_000) })
}

#[test]
fn a_mutation_that_does_not_fit_leaves_no_trace_and_fits_later() {
    let mut client = Client::new();
    client.begin();
    room(&mut client, 8);
    let mut done = 0;
    let error = loop {
        match client.try_mutate("list.add", add(done + 1)) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
        assert!(done < 100, "it was never full");
    };
    assert!(done > 0);
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(!client.store.in_transaction());
    assert_eq!(client.rows(&LISTS).len(), done as usize);
    // It says so again, and the ids do not go on.
    assert_eq!(client.try_mutate("list.add", add(done + 1)).unwrap_err().kind(), ErrorKind::Storage);
    let mut client = client.restart();
    room(&mut client, ENOUGH);
    client.mutate("list.add", add(done + 1));
    assert_eq!(client.rows(&LISTS).len(), done as usize + 1);
    client.event(Event::PushNow);
    let mut ids = Vec::new();
    while client.sent.iter().any(super::support::Sent::is_push) {
        let push = client.take_push();
        ids.extend(push.ids());
        client.answer(&push, 200, applied(&push));
    }
    assert_eq!(ids, (1..=u64::from(done) + 1).collect::<Vec<_>>());
}

#[test]
fn a_page_that_does_not_fit_is_asked_for_again() {
    let mut client = Client::new();
    client.begin();
    client.mutate("list.add", json!({ "id": id(900), "name": "mine" }));
    let before = client.visible();
    let rows: Vec<Json> = (1..=40).map(|n| put_list(n, &"y".repeat(10_000))).collect();
    for partial in [true, false] {
        room(&mut client, 2);
        let mut page = client.page(rows.clone(), None, Vec::new());
        (page["partial"], page["hasMore"]) = (json!(partial), json!(partial));
        client.advance(60_000);
        let asked = client.request_pull();
        client.answer(&asked, 200, page.clone());
        if partial {
            // It is staged once the next page is asked for; that request is given up when it cannot be.
            client.wait();
            client.sent.retain(|sent| sent.is_push());
        }
        let reports = std::mem::take(&mut client.reports);
        assert!(!reports.is_empty());
        assert!(reports.iter().all(|report| *report == ("Storage".to_owned(), "storage".to_owned())), "{reports:?}");
        assert!(!client.store.in_transaction());
        assert_eq!(client.visible(), before, "nothing is half applied");
        room(&mut client, ENOUGH);
        // It asks again from where it was.
        client.event(Event::PullNow);
        while !client.sent.iter().any(|sent| !sent.is_push()) {
            client.wait();
        }
        let again = client.take_pull();
        assert_eq!(again.param("cookie"), asked.param("cookie"));
        client.answer(&again, 200, page);
        assert_eq!(client.reports, []);
        if partial {
            client.wait();
            assert_eq!(client.reports, []);
            assert_eq!(client.visible(), before, "a staged page shows nothing");
        }
    }
    assert_eq!(client.rows(&LISTS).len(), 41);
    let mut client = client.restart();
    assert_eq!(client.rows(&LISTS).len(), 41);
}
