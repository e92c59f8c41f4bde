//! The two processes of a network run: a server, and a device with a store of its own.
//!
//! A device works at its own pace and says on standard output what it does, a line each: `asks N` before a transaction,
//! `returned N` once `mutate` has, `broken ..` when a view of its own breaks a promise. On standard input it is told
//! `quiet` (no more transactions) and `state` (say what you hold).

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plasma::client::{
    Client, Durability, EngineOptions, Headers, HttpOptions, HttpTransport, OutcomeStatus, RetryPolicy, SqliteStore,
};
use plasma::prelude::*;
use plasma::server::Server;
use plasma::sim::Rng;
use serde::{Deserialize, Serialize};

use super::super::child::{authenticate, database, playing, say};
use super::app::{App, COUNTERS, Entry, REGISTERS, Register, Tally, Transact};
use super::view::View;
use crate::sim::schema::Caller;

/// Every time limit of a device is the library's default divided by this, so that a run takes seconds.
pub(super) const FASTER: u32 = 4;

const ORDERS: &str = "PLASMA_TEST_ORDERS";

/// What a device process is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Orders {
    /// The proxy's address.
    pub(super) server: String,
    pub(super) device: i64,
    pub(super) seed: u64,
    /// The number of the last transaction for which `mutate` returned, before it was killed.
    pub(super) made: i64,
    /// The time between two transactions, ms, on average; 0 is for none.
    pub(super) pace_ms: u64,
}

impl Orders {
    pub(super) fn give(&self, command: &mut std::process::Command) {
        command.env(ORDERS, serde_json::to_string(self).expect("JSON"));
    }
}

/// What a device says when asked for its state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) pending: u64,
    pub(super) unobserved: u64,
    /// Mutations that ended otherwise than applied.
    pub(super) failed: Vec<String>,
    pub(super) status: String,
    pub(super) view: View,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A server of the network application.
#[test]
#[ignore = "a part for a process of its own"]
fn serve() {
    let Some(store) = playing("network::device::serve") else { return };
    runtime().block_on(async {
        let server = Server::<App>::builder(database(store)).auth(authenticate).open().await.expect("opens");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        say(format_args!("listening on {}", listener.local_addr().expect("an address")));
        server.serve(listener, std::future::pending()).await.expect("serves");
    });
}

/// A device, until it is killed or its standard input ends.
#[test]
#[ignore = "a part for a process of its own"]
fn live() {
    let Some(store) = playing("network::device::live") else { return };
    let orders = std::env::var(ORDERS).expect("orders");
    let orders: Orders = serde_json::from_str(&orders).expect("orders");
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || sender.send(line.expect("read")).is_err() {
                return;
            }
        }
    });
    runtime().block_on(async {
        let client = open(store, &orders).await;
        client.start().expect("started");
        let quiet = Arc::new(AtomicBool::new(orders.pace_ms == 0));
        let work = tokio::spawn(work(client.clone(), orders, Arc::clone(&quiet)));
        while let Some(line) = told.recv().await {
            match line.as_str() {
                "quiet" => quiet.store(true, Ordering::Release),
                "state" if work.is_finished() => {
                    say(format_args!("state {}", serde_json::to_string(&state(&client).await).expect("JSON")));
                }
                _ => say(format_args!("busy")),
            }
        }
    });
}

async fn open(store: std::path::PathBuf, orders: &Orders) -> Client<App> {
    let quick = |ms: u64| ms / u64::from(FASTER);
    let defaults = EngineOptions::default();
    // Two devices a person.
    let user = format!("user{}", orders.device / 2);
    let options = EngineOptions {
        group: Some(user.clone()),
        durability: Durability::Normal,
        poll_interval_ms: quick(defaults.poll_interval_ms),
        max_poll_interval_ms: quick(defaults.max_poll_interval_ms),
        retry: RetryPolicy {
            attempts: defaults.retry.attempts,
            first_ms: quick(defaults.retry.first_ms),
            max_ms: quick(defaults.retry.max_ms),
        },
        long_poll_ms: quick(defaults.long_poll_ms),
        lease_ms: quick(defaults.lease_ms),
        ..defaults
    };
    let mut http = HttpOptions::default();
    http.connect_timeout /= FASTER;
    http.read_timeout /= FASTER;
    http.max_read_timeout /= FASTER;
    http.idle_timeout /= FASTER;
    let endpoint = orders.server.parse().expect("an endpoint");
    let token = user.clone();
    Client::<App>::builder(SqliteStore::open(store))
        .engine_options(options)
        .transport(HttpTransport::with_options(endpoint, http).expect("a transport"))
        // The default is 90 s.
        .request_timeout(Duration::from_secs(90) / FASTER)
        .auth(move || {
            let token = token.clone();
            async move { Ok(Headers::bearer(token)) }
        })
        .ctx(Caller { user })
        .on_error(|error| say(format_args!("note {error:?}")))
        .open()
        .await
        .expect("opened")
}

async fn view(client: &Client<App>) -> View {
    let registers = Register::select().order_by(Register::id.asc());
    let tallies = Tally::select().order_by(Tally::id.asc());
    let entries = Entry::select().order_by(Entry::n.asc());
    let (registers, tallies, entries) = client
        .read(async |tx| Ok((tx.all(registers).await?, tx.all(tallies).await?, tx.all(entries).await?)))
        .await
        .expect("readable");
    let mut entries: Vec<_> =
        entries.into_iter().map(|entry| (entry.id.to_string(), entry.device, entry.n, entry.after)).collect();
    entries.sort_by_key(|(_, device, n, _)| (*device, *n));
    View {
        registers: registers.into_iter().map(|register| (register.id.to_string(), register.value)).collect(),
        tallies: tallies.into_iter().map(|tally| tally.n).collect(),
        entries,
    }
}

async fn state(client: &Client<App>) -> State {
    let outcomes = client.outcomes().await.expect("readable");
    let failed = outcomes.iter().filter(|outcome| outcome.status != OutcomeStatus::Applied);
    let failed = failed.map(|outcome| format!("{outcome:?}")).collect();
    // The rows first: what the status says of the queue then holds for them too, while nothing is written.
    let view = view(client).await;
    let status = client.status().get();
    State { pending: status.pending, unobserved: status.unobserved, failed, status: format!("{status:?}"), view }
}

async fn work(client: Client<App>, orders: Orders, quiet: Arc<AtomicBool>) {
    let mut rng = Rng::new(orders.seed);
    let mut made = orders.made;
    let mut before: Option<View> = None;
    while !quiet.load(Ordering::Acquire) {
        let now = view(&client).await;
        if let Err(broken) = now.promises(before.as_ref(), orders.device, made) {
            say(format_args!("broken {broken}"));
        }
        // One more than it knows of, when it was killed before it could say so.
        let next = now.made_by(orders.device) + 1;
        // The first page brings all of them.
        if now.registers.len() as i64 == REGISTERS && now.tallies.len() as i64 == COUNTERS {
            let args = transaction(&mut rng, &client, &orders, next, &now);
            say(format_args!("asks {next}"));
            client.mutate(args).await.expect("mutates");
            say(format_args!("returned {next}"));
            made = next;
            before = Some(now);
        }
        tokio::time::sleep(Duration::from_millis(rng.between(0, 2 * orders.pace_ms))).await;
    }
}

fn transaction(rng: &mut Rng, client: &Client<App>, orders: &Orders, n: i64, now: &View) -> Transact {
    // In order: else Postgres waits a second for each deadlock before it ends one.
    let registers: std::collections::BTreeSet<i64> = (0..4).map(|_| rng.below(REGISTERS as usize) as i64).collect();
    let others: Vec<_> = now.entries.iter().filter(|(_, device, ..)| *device != orders.device).collect();
    Transact {
        entry: client.new_id(),
        device: orders.device,
        n,
        after: rng.pick(&others).map(|(id, ..)| id.clone()),
        registers: registers.into_iter().collect(),
        value: n * 100 + orders.device,
        tally: rng.below(COUNTERS as usize) as i64,
    }
}
