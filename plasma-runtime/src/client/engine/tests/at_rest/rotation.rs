//! Another key for a store.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use serde_json::json;

use super::super::support::*;
use super::cells::raw;
use super::traces::Files;
use crate::crypto::{Dek, KeyId};
use crate::error::ErrorKind;
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

fn rotate(client: &mut Client, key: u8) -> crate::Result<()> {
    let id = KeyId::new(&format!("key {key}")).unwrap();
    client.engine.rotate_at_rest(&mut client.store, Dek::from_bytes([key; 32]), id).map(drop)
}

fn filled(files: &Files) -> Client {
    let mut client = Client::over(files.open(), sealed_options(1)).unwrap();
    client.begin();
    client.pull((0..200).map(|n| put_list(n, &format!("list {n}"))).collect(), None);
    client.mutate("list.add", json!({ "id": id(901), "name": "mine" }));
    client.mutate("draft.set", json!({ "id": id(900), "body": "draft" }));
    client
}

#[test]
fn a_new_key_takes_the_place_of_the_old_one_everywhere() {
    let files = Files::new();
    let mut client = filled(&files);
    let before = (client.visible(), client.rows(&DRAFTS), client.engine.outbox(&mut client.store).unwrap());
    let mut old = raw(&mut client.store, "lists", "name");
    old.extend(raw(&mut client.store, "drafts", "body"));
    old.extend(raw(&mut client.store, "_plasma_outbox", "args"));
    old.extend(raw(&mut client.store, "_plasma_effects", "after"));
    assert!(old.iter().any(|cell| files.hold(cell)));

    rotate(&mut client, 2).unwrap();
    let after = (client.visible(), client.rows(&DRAFTS), client.engine.outbox(&mut client.store).unwrap());
    assert_eq!(after, before);
    assert!(!old.iter().any(|cell| files.hold(cell)), "what the old key sealed is still in the files");
    // It goes on being written under the new key.
    client.mutate("list.add", json!({ "id": id(902), "name": "later" }));
    let visible = client.visible();
    drop(client);

    let error = Client::over(files.open(), sealed_options(1)).err().unwrap();
    assert_eq!(error.message(), "the store is encrypted with the key `key 2`, not with `key 1`");
    let mut client = Client::over(files.open(), sealed_options(2)).unwrap();
    assert_eq!(client.visible(), visible);
}

#[test]
fn a_rotation_that_fails_changes_nothing() {
    let files = Files::new();
    let mut client = filled(&files);
    let visible = client.visible();
    assert_eq!(rotate(&mut client, 1).unwrap_err().kind(), ErrorKind::Config, "an id names one key for ever");
    let cell = raw(&mut client.store, "drafts", "body").remove(0);
    client.store.execute("UPDATE main.drafts SET body = x'01'", &[]).unwrap();
    assert_eq!(rotate(&mut client, 2).unwrap_err().kind(), ErrorKind::Encryption);
    client.store.execute("UPDATE main.drafts SET body = ?", &[Value::Blob(cell)]).unwrap();
    assert_eq!(client.visible(), visible);
    client.mutate("list.add", json!({ "id": id(903), "name": "goes on" }));
    let visible = client.visible();
    drop(client);
    let mut client = Client::over(files.open(), sealed_options(1)).unwrap();
    assert_eq!(client.visible(), visible);
    rotate(&mut client, 3).unwrap();
    assert_eq!(client.visible(), visible);
}

/// An error would say that the old key stays, and the new one be thrown away.
#[test]
fn a_log_that_cannot_be_folded_is_no_failure_of_the_rotation() {
    let files = Files::new();
    let mut client = filled(&files);
    let visible = client.visible();
    let deny = |context: AuthContext<'_>| match context.action {
        AuthAction::Pragma { pragma_name: "wal_checkpoint", .. } => Authorization::Deny,
        _ => Authorization::Allow,
    };
    client.store.connection_mut().authorizer(Some(deny)).unwrap();
    rotate(&mut client, 2).unwrap();
    assert_eq!(client.visible(), visible);
    drop(client);
    let mut client = Client::over(files.open(), sealed_options(2)).unwrap();
    assert_eq!(client.visible(), visible);
}

#[test]
fn a_reader_goes_on_over_a_rotation() {
    let files = Files::new();
    let mut client = filled(&files);
    let mut reader = files.open();
    client.engine.lend_key(&mut reader).unwrap();
    let names = |reader: &mut crate::store::sqlite::SqliteConnection| {
        let rows = reader.query("SELECT name FROM lists ORDER BY id", &[], &[Kind::Text]).unwrap();
        rows.into_iter().flatten().collect::<Vec<_>>()
    };
    let before = names(&mut reader);
    assert_eq!(before.len(), 201);
    // It looks at the rows of before, while they are replaced.
    reader.batch("BEGIN").unwrap();
    assert_eq!(names(&mut reader), before);
    rotate(&mut client, 2).unwrap();
    assert_eq!(names(&mut reader), before);
    reader.batch("COMMIT").unwrap();
    assert_eq!(names(&mut reader), before);
}

#[test]
fn another_process_does_not_go_on_writing_under_the_old_key() {
    let files = Files::new();
    let mut client = filled(&files);
    let mut other = Client::over(files.open(), sealed_options(1)).unwrap();
    rotate(&mut client, 2).unwrap();
    let error = other.try_mutate("list.add", json!({ "id": id(904), "name": "late" })).unwrap_err();
    assert_eq!(
        error.message(),
        "the store is no longer encrypted with the key `key 1`: open it again with the new one"
    );
    assert_eq!(error.kind(), ErrorKind::Config);
    drop(other);
    let visible = client.visible();
    let mut other = Client::over(files.open(), sealed_options(2)).unwrap();
    assert_eq!(other.visible(), visible);
}
