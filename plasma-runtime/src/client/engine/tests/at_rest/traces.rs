//! No plaintext reaches the files: not the database, not its log, not in the middle of a transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use super::super::support::*;
use crate::client::EngineOptions;
use crate::client::event::Event;
use crate::store::sqlite::{SqliteConnection, SqliteOptions};

/// What must not be found.
pub(super) const MARK: &str = "MARK OF PLAINTEXT";

/// A store's files.
pub(super) struct Files {
    _folder: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Files {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        Files { _folder: folder, path }
    }

    /// With so little memory that long transactions are written before they end.
    pub(super) fn open(&self) -> SqliteConnection {
        SqliteConnection::open(&self.path, SqliteOptions { cache_kib: Some(32), ..SqliteOptions::default() }).unwrap()
    }

    pub(super) fn holds_mark(&self) -> bool {
        self.hold(MARK.as_bytes())
    }

    /// Whether any file beside the store has these bytes in it.
    pub(super) fn hold(&self, bytes: &[u8]) -> bool {
        !find(&self.path, bytes).is_empty()
    }

    pub(super) fn where_marked(&self) -> Vec<String> {
        find(&self.path, MARK.as_bytes())
    }
}

fn find(path: &std::path::Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap().flatten() {
        // A file that goes away between is not there.
        let content = std::fs::read(entry.path()).unwrap_or_default();
        let starts = content.iter().enumerate().filter(|(_, byte)| **byte == bytes[0]);
        if let Some(at) = starts.map(|(at, _)| at).find(|at| content[*at..].starts_with(bytes)) {
            let before = String::from_utf8_lossy(&content[at.saturating_sub(80)..at]);
            found.push(format!("{} after {before:?}", entry.file_name().to_string_lossy()));
        }
    }
    found
}

/// Looks at the files again and again while statements run: whenever SQLite has worked for a while, in the middle of
/// transactions, too.
struct Watched {
    looks: Arc<AtomicU64>,
    found: Arc<AtomicBool>,
}

fn watch(store: &mut SqliteConnection, files: &Files) -> Watched {
    let watched = Watched { looks: Arc::default(), found: Arc::default() };
    let (looks, found, path) = (watched.looks.clone(), watched.found.clone(), files.path.clone());
    let look = move || {
        // Now and then: every look reads the files.
        if looks.fetch_add(1, Ordering::Relaxed) % 10 == 0 && !find(&path, MARK.as_bytes()).is_empty() {
            found.store(true, Ordering::Relaxed);
        }
        false
    };
    store.connection_mut().progress_handler(10, Some(look)).unwrap();
    watched
}

/// Everything a client writes, with the mark in every value that may be encrypted.
fn work(client: &mut Client) {
    let long = format!("{MARK} {}", "and more ".repeat(300));
    client.begin();
    client.pull((0..40).map(|n| put_list(n, &long)).collect(), None);
    client.pull(vec![put_todo(101, 1, &long, Some("a")), put_todo(102, 2, MARK, None)], None);
    // Pending mutations, with effects, and local rows.
    client.mutate("list.add", json!({ "id": id(901), "name": long }));
    client.mutate("todo.title", json!({ "id": id(101), "title": format!("{MARK} again") }));
    client.mutate("todo.copy", json!({ "from": id(101), "to": id(102) }));
    client.mutate("draft.set", json!({ "id": id(800), "body": long }));
    // The server's rows come under them: they run again.
    client.pull(vec![put_todo(101, 1, "other", Some("b"))], None);
    client.pull(vec![put_list(901, &long), del(&LISTS, 2)], None);
    // Staged pages, then a set that empties the tables.
    for n in 0..3 {
        let mut patch: Vec<_> = (0..20).map(|m| put_list(200 + 20 * n + m, &long)).collect();
        if n == 0 {
            patch.insert(0, json!({ "op": "clear" }));
        }
        let mut page = client.page(patch, None, vec![]);
        page["partial"] = json!(true);
        page["hasMore"] = json!(true);
        let request = client.request_pull();
        client.answer(&request, 200, page);
    }
    client.pull(vec![put_list(300, &long)], None);
    // Outcomes: one the server rejects with the value in its message, one that is discarded.
    client.event(Event::Start);
    let push = client.take_push();
    let results: Vec<_> = push
        .ids()
        .iter()
        .map(|id| {
            json!({ "id": id, "status": "rejected",
                    "error": { "code": "no", "message": format!("not {MARK}"), "data": { "was": MARK } } })
        })
        .collect();
    client.answer(&push, 200, json!({ "ok": true, "lastMutationID": push.ids().last(), "results": results }));
    client.event(Event::Stop);
    let discarded = client.mutate("list.add", json!({ "id": id(950), "name": long }));
    client.discard(discarded.key).unwrap();
    client.mutate("list.add", json!({ "id": id(951), "name": long }));
    // Freed pages.
    client.pull((200..260).map(|n| del(&LISTS, n)).collect(), push.ids().last().copied());
}

/// Runs the work in files; says how often they were looked at, and whether the mark was there at any time.
fn traces(options: EngineOptions) -> (u64, bool, Client, Files) {
    let files = Files::new();
    let mut client = Client::over(files.open(), options).unwrap();
    let watched = watch(&mut client.store, &files);
    work(&mut client);
    let found = files.holds_mark() || watched.found.load(Ordering::Relaxed);
    (watched.looks.load(Ordering::Relaxed), found, client, files)
}

#[test]
fn no_plaintext_reaches_the_files_at_any_time() {
    let (_, found, mut plain, files) = traces(plain_options());
    assert!(found && files.holds_mark(), "the watch must find what is there");
    let (looks, found, mut sealed, files) = traces(sealed_options(1));
    assert!(looks > 1_000, "the files were looked at {looks} times only");
    assert!(!found, "plaintext in {:?}", files.where_marked());
    assert_eq!(sealed.visible(), plain.visible());
    assert_eq!(sealed.rows(&DRAFTS), plain.rows(&DRAFTS));
    assert_eq!(sealed.engine.outcomes(&mut sealed.store).unwrap(), plain.engine.outcomes(&mut plain.store).unwrap());
    let outboxes = [&mut sealed, &mut plain].map(|client| client.engine.outbox(&mut client.store).unwrap());
    assert_eq!(outboxes[0], outboxes[1]);
    assert!(!outboxes[0].is_empty());
    assert_eq!(format!("{:?}", sealed.batches), format!("{:?}", plain.batches));
    // Nor when the store is opened again, and folded into one file.
    drop(sealed);
    let mut again = Client::over(files.open(), sealed_options(1)).unwrap();
    assert_eq!(again.visible(), plain.visible());
    drop(again);
    assert!(!files.holds_mark(), "plaintext in {:?}", files.where_marked());
}

#[test]
fn a_killed_process_leaves_no_plaintext() {
    // The files as a kill in the middle of a transaction leaves them: what is open is not rolled back, not folded.
    let files = Files::new();
    let mut client = Client::over(files.open(), sealed_options(1)).unwrap();
    work(&mut client);
    let copy = Files::new();
    let looks = Arc::new(AtomicU64::new(0));
    let (seen, from, to) = (looks.clone(), files.path.clone(), copy.path.clone());
    let kill = move || {
        // Somewhere in the middle of the pull below.
        if seen.fetch_add(1, Ordering::Relaxed) == 300 {
            for end in ["", "-wal"] {
                std::fs::copy(format!("{}{end}", from.display()), format!("{}{end}", to.display())).unwrap();
            }
        }
        false
    };
    client.store.connection_mut().progress_handler(10, Some(kill)).unwrap();
    let before = client.visible();
    let long = format!("{MARK} {}", "and more ".repeat(300));
    client.pull((0..200).map(|n| put_list(1_000 + n, &long)).collect(), None);
    assert!(looks.load(Ordering::Relaxed) > 400, "{looks:?}");
    assert!(!copy.holds_mark(), "plaintext in {:?}", copy.where_marked());
    let mut found = Client::over(copy.open(), sealed_options(1)).unwrap();
    assert_eq!(found.visible(), before, "the transaction that was killed has left nothing");
}
