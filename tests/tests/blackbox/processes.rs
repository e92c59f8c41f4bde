//! Several server processes on one Postgres, under clients that talk to any of them, while processes are killed.
//!
//! In the end: every mutation that `mutate` returned for is applied once or rejected and reported, no queue is left,
//! and every device holds what the server holds.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plasma::client::event::SendFailure;
use plasma::client::{Client, Headers, HttpTransport, OutcomeStatus, RetryPolicy, SqliteStore, Transport};
use plasma::future::BoxFuture;
use plasma::prelude::*;
use plasma::protocol::{WireRequest, WireResponse};
use plasma::sim::Rng;

use super::child::Serving;
use crate::place::{Data, Place};
use crate::sim::schema::{Account, App, Caller, Counter, CreateList, Entry, HitCounter, Step, Transfer};

const SERVERS: usize = 3;
const CLIENTS: usize = 6;
const ACCOUNTS: i64 = 4;
const BALANCE: i64 = 1_000;

/// Where the servers are just now; a place in the list stays that of a server that was killed.
type Addresses = Arc<Mutex<Vec<SocketAddr>>>;

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A load balancer without memory: any request goes to any server.
struct Any {
    addresses: Addresses,
    rng: Mutex<Rng>,
}

impl Transport for Any {
    fn send<'a>(&'a self, request: WireRequest, headers: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        let at = lock(&self.rng).between(0, SERVERS as u64 - 1) as usize;
        let address = lock(&self.addresses)[at];
        Box::pin(async move {
            let endpoint = format!("http://{address}").parse().expect("an endpoint");
            HttpTransport::new(endpoint).expect("a transport").send(request, headers).await
        })
    }
}

async fn client(addresses: &Addresses, number: usize) -> Client<App> {
    let user = format!("user{number}");
    let token = user.clone();
    let rng = Mutex::new(Rng::new(number as u64 + 1));
    Client::<App>::builder(SqliteStore::in_memory())
        .transport(Any { addresses: addresses.clone(), rng })
        .auth(move || {
            let token = token.clone();
            async move { Ok(Headers::bearer(token)) }
        })
        .ctx(Caller { user: user.clone() })
        .group(user)
        // A killed server is no reason to wait for long.
        .retry(RetryPolicy { attempts: 20, first_ms: 5, max_ms: 100 })
        .poll_interval(Duration::from_millis(200))
        .open()
        .await
        .expect("opened")
}

fn account(number: i64) -> Id<Account> {
    Id::derive(number)
}

/// One mutation of a person; returns the id of its audit row.
async fn act(client: &Client<App>, rng: &mut Rng) -> plasma::Result<Id<Entry>> {
    let id = client.new_id();
    let step = Step { id, after: None };
    match rng.between(0, 2) {
        0 => {
            let from = rng.between(0, ACCOUNTS as u64 - 1) as i64;
            let to = (from + 1) % ACCOUNTS;
            let amount = rng.between(1, 50) as i64;
            client.mutate(Transfer { step, from: account(from), to: account(to), amount }).await?;
        }
        1 => drop(client.mutate(HitCounter { step, name: format!("c{}", rng.between(0, 2)) }).await?),
        _ => drop(client.mutate(CreateList { step, id: client.new_id(), name: "a list".into() }).await?),
    }
    Ok(id)
}

/// What every device may read, in order.
async fn held(client: &Client<App>) -> (Vec<(Id<Account>, i64)>, Vec<(String, i64)>, Vec<Id<Entry>>) {
    let accounts = Account::select().order_by(Account::id.asc()).project((Account::id, Account::balance));
    let counters = Counter::select().order_by(Counter::name.asc()).project((Counter::name, Counter::n));
    let entries = Entry::select().order_by(Entry::id.asc()).project(Entry::id);
    client
        .read(async |tx| Ok((tx.all(accounts).await?, tx.all(counters).await?, tx.all(entries).await?)))
        .await
        .expect("readable")
}

#[test_case::test_case(Place::Postgres; "postgres")]
fn nothing_is_lost_between_three_processes_of_which_some_are_killed(place: Place) {
    let Some(data) = place.data() else { return };
    let deep = std::env::var_os("PLASMA_DEEP").is_some();
    let (mutations, kills) = if deep { (1_000, 60) } else { (40, 4) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(run(Arc::new(data), mutations, kills));
}

async fn start(data: &Arc<Data>) -> Serving {
    let data = Arc::clone(data);
    tokio::task::spawn_blocking(move || Serving::start(&data)).await.expect("a server starts")
}

async fn run(data: Arc<Data>, mutations: usize, kills: usize) {
    // All at once, over an empty database: each makes the schema, or finds it made.
    let starting: Vec<_> = (0..SERVERS)
        .map(|_| {
            let data = Arc::clone(&data);
            tokio::spawn(async move { start(&data).await })
        })
        .collect();
    let mut servers = Vec::new();
    for server in starting {
        servers.push(server.await.expect("a server"));
    }
    for number in 0..ACCOUNTS {
        data.sql(&format!("INSERT INTO accounts (id, balance) VALUES ('{}', {BALANCE})", account(number)));
    }
    let addresses: Addresses = Arc::new(Mutex::new(servers.iter().map(|server| server.address).collect()));
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let client = client(&addresses, number).await;
        client.start().expect("started");
        clients.push(client);
    }

    let acting: Vec<_> = clients
        .iter()
        .enumerate()
        .map(|(number, client)| {
            let (client, mut rng) = (client.clone(), Rng::new(100 + number as u64));
            tokio::spawn(async move {
                let mut returned = Vec::new();
                while returned.len() < mutations {
                    match act(&client, &mut rng).await {
                        Ok(id) => returned.push(id),
                        // Refused here: what it asks for is not there (yet).
                        Err(error) => assert!(matches!(error.code(), "not-found" | "overdrawn"), "{error}"),
                    }
                    // One at a time, so that pushes and kills meet.
                    if rng.between(0, 3) == 0 {
                        let _ = client.flush().await;
                    }
                    tokio::task::yield_now().await;
                }
                returned
            })
        })
        .collect();
    let mut rng = Rng::new(7);
    for _ in 0..kills {
        // When something has happened since: not by the clock.
        let before = data_entries(&data).await;
        let goal = before + 10;
        while data_entries(&data).await < goal && !acting.iter().all(tokio::task::JoinHandle::is_finished) {}
        let at = rng.between(0, SERVERS as u64 - 1) as usize;
        let killed = std::mem::replace(&mut servers[at], start(&data).await);
        lock(&addresses)[at] = servers[at].address;
        tokio::task::spawn_blocking(move || killed.kill()).await.expect("killed");
    }
    let mut returned = BTreeSet::new();
    for one in acting {
        returned.extend(one.await.expect("nobody panics").into_iter().map(|id| id.to_string()));
    }

    // It heals by itself, within a bound that only a hang misses.
    let healed = tokio::time::timeout(Duration::from_secs(120), async {
        for client in &clients {
            loop {
                let status = client.status().get();
                if status.pending == 0 && status.unobserved == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        loop {
            let mut all = Vec::new();
            for client in &clients {
                all.push(held(client).await);
            }
            if all.windows(2).all(|pair| pair[0] == pair[1]) && all[0].2.len() as i64 == data_entries(&data).await {
                return all.swap_remove(0);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let Ok((accounts, counters, entries)) = healed.await else {
        let stuck: Vec<_> = clients.iter().map(|client| client.status().get()).collect();
        panic!("the queues do not drain, or the devices differ: {stuck:#?}");
    };

    let entries: BTreeSet<String> = entries.into_iter().map(|id| id.to_string()).collect();
    let mut rejected = 0;
    for client in &clients {
        for outcome in client.outcomes().await.expect("readable") {
            match outcome.status {
                OutcomeStatus::Applied => {}
                OutcomeStatus::Rejected => {
                    let code = outcome.error.expect("a reason").code;
                    assert!(matches!(code.as_str(), "overdrawn" | "not-found"), "{code}");
                    rejected += 1;
                }
                other => panic!("a mutation ended as {other:?}"),
            }
        }
    }
    assert!(entries.is_subset(&returned), "rows of nobody's mutations");
    assert_eq!(entries.len() + rejected, returned.len(), "applied once, or rejected and reported");
    let total: i64 = accounts.iter().map(|(_, balance)| balance).sum();
    assert_eq!(total, ACCOUNTS * BALANCE, "money is moved, never made");
    for (name, n) in counters {
        let counted = data.integers(&format!("SELECT count(*) FROM entries WHERE counted = '{name}'"));
        assert_eq!(counted, [n], "each hit counts once");
    }
}

async fn data_entries(data: &Arc<Data>) -> i64 {
    let data = Arc::clone(data);
    let count = tokio::task::spawn_blocking(move || data.integers("SELECT count(*) FROM entries")[0]);
    count.await.expect("counted")
}
