//! Keys that fit, keys that do not, and stores that were not encrypted before.

use serde_json::json;

use super::super::support::*;
use super::cells::raw;
use super::traces::{Files, MARK};
use crate::client::event::Event;
use crate::error::ErrorKind;
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;
use crate::value::Kind;

fn reopen(store: SqliteConnection, options: crate::client::EngineOptions, sealed: bool) -> crate::Result<Client> {
    let schema = if sealed { sealed_schema() } else { schema() };
    Client::over_schema(store, options, schema, 3)
}

#[test]
fn columns_that_are_encrypted_need_a_key() {
    let error = reopen(SqliteConnection::in_memory().unwrap(), plain_options(), true).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.message(),
        "the column `drafts.body` is encrypted in the client's file: give its key with `.encryption(..)`"
    );
    assert_eq!(error.data().unwrap(), &json!({ "table": "drafts", "column": "body" }));
    // For a schema without such columns a key is no mistake, and does nothing.
    let mut client = reopen(SqliteConnection::in_memory().unwrap(), sealed_options(1), false).unwrap();
    client.begin();
    client.pull(vec![put_list(1, "clear")], None);
    assert_eq!(client.store.query("SELECT name FROM main.lists", &[], &[Kind::Text]).unwrap()[0][0], "clear".into());
}

#[test]
fn only_the_stores_own_key_opens_it() {
    let files = Files::new();
    let mut client = Client::over(files.open(), sealed_options(1)).unwrap();
    client.begin();
    client.pull(vec![put_list(1, "mine")], None);
    drop(client);
    let wrong_id = reopen(files.open(), sealed_options(2), true).err().unwrap();
    assert_eq!(wrong_id.kind(), ErrorKind::Config);
    assert_eq!(wrong_id.message(), "the store is encrypted with the key `key 1`, not with `key 2`");
    let mut options = sealed_options(1);
    options.encryption = Some(std::sync::Arc::new(crate::client::AtRestCipher::new(
        crate::crypto::Dek::from_bytes([9; 32]),
        crate::crypto::KeyId::new("key 1").unwrap(),
        Seeded(1),
    )));
    let wrong_key = reopen(files.open(), options, true).err().unwrap();
    assert_eq!(wrong_key.kind(), ErrorKind::Config);
    assert_eq!(wrong_key.message(), "the key given as `key 1` is not the one that the store is encrypted with");
    for sealed in [true, false] {
        let none = reopen(files.open(), plain_options(), sealed).err().unwrap();
        assert_eq!(none.kind(), ErrorKind::Config, "{none}");
    }
    // None of that did anything to it.
    let mut client = reopen(files.open(), sealed_options(1), true).unwrap();
    assert_eq!(client.texts(&LISTS, "name"), ["mine"]);
}

#[test]
fn a_plain_store_is_encrypted_when_its_columns_are() {
    let files = Files::new();
    let mut client = Client::over(files.open(), plain_options()).unwrap();
    client.begin();
    let lists: Vec<_> = (0..50).map(|n| put_list(n, &format!("{MARK} {n}"))).collect();
    client.pull(lists, None);
    // Freed pages hold it, too.
    client.pull((10..50).map(|n| del(&LISTS, n)).collect(), None);
    client.mutate("draft.set", json!({ "id": id(900), "body": MARK }));
    client.mutate("list.add", json!({ "id": id(901), "name": MARK }));
    client.mutate("todo.add", json!({ "id": id(11), "list": id(1), "title": MARK, "slug": "s" }));
    let staged = client.page(vec![json!({ "op": "clear" }), put_list(77, MARK)], None, vec![]);
    let mut staged = staged;
    staged["partial"] = json!(true);
    staged["hasMore"] = json!(true);
    let request = client.request_pull();
    client.answer(&request, 200, staged);
    assert!(files.holds_mark(), "there is nothing to be found");
    let (visible, drafts, outbox) =
        (client.visible(), client.rows(&DRAFTS), client.engine.outbox(&mut client.store).unwrap());
    let cookie = client.engine.cookie(&mut client.store).unwrap();
    drop(client);

    let mut client = reopen(files.open(), sealed_options(1), true).unwrap();
    assert_eq!(client.reports, []);
    assert!(!files.holds_mark(), "in {:?}", files.where_marked());
    assert_eq!(client.rows(&DRAFTS), drafts);
    let same = |a: &[crate::client::QueuedMutation]| a.iter().map(|m| (m.key, m.args.clone())).collect::<Vec<_>>();
    assert_eq!(same(&client.engine.outbox(&mut client.store).unwrap()), same(&outbox));
    assert_eq!(client.engine.cookie(&mut client.store).unwrap(), cookie, "nothing has to be pulled anew");
    // The tables have another shape: what is pending runs again.
    client.event(Event::Tick);
    assert_eq!(client.visible(), visible);
    assert!(!files.holds_mark(), "in {:?}", files.where_marked());
    assert_eq!(raw(&mut client.store, "drafts", "body").len(), 1);
    drop(client);

    // And back: with the key, once.
    let refused = reopen(files.open(), plain_options(), false).err().unwrap();
    assert_eq!(refused.message(), "the store is encrypted with the key `key 1`: give its key with `.encryption(..)`");
    let mut client = reopen(files.open(), sealed_options(1), false).unwrap();
    client.event(Event::Tick);
    assert_eq!((client.visible(), client.rows(&DRAFTS)), (visible.clone(), drafts));
    assert_eq!(same(&client.engine.outbox(&mut client.store).unwrap()), same(&outbox));
    drop(client);
    let mut client = reopen(files.open(), plain_options(), false).unwrap();
    assert_eq!(client.visible(), visible);
}

#[test]
fn signing_out_leaves_nothing_that_needs_the_key() {
    let files = Files::new();
    let mut client = Client::over(files.open(), sealed_options(1)).unwrap();
    client.begin();
    client.mutate("list.add", json!({ "id": id(1), "name": MARK }));
    let mut inputs = crate::inputs::Inputs { now: client.now, entropy: &mut client.entropy };
    client.engine.sign_out(&mut client.store, crate::client::SignOut::Wipe, &mut inputs).unwrap();
    drop(client);
    let mut client = reopen(files.open(), sealed_options(2), true).unwrap();
    client.begin();
    assert_eq!(client.visible().values().flatten().count(), 0);
}
