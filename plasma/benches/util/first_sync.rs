//! First syncs: a server, a new client and a raw program, each a process of its own, so that the peak memory of each can
//! be told. The client is timed from its opening to the rows of its first live query.

#![allow(dead_code, reason = "each benchmark uses a part")]

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use plasma::Schema;
use plasma_runtime::client::{Client, Headers, SqliteStore};
use plasma_runtime::future::poll_once;
use plasma_runtime::server::{Auth, ImageOptions, Server, ServerEngine, ServerOptions, SqliteDatabase};
use plasma_runtime::store::ddl::{Side, create_table};
use plasma_runtime::store::sqlite::{SqliteConnection, SqliteOptions};
use sha2::{Digest, Sha256};
use tokio::net::{TcpListener, TcpStream};

use crate::util::local::{NOW, list_id, todo};
use crate::util::schema::Ctx;
use crate::util::{Numbers, peak_kib, raw, timed};

/// Reads the first rows that an application shows; returns how many there are.
pub type FirstRows<S> = for<'c> fn(&'c Client<S>) -> Pin<Box<dyn Future<Output = usize> + 'c>>;

/// How many rows; `PLASMA_BENCH_ROWS` says another number.
pub fn all_rows() -> usize {
    std::env::var("PLASMA_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(100_000)
}

/// Runs `measure`, or the role that this process was started for.
pub fn run<S: Schema<Ctx = Ctx>>(first: FirstRows<S>, measure: impl FnOnce()) {
    let argument = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is set"));
    match std::env::var("PLASMA_BENCH_ROLE").as_deref() {
        Ok("serve") => runtime().block_on(serve::<S>(Path::new(&argument("PLASMA_BENCH_FILE")))),
        Ok(role @ ("pages" | "image")) => {
            let (file, server) = (argument("PLASMA_BENCH_FILE"), argument("PLASMA_BENCH_SERVER"));
            runtime().block_on(pull::<S>(Path::new(&file), &server, role == "image", first));
        }
        Ok("raw") => raw_inserts::<S>(Path::new(&argument("PLASMA_BENCH_FILE"))),
        _ => measure(),
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A server in a process of its own.
pub struct Served {
    process: Child,
    input: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Served {
    /// Fills a database and serves it.
    pub fn start<S: Schema<Ctx = Ctx>>(database: &Path) -> Served {
        fill::<S>(database);
        let mut process = role("serve", database, None, Stdio::piped());
        let mut said = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut address = String::new();
        said.read_line(&mut address).expect("an address");
        let address = address.trim().parse().expect("an address");
        Served { input: process.stdin.take(), process, said, address }
    }

    /// Stops it; returns its peak memory, KiB.
    pub fn stop(mut self) -> f64 {
        // The end of its input tells it to stop; then it says its peak.
        drop(self.input.take());
        let mut peak = String::new();
        self.said.read_to_string(&mut peak).expect("a peak");
        assert!(self.process.wait().expect("the server ends").success());
        peak.trim().parse().expect("KiB")
    }
}

/// Runs a role to its end; returns the seconds and the peak memory in KiB.
pub fn timed_role(name: &str, path: &Path, server: Option<SocketAddr>) -> (f64, f64) {
    let output = role(name, path, server, Stdio::null()).wait_with_output().expect("a result");
    assert!(output.status.success(), "{name} failed");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut numbers = text.split_whitespace().map(|number| number.parse::<f64>().expect("a number"));
    (numbers.next().expect("seconds"), numbers.next().expect("KiB"))
}

/// This program in another role.
fn role(name: &str, file: &Path, server: Option<SocketAddr>, input: Stdio) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.env("PLASMA_BENCH_ROLE", name).env("PLASMA_BENCH_FILE", file).stdin(input).stdout(Stdio::piped());
    if let Some(server) = server {
        command.env("PLASMA_BENCH_SERVER", server.to_string());
    }
    command.spawn().expect("a process")
}

/// The server's rows, written as any program would: the triggers log them.
fn fill<S: Schema>(path: &Path) {
    let engine = ServerEngine::new(S::definition(), ServerOptions::default()).expect("an engine");
    let mut db = SqliteConnection::open(path, SqliteOptions::default()).expect("a database");
    let schema = poll_once(Box::pin(engine.ensure_schema(&mut db, NOW, &mut Numbers(1))));
    schema.expect("a synchronous connection is never pending").expect("a schema");
    insert_all(db.connection()).expect("rows");
}

fn insert_all(db: &rusqlite::Connection) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let mut list = db.prepare("INSERT INTO lists (id, name, owner) VALUES (?, 'a list', 'alice')")?;
    for n in 0..all_rows() / 100 {
        list.execute([list_id(n * 100)])?;
    }
    let mut insert =
        db.prepare("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?)")?;
    for n in 0..all_rows() {
        insert.execute(rusqlite::params_from_iter(todo(n)))?;
    }
    db.execute_batch("COMMIT")
}

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Ctx>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user = header.and_then(|value| value.strip_prefix("Bearer "));
    let user = user.ok_or_else(|| plasma::Error::unauthorized("no token"))?;
    Ok(Auth::new(user, Ctx { user: user.to_owned() }))
}

async fn serve<S: Schema<Ctx = Ctx>>(path: &Path) {
    let server = Server::<S>::builder(SqliteDatabase::file(path)).auth(authenticate).images(ImageOptions::default());
    let server = server.open().await.expect("a server");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    std::io::stdout().flush().expect("a pipe");
    let (told, end) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        std::io::stdin().read_to_end(&mut rest).expect("input");
        drop(told);
    });
    let shutdown = async move {
        // An error is the sender's end: that is the word.
        let _ = end.await;
    };
    server.serve(listener, shutdown).await.expect("the server serves");
    println!("{}", peak_kib());
}

async fn client<S: Schema<Ctx = Ctx>>(path: &Path, server: &str, images: bool) -> Client<S> {
    Client::<S>::builder(SqliteStore::open(path))
        .images(images)
        .server(format!("http://{server}"))
        .auth(|| async { Ok(Headers::bearer("alice")) })
        .group("alice")
        .ctx(Ctx { user: "alice".to_owned() })
        .open()
        .await
        .expect("a client")
}

async fn pull<S: Schema<Ctx = Ctx>>(path: &Path, server: &str, images: bool, first: FirstRows<S>) {
    let start = std::time::Instant::now();
    let client = client::<S>(path, server, images).await;
    client.pull_once().await.expect("a pull");
    assert_eq!(first(&client).await, FIRST);
    let elapsed = start.elapsed();
    client.close().await;
    drop(client);
    check(path);
    println!("{} {}", elapsed.as_secs_f64(), peak_kib());
}

/// Rows of the first live query.
pub const FIRST: usize = 50;

/// Copies a store to disk and reads its hash; returns the seconds.
pub fn copied(path: &Path) -> f64 {
    let to = path.with_extension("copy");
    let (elapsed, result) = timed(|| {
        std::fs::copy(path, &to)?;
        std::hint::black_box(Sha256::digest(std::fs::read(&to)?));
        std::fs::File::open(&to)?.sync_all()
    });
    result.expect("a copy");
    elapsed.as_secs_f64()
}

/// Pulls through a relay; returns how many bytes came from the server.
pub async fn counted<S: Schema<Ctx = Ctx>>(server: SocketAddr, path: &Path) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let relay = listener.local_addr().expect("an address");
    let total = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counter = std::sync::Arc::clone(&total);
    let accept = tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.expect("a connection");
            let counter = std::sync::Arc::clone(&counter);
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.expect("the server");
                let (mut near_read, mut near_write) = near.split();
                let (mut far_read, mut far_write) = far.split();
                let up = tokio::io::copy(&mut near_read, &mut far_write);
                let down = async {
                    let mut buffer = vec![0; 1 << 16];
                    loop {
                        let read = tokio::io::AsyncReadExt::read(&mut far_read, &mut buffer).await?;
                        if read == 0 {
                            return std::io::Result::Ok(());
                        }
                        counter.fetch_add(read as u64, std::sync::atomic::Ordering::Relaxed);
                        tokio::io::AsyncWriteExt::write_all(&mut near_write, &buffer[..read]).await?;
                    }
                };
                // Either side may close first.
                tokio::select! { _ = up => {}, _ = down => {} }
            });
        }
    });
    let client = client::<S>(path, &relay.to_string(), false).await;
    client.pull_once().await.expect("a pull");
    client.close().await;
    accept.abort();
    total.load(std::sync::atomic::Ordering::Relaxed)
}

fn raw_inserts<S: Schema>(path: &Path) {
    let db = raw(path, "NORMAL");
    for table in S::DEF.tables {
        db.execute_batch(&create_table(table, Side::Client)).expect("tables");
    }
    let rows: Vec<_> = (0..all_rows()).map(todo).collect();
    let (elapsed, result) = timed(|| -> rusqlite::Result<()> {
        db.execute_batch("BEGIN IMMEDIATE")?;
        let mut list = db.prepare("INSERT INTO lists (id, name, owner) VALUES (?, 'a list', 'alice')")?;
        for n in 0..all_rows() / 100 {
            list.execute([list_id(n * 100)])?;
        }
        let mut insert =
            db.prepare("INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, ?, ?, ?, ?)")?;
        for row in &rows {
            insert.execute(rusqlite::params_from_iter(row))?;
        }
        db.execute_batch("COMMIT")
    });
    result.expect("the raw program works");
    drop(db);
    check(path);
    println!("{} {}", elapsed.as_secs_f64(), peak_kib());
}

/// The final rows, every one.
fn check(path: &Path) {
    let db = raw(path, "NORMAL");
    let mut query =
        db.prepare("SELECT id, list_id, title, done, note, created_at FROM todos ORDER BY id").expect("todos");
    let mut rows = query.query([]).expect("rows");
    for n in 0..all_rows() {
        let row = rows.next().expect("a row").expect("a row");
        let expected = todo(n);
        assert_eq!(row.get::<_, String>(0).ok().as_deref(), expected[0].as_text());
        assert_eq!(row.get::<_, String>(1).ok().as_deref(), expected[1].as_text());
        assert_eq!(row.get::<_, String>(2).ok().as_deref(), expected[2].as_text());
        assert_eq!(row.get::<_, i64>(5).ok(), expected[5].as_int());
    }
    assert!(rows.next().expect("the end").is_none());
    let lists: i64 = db.query_row("SELECT count(*) FROM lists", [], |row| row.get(0)).expect("a count");
    assert_eq!(lists, (all_rows() / 100) as i64);
}
