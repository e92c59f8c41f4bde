//! Files that are not what was written: bits that flipped, ends that are missing, a write-ahead log that somebody deleted, an
//! older copy in place of the store.

use std::path::PathBuf;

use plasma::client::Durability;
use plasma::sim::Rng;
use plasma::{ErrorKind, Result};
use serde_json::json;

use super::client::Finder;
use super::disk::Image;
use super::recording::{Recorder, deep, files, put, temporary};
use super::replay::{Effort, replay};
use super::server;
use super::survive::goes_on;
use super::world::{alone, rows, runtime, serve, uuid};

/// A client's life, as its disk was at every mark, and the servers of that time.
struct Life {
    /// By what was said last.
    stores: Vec<(String, Image)>,
    keep: tempfile::TempDir,
}

impl Life {
    fn new() -> Option<Self> {
        let recorder = Recorder::new()?;
        let (folder, keep) = (temporary(), temporary());
        let events = recorder.record("parts::client", folder.path(), keep.path(), "full");
        let mut stores = Vec::new();
        let marks = Effort { stride: 1, between: usize::MAX, by_chance: 0 };
        replay(Image::new(), &events, marks, 1, |loss| {
            if loss.is_kill()
                && let Some(mark) = loss.marks.last()
            {
                stores.push((mark.clone(), loss.image.clone()));
            }
        });
        stores.push(("the end".to_owned(), files(folder.path())));
        Some(Life { stores, keep })
    }

    fn at(&self, mark: &str) -> &Image {
        &self.stores.iter().find(|(said, _)| said == mark).unwrap_or_else(|| panic!("nobody said {mark}")).1
    }

    /// The server as it was in the end.
    fn server(&self) -> PathBuf {
        let copies = (0..).map(|n| self.keep.path().join(format!("server-{n}.db")));
        copies.take_while(|copy| copy.exists()).last().expect("a copy")
    }

    /// A store that lost its end is opened against the newest server, works and syncs. Returns its last mutation, and
    /// whether it had to take another client id.
    fn goes_on(&self, image: &Image, why: &str) -> (u64, bool) {
        let mut finder = Finder::new(Durability::Full, u64::MAX);
        let found = finder.find(image).unwrap_or_else(|wrong| panic!("{why}: {wrong}"));
        let gone_on = goes_on(&finder.store(), &self.server(), &found, Durability::Full);
        (found.last, gone_on.unwrap_or_else(|wrong| panic!("{why}, {} left: {wrong}", found.last)))
    }
}

#[test]
fn an_older_copy_of_a_store_doubles_and_loses_nothing() {
    let Some(life) = Life::new() else { return };
    let step = if deep() { 1 } else { (life.stores.len() / 5).max(1) };
    let (mut behind, mut forked) = (0, 0);
    for (mark, image) in life.stores.iter().step_by(step) {
        let (last, is_forked) = life.goes_on(image, mark);
        behind += u32::from(last < 16);
        forked += u32::from(is_forked);
    }
    eprintln!("older copies: {behind} of {} were behind, {forked} under another id", life.stores.len());
    assert!(behind > 3 && forked > 0, "{behind} of {} were older", life.stores.len());
}

#[test]
fn a_write_ahead_log_that_is_gone_or_cut_costs_its_end_and_nothing_else() {
    let Some(life) = Life::new() else { return };
    // All before was moved into the database, nothing after it.
    let whole = life.at("returned 12");
    let (log, name) = (&whole["store.db-wal"], "store.db-wal".to_owned());
    let mut gone = whole.clone();
    gone.remove(&name);
    assert_eq!(life.goes_on(&gone, "no log").0, 9);
    let mut rng = Rng::new(3);
    for _ in 0..if deep() { 60 } else { 3 } {
        let mut cut = whole.clone();
        let length = rng.below(log.len());
        cut.insert(name.clone(), log[..length].to_vec());
        life.goes_on(&cut, &format!("the log ends at {length}"));
        let mut flipped = whole.clone();
        let (at, bit) = (rng.below(log.len()), rng.below(8));
        flipped.get_mut(&name).expect("a log")[at] ^= 1 << bit;
        life.goes_on(&flipped, &format!("bit {bit} of byte {at} of the log is another"));
    }
}

/// Damages a database: some bits, a part that is zero, or a missing end.
fn damage(content: &mut Vec<u8>, rng: &mut Rng) {
    match rng.below(4) {
        0 => content.truncate(rng.below(content.len())),
        1 => {
            let page = rng.below(content.len() / 4096) * 4096;
            content[page..page + 4096].fill(0);
        }
        2 => {
            let at = rng.below(content.len());
            content[at] ^= 1 << rng.below(8);
        }
        // Headers of pages are where a flip does most.
        _ => {
            for _ in 0..4 {
                let at = rng.below(content.len() / 4096) * 4096 + rng.below(120);
                content[at] ^= 1 << rng.below(8);
            }
        }
    }
}

/// Everything a client does with its file.
async fn everything(store: &std::path::Path) -> Result<()> {
    let client = alone(store, Durability::Full).await?;
    let all = [rows(&client).await.map(drop), client.outbox().await.map(drop), client.outcomes().await.map(drop)];
    let args = json!({ "step": { "id": uuid(77) }, "id": uuid(77), "name": "a list" });
    client.mutate_named("lists.create", &args).await?;
    all.into_iter().collect()
}

/// A file without checksums cannot tell every flip. What is noticed is an error with a kind; nothing ends the process, and
/// nothing hangs.
#[test]
fn a_damaged_store_is_refused_with_a_kind_or_read() {
    let Some(life) = Life::new() else { return };
    let (folder, whole) = (temporary(), life.at("closed"));
    let (mut refused, mut rng) = (0, Rng::new(9));
    let rounds = if deep() { 2_000 } else { 60 };
    for round in 0..rounds {
        let mut image = whole.clone();
        damage(image.get_mut("store.db").expect("a store"), &mut rng);
        put(&image, folder.path());
        if let Err(error) = runtime().block_on(everything(&folder.path().join("store.db"))) {
            // A value that flipped may be none of its column.
            let kinds = [ErrorKind::Storage, ErrorKind::WrongStore, ErrorKind::Conflict, ErrorKind::Validation];
            assert!(kinds.contains(&error.kind()), "round {round}: {:?}: {error}", error.kind());
            refused += 1;
        }
    }
    eprintln!("stores: {rounds} damaged, {refused} refused");
    assert!(refused > rounds / 10, "only {refused} were noticed");
}

#[test]
fn a_damaged_database_is_refused_or_answered_for() {
    let (folder, found) = (temporary(), temporary());
    let file = folder.path().join("server.db");
    runtime().block_on(async {
        let server = serve(&file).await.expect("serves");
        for n in 0..20 {
            assert_eq!(server.respond(server::push(n * 5 + 1, n * 5 + 5)).await.status, 200);
        }
        server.close();
    });
    let whole = files(folder.path());
    let (mut refused, mut unavailable, mut rng) = (0, 0, Rng::new(10));
    let rounds = if deep() { 600 } else { 20 };
    for round in 0..rounds {
        let mut image = whole.clone();
        damage(image.get_mut("server.db").expect("a database"), &mut rng);
        put(&image, found.path());
        runtime().block_on(async {
            let server = match serve(&found.path().join("server.db")).await {
                Ok(server) => server,
                Err(error) => {
                    let kinds = [ErrorKind::Storage, ErrorKind::SchemaMismatch, ErrorKind::WrongStore];
                    assert!(kinds.contains(&error.kind()), "round {round}: {:?}: {error}", error.kind());
                    refused += 1;
                    return;
                }
            };
            for request in [server::push(101, 102), server::pull()] {
                let answer = server.respond(request).await;
                let body = String::from_utf8_lossy(&answer.body);
                assert!(matches!(answer.status, 200 | 409 | 503), "round {round}: {}: {body}", answer.status);
                unavailable += u32::from(answer.status != 200);
            }
        });
    }
    eprintln!("databases: {rounds} damaged, {refused} refused, {unavailable} requests not served");
    assert!(refused > 0 && unavailable > 0);
}
