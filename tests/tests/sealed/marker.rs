//! A text that one client seals is nowhere but in what those with the key open: not in its file with all that SQLite
//! leaves lying in it, not on the wire, not in the server's database, not in what the library says about its work.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id as SpanId, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;

/// What the test looks for. Long enough that it is nowhere by chance, and in no form that JSON would write otherwise.
const MARKER: &str = "plaintext-marker-1f8a9c7e5b3d";

/// Every word that the library says, at every level, on every thread.
struct Said(Mutex<String>);

impl Said {
    fn add(&self, record: impl FnOnce(&mut dyn Visit)) {
        struct Words<'w>(&'w mut String);
        impl Visit for Words<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                let _ = write!(self.0, "{field}={value:?} ");
            }
        }
        record(&mut Words(&mut lock(&self.0)));
    }
}

struct Listener(&'static Said);

impl Subscriber for Listener {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> SpanId {
        self.0.add(|words| span.record(words));
        SpanId::from_u64(1)
    }
    fn record(&self, _: &SpanId, values: &Record<'_>) {
        self.0.add(|words| values.record(words));
    }
    fn record_follows_from(&self, _: &SpanId, _: &SpanId) {}
    fn event(&self, event: &Event<'_>) {
        self.0.add(|words| event.record(words));
    }
    fn enter(&self, _: &SpanId) {}
    fn exit(&self, _: &SpanId) {}
}

/// What was said in this process from the first call on.
fn said() -> &'static Said {
    static SAID: OnceLock<&'static Said> = OnceLock::new();
    SAID.get_or_init(|| {
        let said: &'static Said = Box::leak(Box::new(Said(Mutex::default())));
        // Another test of this binary may have set one: then this one has nothing to listen to.
        let _ = tracing::subscriber::set_global_default(Listener(said));
        said
    })
}

fn holds(bytes: &[u8]) -> bool {
    bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes())
}

/// The files of a folder with the marker in them, read as they lie there: free pages and write-ahead logs too.
fn files_with_it(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        if holds(&std::fs::read(&path).expect("readable")) {
            found.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

/// Every row of every table of Postgres, as text.
fn rows_with_it(database: &plasma_test_postgres::Database) -> Vec<String> {
    let database = database.clone();
    let dumped = std::thread::spawn(move || {
        let mut client = database.connect();
        let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
            WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
        let tables: Vec<String> = client.query(tables, &[]).expect("readable").iter().map(|row| row.get(0)).collect();
        assert!(tables.iter().any(|table| table.ends_with("_plasma_changes")), "{tables:?}");
        tables
            .into_iter()
            .filter(|table| {
                let rows = client.query(&format!("SELECT t::text FROM {table} t"), &[]).expect("readable");
                rows.iter().any(|row| row.get::<_, String>(0).contains(MARKER))
            })
            .collect::<Vec<_>>()
    });
    dumped.join().expect("dumped")
}

/// Where the marker is found, after a life of notes with it: written, sent, refused, edited, deleted by nobody, opened on
/// another device.
async fn places(place: Place, sealed: bool) -> Option<Vec<String>> {
    let said = said();
    let server = Server::new(place).await?;
    let ring = keys(&["k", "new"]);
    let (one, two) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let store = |folder: &tempfile::TempDir| SqliteStore::open(folder.path().join("store.db"));
    let a = server.open("alice", "alice", store(&one), Some(ring.clone())).await;
    let b = server.open("alice", "alice", store(&two), Some(ring.clone())).await;
    let live = a.live(Note::select());
    let (first, text) = (a.new_id(), format!("dear diary, {MARKER}"));
    for id in std::iter::once(first).chain((0..40).map(|_| a.new_id())) {
        let note = if sealed { plain(id, &text) } else { PlainAddNote { clear: Some(text.clone()), ..plain(id, "-") } };
        a.mutate(note).await.expect("applied");
    }
    // It is in the outbox now, on disk.
    let mut found = files_with_it(one.path());
    sync(&a).await;
    // Refused by the server, and so kept with its arguments; refused by the client; and edited, which frees pages.
    let mine = b.mutate(plain(first, &if sealed { text.clone() } else { "-".into() })).await.expect("applied there");
    sync(&b).await;
    assert!(mine.acknowledged().await.is_err(), "the id is taken");
    assert!(a.mutate(plain(a.new_id(), &text.repeat(1_000))).await.is_err(), "too long");
    a.mutate(PlainEditBody { id: first, body: if sealed { text.clone() } else { "-".into() } }).await.expect("applied");
    a.rotate_keys(&key("k"), &key("new")).await.expect("rotated");
    sync(&a).await;
    sync(&b).await;
    let read = body(&b, first).await;
    assert_eq!(read.contains(MARKER), sealed, "who has the key reads it: {read}");
    assert!(!live.rows().is_empty());
    drop(live);
    a.close().await;
    b.close().await;
    for (device, folder) in [("first device", &one), ("second device", &two)] {
        found.extend(files_with_it(folder.path()).into_iter().map(|file| format!("{device}: {file}")));
    }
    for (n, message) in lock(&server.said).iter().enumerate() {
        if holds(message.as_bytes()) {
            found.push(if n % 2 == 0 { "a request".into() } else { "an answer".into() });
        }
    }
    found.extend(match &server.data {
        Data::Sqlite(folder) => files_with_it(folder.path()),
        Data::Postgres(database) => rows_with_it(database),
    });
    if lock(&said.0).contains(MARKER) {
        found.push("the log".into());
    }
    found.dedup();
    Some(found)
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_sealed_text_is_nowhere_in_the_clear(place: Place) {
    let Some(found) = places(place, true).await else { return };
    assert_eq!(found, Vec::<String>::new());
    assert!(!lock(&said().0).is_empty(), "the library said something, and it was heard");
}

/// The test above finds what it looks for, wherever that is: the same life with a column that is not sealed.
#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_text_that_is_not_sealed_is_found_everywhere(place: Place) {
    let Some(found) = places(place, false).await else { return };
    for somewhere in ["store.db-wal", "first device: store.db", "second device: store.db", "a request", "an answer"] {
        assert!(found.iter().any(|found| found == somewhere), "not in {somewhere}: {found:?}");
    }
    let server = match place {
        Place::Sqlite => ["server.db", "server.db-wal"].as_slice(),
        Place::Postgres => &["public._plasma_changes", "public.notes"],
    };
    assert!(server.iter().any(|table| found.iter().any(|found| found == table)), "not on the server: {found:?}");
}
