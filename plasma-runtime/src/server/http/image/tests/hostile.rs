//! What a client is sent instead of an image. Whatever it is, the client refuses it and takes pages.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{Place, SECRET, ann, assert_same, on_every_database, tracker};
use crate::client::event::SendFailure;
use crate::client::{Headers, HttpTransport, Transport};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::protocol::{IMAGE_HASH_HEADER, WireRequest, WireResponse};
use crate::store::image::sha256;

type Tamper = fn(&Path, &mut WireResponse);

/// Changes what is downloaded on its way.
struct Tampering {
    inner: HttpTransport,
    tamper: Tamper,
}

impl Transport for Tampering {
    fn send<'a>(&'a self, request: WireRequest, headers: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        self.inner.send(request, headers)
    }
    fn downloads(&self) -> bool {
        true
    }
    fn download<'a>(
        &'a self,
        request: WireRequest,
        headers: Headers,
        to: &'a Path,
    ) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        Box::pin(async move {
            let mut answer = self.inner.download(request, headers, to).await?;
            (self.tamper)(to, &mut answer);
            Ok(answer)
        })
    }
}

fn hash(path: &Path, answer: &mut WireResponse) {
    answer.headers.retain(|(name, _)| name != IMAGE_HASH_HEADER);
    answer.headers.push((IMAGE_HASH_HEADER.to_owned(), sha256(path).unwrap()));
}

/// SQL run on the file by somebody who also makes the hash fit.
fn with(path: &Path, answer: &mut WireResponse, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    hash(path, answer);
}

/// Rows that the tables of the file do not take: their words are put back afterwards.
fn without_words(path: &Path, answer: &mut WireResponse, table: &str, words: &[(&str, &str)], sql: &str) {
    let schema = |db: &Connection| -> String {
        db.query_row("SELECT sql FROM sqlite_schema WHERE name = ?", [table], |row| row.get(0)).unwrap()
    };
    let write = |sql: &str| {
        let db = Connection::open(path).unwrap();
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        db.execute_batch("PRAGMA writable_schema = ON").unwrap();
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", [sql, table]).unwrap();
        db.close().unwrap();
    };
    let right = schema(&Connection::open(path).unwrap());
    write(&words.iter().fold(right.clone(), |sql, (from, to)| {
        assert!(sql.contains(from), "{sql}");
        sql.replace(from, to)
    }));
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).unwrap();
    db.close().unwrap();
    write(&right);
    hash(path, answer);
}

fn bytes(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut all = std::fs::read(path).unwrap();
    change(&mut all);
    std::fs::write(path, all).unwrap();
}

/// A word of the schema, changed behind SQLite's back.
fn schema(path: &Path, answer: &mut WireResponse, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    db.execute_batch(&format!("PRAGMA writable_schema = ON; {sql}")).unwrap();
    db.close().unwrap();
    hash(path, answer);
}

const HOSTILE: &[(&str, Tamper)] = &[
    ("a truncated file", |path, _| bytes(path, |all| all.truncate(all.len() / 2))),
    ("a truncated file whose hash fits", |path, answer| {
        bytes(path, |all| all.truncate(all.len() / 2));
        hash(path, answer);
    }),
    ("one bit", |path, _| bytes(path, |all| all[5_000] ^= 1)),
    ("damaged pages whose hash fits", |path, answer| {
        bytes(path, |all| all[16_384..24_576].fill(0xff));
        hash(path, answer);
    }),
    ("nothing", |path, answer| {
        bytes(path, Vec::clear);
        hash(path, answer);
    }),
    ("text", |path, answer| {
        bytes(path, |all| *all = b"<html>welcome to this hotel</html>".repeat(100));
        hash(path, answer);
    }),
    ("no file", |path, _| std::fs::remove_file(path).unwrap()),
    ("no hash", |_, answer| answer.headers.retain(|(name, _)| name != IMAGE_HASH_HEADER)),
    ("a trigger", |path, answer| {
        with(path, answer, "CREATE TRIGGER t AFTER INSERT ON todos BEGIN DELETE FROM orgs; END");
    }),
    ("a view", |path, answer| with(path, answer, "CREATE VIEW v AS SELECT * FROM todos")),
    ("a view in the place of a table", |path, answer| {
        with(
            path,
            answer,
            "ALTER TABLE orgs RENAME TO o; CREATE VIEW orgs AS SELECT id, load_extension('x') AS name FROM o",
        );
    }),
    ("an index", |path, answer| with(path, answer, "CREATE INDEX i ON todos (title)")),
    ("a table of the store's own", |path, answer| {
        with(path, answer, "CREATE TABLE _plasma_outbox (id INTEGER PRIMARY KEY)");
    }),
    ("a virtual table", |path, answer| with(path, answer, "CREATE VIRTUAL TABLE f USING fts5(x)")),
    ("a table that is missing", |path, answer| with(path, answer, "DROP TABLE members")),
    ("another column", |path, answer| with(path, answer, "ALTER TABLE todos ADD COLUMN extra TEXT")),
    ("a generated column", |path, answer| {
        with(
            path,
            answer,
            "DROP TABLE orgs; CREATE TABLE orgs (id TEXT PRIMARY KEY, name TEXT AS (upper(id))) STRICT, WITHOUT ROWID",
        );
    }),
    ("a default that calls", |path, answer| {
        schema(
            path,
            answer,
            "UPDATE sqlite_schema SET sql = replace(sql, '\"name\" TEXT', '\"name\" TEXT DEFAULT (randomblob(9))') WHERE name = 'orgs'",
        );
    }),
    ("words that end the statement", |path, answer| {
        schema(path, answer, "UPDATE sqlite_schema SET name = 'orgs\"; DROP TABLE todos; --' WHERE name = 'orgs'");
    }),
    ("a file in WAL mode", |path, answer| with(path, answer, "PRAGMA journal_mode = WAL")),
    ("another schema", |path, answer| {
        with(path, answer, "UPDATE _plasma_image SET value = '0000000000000000' WHERE key = 'fingerprint'");
    }),
    ("another group's", |path, answer| {
        with(path, answer, "UPDATE _plasma_image SET value = 'user 2' WHERE key = 'group'");
    }),
    ("a status that is none", |_, answer| answer.status = 204),
];

#[tokio::test]
async fn whatever_is_no_image_is_refused_and_pages_are_taken() {
    refused(Place::Sqlite, HOSTILE).await;
}

/// What came is not what was sent.
async fn another_hash_is_refused_and_pages_are_taken(place: Place) {
    refused(place, &HOSTILE[..3]).await;
}

async fn refused(place: Place, hostile: &[(&str, Tamper)]) {
    let Some(world) = tracker(place).await else { return };
    for (at, (what, tamper)) in hostile.iter().enumerate() {
        let transport = Tampering { inner: world.transport(), tamper: *tamper };
        let (client, errors) = ann(&world, &format!("{at}.db"), transport).await;
        client.pull_once().await.unwrap();
        assert_same(&world, &client).await;
        assert_eq!(errors.lock().unwrap().len(), 1, "{what}: {errors:?}");
        client.close().await;
    }
    assert_eq!(world.images_asked().len(), hostile.len());
    assert_eq!(world.left(), Vec::<String>::new());
}

/// These have the right form: the store's own constraints, or the server, find them out.
const WRONG_ROWS: &[(&str, Tamper)] = &[
    ("an id that is none", |path, answer| {
        without_words(path, answer, "orgs", &[], "UPDATE orgs SET id = 'x' WHERE name = 'one'");
    }),
    ("text with U+0000", |path, answer| without_words(path, answer, "orgs", &[], "UPDATE orgs SET name = char(0)")),
    ("text that is not UTF-8", |path, answer| {
        without_words(path, answer, "orgs", &[], "UPDATE orgs SET name = cast(x'ff' AS TEXT)");
    }),
    ("NULL where none may be", |path, answer| {
        without_words(path, answer, "todos", &[(" NOT NULL", "")], "UPDATE todos SET title = NULL");
    }),
    ("json that is none", |path, answer| without_words(path, answer, "todos", &[], "UPDATE todos SET meta = '{'")),
    ("a value of another storage class", |path, answer| {
        without_words(path, answer, "orgs", &[("STRICT, ", "")], "UPDATE orgs SET name = x'00'");
    }),
    ("rows out of order", |path, answer| {
        let again = "CREATE TEMP TABLE o AS SELECT * FROM orgs; DELETE FROM orgs; INSERT INTO orgs SELECT * FROM o";
        without_words(path, answer, "orgs", &[("PRIMARY KEY", "PRIMARY KEY DESC")], again);
    }),
    ("a cookie that is none", |path, answer| {
        with(path, answer, "UPDATE _plasma_image SET value = 'c2:x' WHERE key = 'cookie'");
    }),
    ("no cookie", |path, answer| with(path, answer, "DELETE FROM _plasma_image WHERE key = 'cookie'")),
];

#[tokio::test]
async fn rows_that_no_page_could_bring_are_not_taken_from_an_image() {
    let world = tracker(Place::Sqlite).await.unwrap();
    for (at, (what, tamper)) in WRONG_ROWS.iter().enumerate() {
        let transport = Tampering { inner: world.transport(), tamper: *tamper };
        let (client, errors) = ann(&world, &format!("{at}.db"), transport).await;
        // The set as a whole fails, and begins anew by pages.
        let mut pulled = client.pull_once().await;
        for _ in 0..5 {
            if pulled.is_ok() {
                break;
            }
            pulled = client.pull_once().await;
        }
        pulled.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_same(&world, &client).await;
        assert!(!errors.lock().unwrap().is_empty(), "{what}");
        let path = world.store(&format!("{at}.db"));
        let whole: String =
            Connection::open(path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok", "{what}");
        client.close().await;
    }
    assert_eq!(world.left(), Vec::<String>::new());
}

/// The file holds the caller's rows, and not a byte of others; nothing was ever freed in it.
async fn an_image_has_one_readers_view_and_no_more(place: Place) {
    thread_local! {
        static SEEN: std::cell::RefCell<Option<Vec<u8>>> = const { std::cell::RefCell::new(None) };
    }
    let Some(world) = tracker(place).await else { return };
    let keep: Tamper = |path, _| {
        SEEN.set(Some(std::fs::read(path).unwrap()));
        let db = Connection::open(path).unwrap();
        let free: i64 = db.query_row("PRAGMA freelist_count", [], |row| row.get(0)).unwrap();
        let rows: i64 = db.query_row("SELECT count(*) FROM todos", [], |row| row.get(0)).unwrap();
        assert_eq!((free, rows), (0, 1_100));
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap()) & 0o777, 0o600);
    };
    let (client, errors) = ann(&world, "ann.db", Tampering { inner: world.transport(), tamper: keep }).await;
    client.pull_once().await.unwrap();
    assert_eq!(*errors.lock().unwrap(), Vec::<String>::new());
    let file = SEEN.take().expect("an image came");
    assert!(!file.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()));
    let shown = b"todo 2199";
    assert!(file.windows(shown.len()).any(|window| window == shown), "the test looks at the right bytes");
    let _ = Arc::new(client);
}

on_every_database!(another_hash_is_refused_and_pages_are_taken, an_image_has_one_readers_view_and_no_more);

/// A server that has none, or has too many rows for one, answers so, and pages are taken.
#[tokio::test]
async fn an_image_that_cannot_be_had_costs_one_request() {
    let images = super::ImageOptions { max_bytes: 64 << 10, ..super::ImageOptions::default() };
    let builder = |db| super::Server::<super::Tracker>::builder(db).auth(super::by_number);
    let world = super::World::start(Place::Sqlite, builder, images).await.unwrap();
    world.raw(&super::people());
    let org = uuid::Uuid::from_u128(11);
    world.raw(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1500) \
         INSERT INTO todos (id, title, org_id) \
         SELECT printf('%08x-0000-4000-8000-000000000000', n), 'todo', '{org}' FROM n"
    ));
    let (client, errors) = ann(&world, "ann.db", world.transport()).await;
    client.pull_once().await.unwrap();
    assert_same(&world, &client).await;
    assert_eq!((world.images_asked(), errors.lock().unwrap().len()), (vec![413], 1));
    assert_eq!(world.left(), Vec::<String>::new());
}
