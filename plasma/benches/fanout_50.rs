//! Scenario `fanout_50`: one writer, 50 clients that each have a store in a file and a live query, over HTTP on loopback
//! with the long poll, on both databases. From the start of the writer's push to the callback of each client's query;
//! the writer goes on when the last has heard. Server, writer and clients share one process and this machine's cores.
//!
//! The floor is a relay over TCP in the same process: it commits the row to the same tables with the same triggers at the
//! same durability, then writes 200 bytes to 50 sockets.
//!
//! With the argument `fanout_clients` it measures the growth with the number of clients instead, on SQLite.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::sync::Arc;
use std::time::Instant;

use plasma::prelude::*;
use plasma_runtime::client::{Client, Headers, SqliteStore};
use plasma_runtime::server::{Database, PostgresDatabase, SqliteDatabase};
use plasma_test_postgres::{Durability, Server as Postgres};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use util::http::{Serving, open, push, runtime};
use util::load::{LIST, NOW, engine};
use util::out::record_times;
use util::postgres::{Statements, connect};
use util::schema::{Bench, Ctx, Todo};
use util::{Numbers, Samples, folder, micros, raw, rounds, time};

const CLIENTS: usize = 50;
const WRITES: usize = 60;
/// Writes before the clock counts.
const WARM_UP: usize = 10;

fn main() {
    let runtime = runtime();
    if std::env::args().any(|argument| argument == "fanout_clients") {
        for clients in [1, 5, 10, 25, 50, 100] {
            let (plasma, floor) = on_sqlite(&runtime, clients);
            record_times("fanout_clients", format!("clients={clients}"), "plasma", &plasma.each);
            record_times("fanout_clients", format!("clients={clients}"), "floor", &floor.each);
            time(format!("fanout_clients: to each of {clients}"), &plasma.each, &floor.each, None);
        }
        return;
    }
    let postgres = Postgres::start(Durability::Full);
    let (sqlite, floor) = on_sqlite(&runtime, CLIENTS);
    sqlite.print("fanout_50, SQLite", &floor);
    let Some(postgres) = postgres else {
        println!("no Postgres binaries: scripts/install-postgres");
        return;
    };
    let (mut plasma, mut floor) = (Figures::default(), Figures::default());
    for _ in 0..rounds(3) {
        let (one, other) = (postgres.database(), postgres.database());
        runtime.block_on(async {
            drop(open(PostgresDatabase::url(&one.url)).await);
            let list = "INSERT INTO lists (id, name, owner) VALUES ($1, 'list', 'alice')";
            connect(&one).await.execute(list, &[&LIST]).await.expect("a list");
            plasma_round(CLIENTS, PostgresDatabase::url(&one.url), &mut plasma).await;
            drop(open(PostgresDatabase::url(&other.url)).await);
            let db = connect(&other).await;
            db.execute(list, &[&LIST]).await.expect("a list");
            let statements = Statements::prepare(&db).await.expect("statements");
            floor_round(CLIENTS, &mut floor, async |id: &str| {
                statements.rows(&db, &[id.to_owned()]).await.expect("a row");
            })
            .await;
        });
    }
    plasma.print("fanout_50, Postgres", &floor);
}

/// Plasma's figures and the floor's.
fn on_sqlite(runtime: &tokio::runtime::Runtime, clients: usize) -> (Figures, Figures) {
    let (mut plasma, mut floor) = (Figures::default(), Figures::default());
    for _ in 0..rounds(3) {
        let folder = folder();
        let path = folder.path().join("server.db");
        drop(engine(&path));
        runtime.block_on(plasma_round(clients, SqliteDatabase::file(&path), &mut plasma));
        let path = folder.path().join("floor.db");
        drop(engine(&path));
        let db = raw(&path, "FULL");
        runtime.block_on(floor_round(clients, &mut floor, async |id: &str| {
            let sql =
                "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES (?, ?, 'a title', 0, NULL, ?)";
            db.prepare_cached(sql).and_then(|mut insert| insert.execute((id, LIST, NOW))).expect("a row");
        }));
    }
    (plasma, floor)
}

/// Microseconds.
#[derive(Default)]
struct Figures {
    each: Samples,
    last: Samples,
    ack: Samples,
}

impl Figures {
    fn print(&self, what: &str, floor: &Figures) {
        time(format!("{what}: to each of {CLIENTS}"), &self.each, &floor.each, None);
        time(format!("{what}: to the last of {CLIENTS}"), &self.last, &floor.last, None);
        if !floor.ack.is_empty() {
            time(format!("{what}: to the writer"), &self.ack, &floor.ack, None);
        }
    }

    /// Waits until all have heard of the write that began at `start`.
    async fn heard(
        &mut self,
        clients: usize,
        heard: &mut mpsc::UnboundedReceiver<(usize, Instant)>,
        number: usize,
        start: Instant,
    ) {
        let mut last = 0f64;
        for _ in 0..clients {
            loop {
                let (what, when) = heard.recv().await.expect("a client");
                if what == number {
                    let took = micros(when - start);
                    last = last.max(took);
                    if number >= WARM_UP {
                        self.each.push(took);
                    }
                    break;
                }
            }
        }
        if number >= WARM_UP {
            self.last.push(last);
        }
    }
}

async fn plasma_round(count: usize, database: impl Database, figures: &mut Figures) {
    let folder = folder();
    let serving = Serving::start(open(database).await).await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut clients = Vec::new();
    for number in 0..count {
        let client = Client::<Bench>::builder(SqliteStore::open(folder.path().join(format!("{number}.db"))))
            .server(serving.address.clone())
            .auth(|| async { Ok(Headers::bearer("alice")) })
            .group("alice")
            .ctx(Ctx { user: "alice".to_owned() })
            .open()
            .await
            .expect("a client");
        client.pull_once().await.expect("a pull");
        client.start().expect("the client follows");
        let list: Id<util::schema::List> = LIST.parse().expect("an id");
        let newest = Todo::select().filter(Todo::list_id.eq(list)).order_by(Todo::created_at.desc()).limit(50);
        let live = client.live(newest);
        live.when_ready().await.expect("rows");
        let told = told.clone();
        let subscription = live.subscribe(move |rows: &[Todo]| {
            if let Some(number) = rows.first().and_then(|todo| todo.title.parse().ok()) {
                // Who listens may be gone at the end.
                let _ = told.send((number, Instant::now()));
            }
        });
        clients.push((client, live, subscription));
    }
    let (transport, mut numbers) = (serving.transport(), Numbers(7));
    let writer = numbers.id();
    for number in 0..WRITES {
        let body = serde_json::json!({
            "protocolVersion": 1, "schemaVersion": "bench-1", "clientGroupID": "alice", "clientID": writer,
            "mutations": [{
                "id": number + 1, "key": numbers.id(), "name": "todos.add", "timestamp": NOW + number as i64,
                "args": { "id": numbers.id(), "list_id": LIST, "title": number.to_string() },
            }],
        });
        let start = Instant::now();
        push(&transport, body.to_string()).await;
        if number >= WARM_UP {
            figures.ack.push(micros(start.elapsed()));
        }
        figures.heard(count, &mut heard, number, start).await;
    }
    for (client, ..) in clients {
        assert_eq!(client.count(Todo::select()).await.expect("a count"), WRITES as u64);
        client.close().await;
    }
    serving.end().await;
}

/// A relay: commits, then tells everybody.
async fn floor_round(count: usize, figures: &mut Figures, commit: impl AsyncFn(&str)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, mut heard) = mpsc::unbounded_channel();
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = TcpStream::connect(address).await.expect("a socket");
        let (accepted, _) = listener.accept().await.expect("a client");
        accepted.set_nodelay(true).expect("a socket");
        sockets.push(accepted);
        let told = told.clone();
        tokio::spawn(async move {
            let mut message = [0u8; 200];
            while socket.read_exact(&mut message).await.is_ok() {
                let number = usize::from_le_bytes(message[..8].try_into().expect("eight bytes"));
                // Who listens may be gone at the end.
                let _ = told.send((number, Instant::now()));
            }
        });
    }
    let mut writer = TcpStream::connect(address).await.expect("a socket");
    writer.set_nodelay(true).expect("a socket");
    let (mut from, _) = listener.accept().await.expect("a writer");
    let mut numbers = Numbers(9);
    for number in 0..WRITES {
        let mut message = [0u8; 200];
        message[..8].copy_from_slice(&number.to_le_bytes());
        let start = Instant::now();
        writer.write_all(&message).await.expect("a message");
        from.read_exact(&mut message).await.expect("a message");
        commit(&numbers.id()).await;
        if number >= WARM_UP {
            figures.ack.push(micros(start.elapsed()));
        }
        let message = Arc::new(message);
        for socket in &mut sockets {
            socket.write_all(&*message).await.expect("a message");
        }
        figures.heard(count, &mut heard, number, start).await;
    }
}
