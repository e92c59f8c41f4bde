//! The programs whose calls are written down: this test binary, started again. Each says in `marks` how far it has come, once
//! it was told so itself.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use plasma::client::{Client, Durability, SqliteStore};
use plasma::server::{CompactionOptions, Server};
use plasma::store::SqlConnection as _;
use serde_json::json;

use super::recording::{FOLDER, HOW, KEEP, PART};
use super::world::{self, NEIGHBOUR, connected, mutation, raw, runtime, serve, sync};
use crate::sim::schema::App;

/// A part that is played.
#[derive(Debug)]
pub struct Run {
    pub folder: PathBuf,
    pub keep: PathBuf,
    pub how: String,
}

impl Run {
    /// None when this is an ordinary run of the tests.
    pub fn of(part: &str) -> Option<Arc<Self>> {
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        let played = std::env::var(PART).ok()? == part;
        let how = std::env::var(HOW).ok()?;
        played.then_some(Arc::new(Run { folder: path(FOLDER)?, keep: path(KEEP)?, how }))
    }

    /// Says how far it has come.
    pub fn mark(&self, line: &str) {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.join("marks"));
        file.expect("opens").write_all(format!("{line}\n").as_bytes()).expect("written");
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.folder.join("store.db"))
    }

    pub fn durability(&self) -> Durability {
        if self.how.starts_with("full") { Durability::Full } else { Durability::Normal }
    }
}

/// A client over a store, and a server that outlives the power.
struct Pair {
    run: Arc<Run>,
    server: Server<App>,
    /// Copies of the server's database.
    kept: Arc<AtomicUsize>,
}

impl Pair {
    async fn new(run: Arc<Run>) -> Self {
        let server = serve(&run.keep.join("server.db")).await.expect("serves");
        world::furnish(&run.keep.join("server.db"));
        let neighbour = connected(SqliteStore::in_memory(), "user1", Durability::Normal, &server).await.expect("opens");
        world::settle_neighbour(&neighbour).await;
        let pair = Pair { run, server, kept: Arc::default() };
        keep(&pair.run, &pair.kept);
        pair
    }

    /// After every push the server's database is put away, before the client hears the answer.
    async fn client(&self) -> Client<App> {
        let (run, server, kept) = (self.run.clone(), self.server.clone(), self.kept.clone());
        let answer = move |request: plasma::protocol::WireRequest| {
            let (run, server, kept) = (run.clone(), server.clone(), kept.clone());
            async move {
                let pushes = request.path.ends_with("/push");
                let answer = server.respond(request).await;
                if pushes {
                    keep(&run, &kept);
                }
                Ok(answer)
            }
        };
        world::client(self.run.store(), "user0", self.run.durability(), answer).open().await.expect("opens")
    }

    async fn neighbour_writes(&self, from: u64, count: u64) {
        let neighbour = connected(SqliteStore::in_memory(), "user1", Durability::Normal, &self.server).await;
        let neighbour = neighbour.expect("opens");
        sync(&neighbour).await;
        for n in 0..count {
            let (name, args) = world::transfer(NEIGHBOUR + from + n);
            neighbour.mutate_named(name, &args).await.expect("applied");
        }
        sync(&neighbour).await;
        keep(&self.run, &self.kept);
    }

    async fn mutate(&self, client: &Client<App>, numbers: std::ops::RangeInclusive<u64>) {
        for n in numbers {
            let (name, args) = mutation(n);
            client.mutate_named(name, &args).await.expect("applied");
            self.run.mark(&format!("returned {n}"));
        }
    }
}

/// Puts the server's database away, as it is now.
fn keep(run: &Run, kept: &AtomicUsize) {
    let n = kept.fetch_add(1, Ordering::SeqCst);
    let mut copy = raw(&run.keep.join(format!("server-{n}.db")));
    raw(&run.keep.join("server.db")).backup_to(&mut copy).expect("copied");
    run.mark(&format!("server {n}"));
}

/// The life of a client: mutations, pushes, pulls of several pages, checkpoints, a restart.
#[test]
#[ignore = "a part for a process of its own"]
fn client() {
    let Some(run) = Run::of("parts::client") else { return };
    runtime().block_on(async {
        let pair = Pair::new(run.clone()).await;
        let client = pair.client().await;
        sync(&client).await;
        run.mark("pulled");
        pair.mutate(&client, 1..=5).await;
        client.flush().await.expect("pushed");
        run.mark("flushed 5");
        pair.mutate(&client, 6..=7).await;
        client.pull_once().await.expect("pulled");
        pair.neighbour_writes(100, 12).await;
        pair.mutate(&client, 8..=9).await;
        sync(&client).await;
        run.mark("flushed 9");
        raw(&run.folder.join("store.db")).batch("PRAGMA wal_checkpoint(RESTART)").expect("moved");
        pair.mutate(&client, 10..=12).await;
        client.push_once().await.expect("pushed");
        client.close().await;
        drop(client);
        run.mark("closed");
        let client = pair.client().await;
        pair.mutate(&client, 13..=14).await;
        client.flush().await.expect("pushed");
        pair.mutate(&client, 15..=16).await;
        std::process::exit(0);
    });
}

/// A client that finds its store after a power loss, and goes on with the mutation after this one.
#[test]
#[ignore = "a part for a process of its own"]
fn reopen() {
    let Some(run) = Run::of("parts::reopen") else { return };
    let last: u64 = run.how.split(' ').next_back().and_then(|last| last.parse().ok()).expect("a number");
    runtime().block_on(async {
        let client = world::alone(&run.folder.join("store.db"), run.durability()).await.expect("opens");
        run.mark("opened");
        // Whatever is lost: these need nothing that is there.
        let step = |n| json!({ "step": { "id": world::uuid(n) }, "id": world::uuid(n), "name": "again" });
        for n in last + 1..=last + 2 {
            client.mutate_named("lists.create", &step(n)).await.expect("applied");
            run.mark(&format!("returned {n}"));
        }
        std::process::exit(0);
    });
}

/// What the compaction of [`server`] keeps.
fn keeps() -> CompactionOptions {
    let never = i64::MAX / 2;
    CompactionOptions::default().keep_ms(never).keep_entries(12).keep_deletes_ms(never).keep_folded(20).lease_ms(0)
}

/// The life of a server: pushes, compaction, a checkpoint, a restart.
#[test]
#[ignore = "a part for a process of its own"]
fn server() {
    let Some(run) = Run::of("parts::server") else { return };
    let file = run.folder.join("server.db");
    let push = async |server: &Server<App>, numbers: std::ops::RangeInclusive<u64>| {
        let (first, last) = (*numbers.start(), *numbers.end());
        run.mark(&format!("sent {last}"));
        let answer = server.respond(super::server::push(first, last)).await;
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        run.mark(&format!("answered {last}"));
    };
    runtime().block_on(async {
        let server = serve(&file).await.expect("serves");
        run.mark("opened");
        push(&server, 1..=1).await;
        push(&server, 2..=6).await;
        let device = run.keep.join("device.db");
        let standing = connected(SqliteStore::open(&device), "user0", Durability::Full, &server).await.expect("opens");
        standing.pull_once().await.expect("pulled");
        standing.close().await;
        run.mark("device");
        push(&server, 7..=7).await;
        raw(&file).batch("UPDATE lists SET name = name || '!' WHERE id LIKE '%1'").expect("changed");
        run.mark("changed");
        push(&server, 8..=12).await;
        raw(&file).batch("PRAGMA wal_checkpoint(RESTART)").expect("moved");
        push(&server, 13..=14).await;
        server.compact_change_log(keeps()).await.expect("compacted");
        run.mark("compacted");
        push(&server, 15..=16).await;
        server.close();
        drop(server);
        let server = serve(&file).await.expect("serves again");
        push(&server, 17..=18).await;
        server.compact_change_log(keeps()).await.expect("compacted");
        push(&server, 19..=19).await;
        std::process::exit(0);
    });
}
