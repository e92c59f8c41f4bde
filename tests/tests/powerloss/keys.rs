//! The power fails while the key of a client's file is changed: everything is under one of the two keys.

use std::path::Path;

use plasma::client::{Client, Durability, SqliteStore};
use plasma::crypto::{Dek, KeyId};
use plasma::prelude::*;
use plasma::{ErrorKind, Result};
use serde_json::json;

use super::disk::Image;
use super::parts::Run;
use super::recording::{Recorder, put, temporary};
use super::replay::{Effort, Loss, replay};
use super::world::{runtime, uuid};
use crate::at_rest::app::{App, Contact};

/// What is to be found nowhere on the disk.
const MARKER: &str = "plaintext-marker-77e0a1";

async fn open(file: &Path, key: &str) -> Result<Client<App>> {
    let mut bytes = [9; 32];
    bytes[..key.len()].copy_from_slice(key.as_bytes());
    let builder = Client::<App>::builder(SqliteStore::open(file)).group("somebody").durability(Durability::Full);
    builder.encryption(Dek::from_bytes(bytes), KeyId::new(key)?).open().await
}

fn phone(n: u64) -> String {
    format!("{MARKER} {n}")
}

#[test]
#[ignore = "a part for a process of its own"]
fn changing() {
    let Some(run) = Run::of("keys::changing") else { return };
    runtime().block_on(async {
        let client = open(&run.folder.join("store.db"), "old").await.expect("opens");
        let add = async |n: u64| {
            let args = json!({ "id": uuid(n), "name": "somebody", "phone": phone(n) });
            client.mutate_named("contacts.add", &args).await.expect("applied");
            run.mark(&format!("returned {n}"));
        };
        for n in 1..=4 {
            add(n).await;
        }
        let mut bytes = [9; 32];
        bytes[..3].copy_from_slice(b"new");
        let key = KeyId::new("new").expect("a name");
        client.rotate_at_rest(Dek::from_bytes(bytes), key).await.expect("changed");
        run.mark("changed 1");
        add(5).await;
        std::process::exit(0);
    });
}

async fn check(file: &Path, loss: &Loss<'_>) -> std::result::Result<(), String> {
    let changed = loss.said("changed ").is_some();
    let client = match open(file, if changed { "new" } else { "old" }).await {
        // The change is there, and nobody heard of it yet.
        Err(error) if error.kind() == ErrorKind::Config && !changed => open(file, "new").await,
        opened => opened,
    };
    let client = client.map_err(|error| format!("it opens with neither key: {error} ({:?})", error.kind()))?;
    let contacts =
        client.all(Contact::select().order_by(Contact::id.asc())).await.map_err(|error| error.to_string())?;
    let phones: Vec<_> = contacts.into_iter().map(|contact| contact.phone.into_inner()).collect();
    let count = phones.len() as u64;
    let returned = loss.said("returned ").unwrap_or(0);
    if phones != (1..=count).map(phone).collect::<Vec<_>>() || count < returned || count > returned + 1 {
        return Err(format!("{returned} have returned, there are {phones:?}"));
    }
    let queue = client.outbox().await.map_err(|error| error.to_string())?;
    if queue.len() as u64 != count || queue.iter().any(|queued| !queued.args.contains(MARKER)) {
        return Err(format!("the queue is another: {queue:?}"));
    }
    Ok(())
}

#[test]
fn a_change_of_the_key_is_whole_or_was_not() {
    let Some(recorder) = Recorder::new() else { return };
    let (folder, keep, found) = (temporary(), temporary(), temporary());
    let events = recorder.record("keys::changing", folder.path(), keep.path(), "full");
    let tally = replay(Image::new(), &events, Effort::sampled(1, 24, 1), 31, |loss| {
        for (name, content) in loss.image {
            let clear = content.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
            assert!(!clear, "`{name}` has it in clear\n{}", loss.place());
        }
        put(loss.image, found.path());
        let checked = runtime().block_on(check(&found.path().join("store.db"), loss));
        checked.unwrap_or_else(|why| panic!("{why}\n{}", loss.place()));
    });
    eprintln!("another key: {tally:?}");
    assert!(tally.images > 30, "{tally:?}");
}
