//! A cell opens where it was sealed, and nowhere else.

use serde_json::json;

use super::super::support::*;
use crate::error::ErrorKind;
use crate::query::ir::Query;
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Value};

/// The cells of a column as they lie in the file, in order of id.
pub(super) fn raw(store: &mut SqliteConnection, table: &str, column: &str) -> Vec<Vec<u8>> {
    let sql = format!("SELECT {column} FROM main.{table}");
    let rows = store.query(&sql, &[], &[Kind::Blob]).unwrap();
    let cells = rows.into_iter().flatten().map(|cell| match cell {
        Value::Blob(cell) => cell,
        other => panic!("`{table}.{column}` holds {other:?} in clear"),
    });
    cells.collect()
}

fn put_raw(client: &mut Client, table: &str, column: &str, row: u32, cell: Vec<u8>) {
    let sql = format!("UPDATE main.{table} SET {column} = ?1 WHERE id = ?2");
    assert_eq!(client.store.execute(&sql, &[Value::Blob(cell), id(row).into()]).unwrap(), 1);
}

fn two_lists() -> Client {
    let mut client = Client::with(sealed_options(1));
    client.begin();
    client.pull(vec![put_list(1, "one"), put_list(2, "two"), put_todo(11, 1, "todo", None)], None);
    client
}

#[test]
fn a_cell_opens_where_it_was_sealed_and_nowhere_else() {
    let names = raw(&mut two_lists().store, "lists", "name");
    let title = raw(&mut two_lists().store, "todos", "title").remove(0);
    let other_file = raw(
        &mut {
            let mut client = Client::with(sealed_options(2));
            client.begin();
            client.pull(vec![put_list(1, "one")], None);
            client.store
        },
        "lists",
        "name",
    );
    let mut flipped = names[0].clone();
    flipped[20] ^= 1;
    let mut unknown = names[0].clone();
    unknown[0] = 2;
    let strangers = [
        ("another row", names[1].clone()),
        ("another table", title),
        ("another key", other_file[0].clone()),
        ("a bit", flipped),
        ("another format", unknown),
        ("cut", names[0][..20].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (what, cell) in strangers {
        let mut client = two_lists();
        put_raw(&mut client, "lists", "name", 1, cell);
        let error = crate::store::query::run(&mut client.store, &Query::all(&LISTS)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encryption, "{what}: {error}");
        assert_eq!(error.message(), "an encrypted value of `lists.name` is not what was sealed there", "{what}");
        // A mutator that reads it fails, and the store goes on.
        let error = client.try_mutate("list.unless", json!({ "id": id(1), "name": "x" })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Encryption, "{what}: {error}");
        client.mutate("list.add", json!({ "id": id(3), "name": "three" }));
        // The server's word heals it.
        client.store.execute("DELETE FROM main.lists WHERE id = ?", &[id(1).into()]).unwrap();
        assert_eq!(client.texts(&LISTS, "name"), ["two", "three"]);
    }
    // As it was sealed for that place, even in another store with this key.
    let mut client = two_lists();
    put_raw(&mut client, "lists", "name", 1, names[0].clone());
    assert_eq!(client.texts(&LISTS, "name"), ["one", "two"]);
}

#[test]
fn a_clear_value_is_never_taken_for_a_sealed_one() {
    let mut client = two_lists();
    let error = client.store.execute("UPDATE main.lists SET name = 'clear'", &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "the table is strict: {error}");
    client.mutate("list.add", json!({ "id": id(3), "name": "three" }));
    client.store.execute("UPDATE main._plasma_outbox SET args = '{}'", &[]).unwrap();
    assert_eq!(client.engine.outbox(&mut client.store).unwrap_err().kind(), ErrorKind::Encryption);
}

#[test]
fn every_cell_has_a_nonce_of_its_own_and_they_are_counted() {
    let mut client = Client::with(sealed_options(1));
    client.begin();
    let lists: Vec<_> = (0..3_000).map(|n| put_list(n, "same")).collect();
    client.pull(lists, None);
    let cells = raw(&mut client.store, "lists", "name");
    let nonces: std::collections::BTreeSet<&[u8]> = cells.iter().map(|cell| &cell[1..13]).collect();
    assert_eq!(nonces.len(), 3_000);
    let count = |client: &mut Client| {
        let sql = "SELECT value FROM _plasma_meta WHERE key = 'at_rest_count'";
        let rows = client.store.query(sql, &[], &[Kind::Text]).unwrap();
        rows[0][0].as_text().unwrap().parse::<u64>().unwrap()
    };
    let counted = count(&mut client);
    assert!((3_000..5_000).contains(&counted), "{counted}");
    // A restart goes on from there.
    let mut client = client.restart();
    client.mutate("list.add", json!({ "id": id(4_000), "name": "one more" }));
    assert!(count(&mut client) >= counted, "{counted}");
}

#[test]
fn a_first_sync_of_an_encrypted_store_comes_by_pages() {
    let beside = tempfile::tempdir().unwrap();
    let path = beside.path().join("app.db");
    let left = beside.path().join("app.db.image-1f");
    std::fs::write(&left, "rows in clear").unwrap();
    let store = SqliteConnection::open(&path, Default::default()).unwrap();
    let options = crate::client::EngineOptions { image: Some(path), ..sealed_options(1) };
    let mut client = Client::over(store, options).unwrap();
    assert!(!left.exists(), "an image of before lies there");
    let mut page = client.page(vec![json!({ "op": "clear" }), put_list(1, "one")], None, vec![]);
    page["partial"] = json!(true);
    page["hasMore"] = json!(true);
    page["image"] = json!(crate::protocol::IMAGE_FORMAT);
    let request = client.request_pull();
    client.answer(&request, 200, page);
    // A client that takes images would ask for one now, which this one's `take` panics at.
    client.pull(vec![put_list(2, "two")], None);
    assert_eq!(client.texts(&LISTS, "name"), ["one", "two"]);
}
