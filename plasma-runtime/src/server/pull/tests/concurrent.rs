//! Many writers against many pullers on one Postgres: nothing is missed, nothing comes twice, and a page's rows and
//! acknowledgements are of one cut.
//!
//! `PLASMA_LOG_SECONDS=60` runs it longer, `PLASMA_LOG_WRITERS` and `PLASMA_LOG_PULLERS` with more tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use super::compaction::keep;
use super::database::{Database, on_postgres};
use super::world::{Random, World, id, key, request, user};
use crate::error::Result;
use crate::protocol::cookie::Position;
use crate::protocol::{MutationStatus, PatchOp, PullResponse};
use crate::server::ledger::unit::{self, Who};
use crate::server::ledger::{self, Stored};
use crate::server::tests::fixture::Counter;
use crate::server::{Caller, Compaction, ServerEngine};
use crate::store::SqlExecutor;
use crate::store::postgres::error::is_retryable;
use crate::store::postgres::{PostgresConnection, PostgresOptions, PostgresPool};
use crate::value::{Kind, Value};

fn asked(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

const ACCOUNTS: u64 = 6;

fn account(n: u64) -> String {
    id(&format!("A{n}"))
}

/// The row that only this mutation writes.
fn own_row(writer: u64, mutation: u64) -> String {
    format!("{writer:08x}-0000-4001-8000-{mutation:012x}")
}

/// Writes until it is told to stop. Each mutation leaves a row of its own, moves an amount between two accounts, and
/// now and then changes what `bob` may see; in between there are raw transactions.
async fn write(db: &mut PostgresConnection, writer: u64, stop: &AtomicBool, all: &AtomicU64) -> Result<()> {
    let mut random = Random(writer);
    let client = format!("writer-{writer}");
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let raw = random.below(4) == 0;
        let (from, to) = (random.below(ACCOUNTS), random.below(ACCOUNTS));
        let amount = random.below(100) as i64;
        let mut statements = vec![
            format!("UPDATE notes SET big = big - {amount} WHERE id = '{}'", account(from)),
            format!("UPDATE notes SET big = big + {amount} WHERE id = '{}'", account(to)),
        ];
        let (list, share) = (id(&format!("L{}", random.below(3))), id(&format!("S{}", random.below(4))));
        statements.extend(match random.below(6) {
            0 => Some(format!("INSERT INTO shares VALUES ('{share}', '{list}', 'bob') ON CONFLICT DO NOTHING")),
            1 => Some(format!("DELETE FROM shares WHERE id = '{share}'")),
            2 => Some(format!(
                "UPDATE todos SET title = 'by {writer}', list_id = '{list}' WHERE id = '{}'",
                id(&format!("T{}", random.below(6)))
            )),
            _ => None,
        });
        let at = random.below(statements.len() as u64 + 1) as usize;
        if !raw {
            statements.insert(at, format!("INSERT INTO notes (id, small) VALUES ('{}', 1)", own_row(writer, done + 1)));
        }
        match unit_of(db, &client, (!raw).then_some(done + 1), &statements).await {
            Ok(()) => {
                done += u64::from(!raw);
                all.fetch_add(1, Ordering::Relaxed);
            }
            // Deadlocks among the accounts.
            Err(error) if is_retryable(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn unit_of(
    db: &mut PostgresConnection,
    client: &str,
    mutation: Option<u64>,
    statements: &[String],
) -> Result<()> {
    let done = async {
        db.batch("BEGIN; SET LOCAL deadlock_timeout = '10ms'").await?;
        let who = mutation.map(|mutation| Who { group: "bob", client, mutation });
        if let Some(who) = who {
            ledger::lock(db, client, who.group, 5).await?;
            unit::begin(db, Some(who), &mut Counter::default(), 5).await?;
            db.batch("SAVEPOINT mutation").await?;
        }
        for sql in statements {
            db.batch(sql).await?;
        }
        if let Some(who) = who {
            db.batch("RELEASE mutation").await?;
            let key = key(client, who.mutation);
            let stored = Stored { key, status: MutationStatus::Applied, error: None, effects: None };
            let position = unit::finish(db, who, &stored, false, true, &mut 0, &mut Counter::default(), 5).await?;
            ledger::advance(db, client, who.group, who.mutation, position, 5).await?;
        }
        db.batch("COMMIT").await
    };
    let done = done.await;
    if done.is_err() && db.in_transaction() {
        db.batch("ROLLBACK").await?;
    }
    done
}

/// A reader of the writers' group, that checks every page.
#[derive(Default)]
struct Device {
    cookie: Option<String>,
    at: u64,
    staged: Vec<PatchOp>,
    held: BTreeMap<String, BTreeMap<String, Json>>,
    acknowledged: BTreeMap<String, u64>,
    once: BTreeSet<String>,
    /// Where entries are folded a row may come again.
    may_come_again: bool,
    pages: u64,
}

impl Device {
    async fn pull(&mut self, engine: &ServerEngine, db: &mut PostgresConnection, limit: u64) -> Result<bool, String> {
        let caller = Caller { group: "bob".to_owned(), ctx: Arc::new(user("bob")) };
        let request = request("bob", "device", self.cookie.as_deref(), limit);
        let pulled = engine.pull(db, 0, &caller, &request).await.map_err(|refusal| format!("{refusal:?}"))?;
        let more = pulled.response.has_more;
        self.take(pulled.response)?;
        Ok(more)
    }

    fn take(&mut self, page: PullResponse) -> Result<(), String> {
        let position = Position::decode(&page.cookie).map_err(|e| e.to_string())?;
        if position.at < self.at {
            return Err(format!("the cookie went back from {} to {}", self.at, position.at));
        }
        (self.at, self.cookie) = (position.at, Some(page.cookie));
        self.pages += 1;
        self.staged.extend(page.patch);
        if page.partial {
            return Ok(());
        }
        for op in std::mem::take(&mut self.staged) {
            match op {
                PatchOp::Clear { table: None } => {
                    self.held.clear();
                    self.once.clear();
                }
                PatchOp::Clear { table: Some(table) } => drop(self.held.remove(&table)),
                PatchOp::Put { table, id, value } => {
                    let row = serde_json::from_str(value.get()).map_err(|e| e.to_string())?;
                    if is_own(&id) && !self.once.insert(id.clone()) && !self.may_come_again {
                        return Err(format!("{id} came twice"));
                    }
                    self.held.entry(table).or_default().insert(id, row);
                }
                PatchOp::Del { table, id } => drop(self.held.entry(table).or_default().remove(&id)),
            }
        }
        self.acknowledged.extend(page.last_mutation_ids);
        Ok(())
    }

    /// What must hold between sets.
    fn check(&self) -> Result<(), String> {
        if !self.staged.is_empty() {
            return Ok(());
        }
        let Some(notes) = self.held.get("notes") else { return Ok(()) };
        let sum: i64 = notes
            .values()
            .filter_map(|row| row["big"].as_str())
            .map(|big| big.parse::<i64>().unwrap_or(i64::MAX / 100))
            .sum();
        if sum != 0 {
            return Err(format!("the accounts hold {sum} at {}", self.at));
        }
        let rows: BTreeSet<&str> = notes.keys().filter(|id| is_own(id)).map(String::as_str).collect();
        let mut expected = BTreeSet::new();
        for (client, last) in &self.acknowledged {
            let Some(writer) = client.strip_prefix("writer-").and_then(|n| n.parse().ok()) else { continue };
            expected.extend((1..=*last).map(|mutation| own_row(writer, mutation)));
        }
        let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
        if rows != expected {
            let early: Vec<_> = rows.difference(&expected).collect();
            let missing: Vec<_> = expected.difference(&rows).collect();
            return Err(format!(
                "at {}: rows without acknowledgement {early:?}, acknowledgements without rows {missing:?}",
                self.at
            ));
        }
        Ok(())
    }
}

fn is_own(id: &str) -> bool {
    id.contains("-4001-")
}

/// A slip of the reader, which has to be found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slip {
    None,
    /// Acknowledgements come from another snapshot than the rows.
    AckOutside,
}

/// Compacts all the time, to within a few positions of the head, in steps of a few entries.
async fn compact(engine: &ServerEngine, db: &mut PostgresConnection, stop: &AtomicBool) -> Result<u64> {
    let mut random = Random(77);
    let mut scanned = 0;
    while !stop.load(Ordering::Relaxed) {
        let options = keep(*random.of(&[0, 3, 20, 100]));
        // Now and then the floor rises to the bound.
        let deletes = if random.below(20) == 0 { i64::MIN / 2 } else { i64::MAX / 2 };
        let mut compaction = Compaction::new(options.keep_deletes_ms(deletes));
        let most = 1 + random.below(40) as usize;
        // It may be given up at any step.
        while random.below(60) > 0 && engine.compact_step(db, 0, &mut compaction, most).await? {}
        scanned += compaction.result().scanned;
        tokio::task::yield_now().await;
    }
    Ok(scanned)
}

async fn read(
    engine: &ServerEngine,
    db: &mut PostgresConnection,
    seed: u64,
    slip: Slip,
    compacting: bool,
    stop: &AtomicBool,
) -> Result<Device, String> {
    let mut random = Random(seed);
    let new = || Device { may_come_again: compacting, ..Device::default() };
    let mut device = new();
    while !stop.load(Ordering::Relaxed) {
        let limit = *random.of(&[1, 3, 10, 100, 1000]);
        if random.below(200) == 0 {
            // It starts anew.
            device = new();
        }
        device.pull(engine, db, limit).await?;
        if slip == Slip::AckOutside {
            let sql = "SELECT client_id, last_mutation_id FROM _plasma_client_mutations WHERE last_mutation_id > 0";
            let rows = db.query(sql, &[], &[Kind::Text, Kind::BigInt]).await.map_err(|e| e.to_string())?;
            for row in rows {
                if let [Value::Text(client), Value::Int(last)] = row.as_slice() {
                    device.acknowledged.insert(client.clone(), *last as u64);
                }
            }
        }
        device.check()?;
    }
    while device.pull(engine, db, 1000).await? {
        device.check()?;
    }
    device.check()?;
    Ok(device)
}

#[expect(clippy::disallowed_methods, reason = "a storm has tasks and a length")]
fn storm(slip: Slip, compacting: bool) -> Result<(), String> {
    let (writers, pullers) = (asked("PLASMA_LOG_WRITERS", 32), asked("PLASMA_LOG_PULLERS", 8));
    let seconds = asked("PLASMA_LOG_SECONDS", 2);
    let mut world = World::new();
    let mut setup: Vec<String> =
        (0..ACCOUNTS).map(|n| format!("INSERT INTO notes (id, big) VALUES ('{}', 0)", account(n))).collect();
    setup.extend((0..3).map(|n| format!("INSERT INTO lists VALUES ('{}', 'l', 'alice')", id(&format!("L{n}")))));
    setup.extend((0..6).map(|n| {
        format!(
            "INSERT INTO todos VALUES ('{}', '{}', 't', 0, NULL, 1)",
            id(&format!("T{n}")),
            id(&format!("L{}", n % 3))
        )
    }));
    world.write(None, &setup);
    let Database::Postgres(postgres) = &mut world.db else { unreachable!("it runs on Postgres only") };
    let mut options: PostgresOptions = postgres.options.clone();
    options.pool_size = (writers + pullers + 2) as usize;
    options.lock_timeout_ms = 30_000;
    let engine =
        Arc::new(ServerEngine::new(super::schema::definition(), crate::server::ServerOptions::default()).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let quiet = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let devices = postgres.runtime.block_on(async {
        let pool = PostgresPool::new(options).unwrap();
        let mut writing = Vec::new();
        for writer in 0..writers {
            let (pool, stop, done) = (pool.clone(), Arc::clone(&stop), Arc::clone(&done));
            writing.push(tokio::spawn(async move {
                let mut db = pool.get().await?;
                write(&mut db, writer, &stop, &done).await
            }));
        }
        let mut reading = Vec::new();
        for puller in 0..pullers {
            let (pool, quiet, engine) = (pool.clone(), Arc::clone(&quiet), Arc::clone(&engine));
            reading.push(tokio::spawn(async move {
                let mut db = pool.get().await.map_err(|e| e.to_string())?;
                read(&engine, &mut db, puller, slip, compacting, &quiet).await
            }));
        }
        let compactor = compacting.then(|| {
            let (pool, stop, engine) = (pool.clone(), Arc::clone(&stop), Arc::clone(&engine));
            tokio::spawn(async move {
                let mut db = pool.get().await?;
                compact(&engine, &mut db, &stop).await
            })
        });
        let until = Instant::now() + Duration::from_secs(seconds);
        // On a slow machine it goes on until it is one.
        while Instant::now() < until || done.load(Ordering::Relaxed) < 5 * writers {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if writing.iter().any(tokio::task::JoinHandle::is_finished)
                || reading.iter().any(tokio::task::JoinHandle::is_finished)
            {
                // One has failed, and says why below.
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        for task in writing {
            if let Err(error) = task.await.unwrap() {
                return Err(format!("a writer: {error:?}"));
            }
        }
        if let Some(compactor) = compactor {
            match compactor.await.unwrap() {
                Ok(scanned) => assert!(scanned > 100, "only {scanned} entries were compacted"),
                Err(error) => return Err(format!("the compactor: {error:?}")),
            }
        }
        quiet.store(true, Ordering::Relaxed);
        let mut devices = Vec::new();
        for task in reading {
            match task.await.unwrap() {
                Ok(device) => devices.push(device),
                Err(wrong) => return Err(wrong),
            }
        }
        Ok(devices)
    })?;
    let tables = world.read();
    let bob = user("bob");
    for device in &devices {
        let visible = |table: &'static str| -> BTreeMap<String, Json> {
            let rows = tables.0.get(table).into_iter().flatten();
            rows.filter(|(_, row)| tables.shows(&bob, table, row)).map(|(id, row)| (id.clone(), row.clone())).collect()
        };
        for table in super::model::SENT {
            let held = device.held.get(table).cloned().unwrap_or_default();
            if held != visible(table) {
                return Err(format!("{table}: {held:?} is held, {:?} is there", visible(table)));
            }
        }
    }
    #[expect(clippy::print_stderr, reason = "what was done, for who runs it long")]
    if std::env::var("PLASMA_LOG_SECONDS").is_ok() {
        let pages: u64 = devices.iter().map(|device| device.pages).sum();
        let units = done.load(Ordering::Relaxed);
        eprintln!("{writers} writers, {pullers} pullers, {seconds} s: {units} units, {pages} pages");
    }
    Ok(())
}

#[test]
fn many_writers_against_many_pullers() {
    on_postgres(|| storm(Slip::None, false).unwrap());
}

#[test]
fn many_writers_against_many_pullers_while_the_log_is_compacted() {
    on_postgres(|| storm(Slip::None, true).unwrap());
}

#[test]
fn acknowledgements_outside_of_the_cut_are_found() {
    on_postgres(|| {
        storm(Slip::AckOutside, false).unwrap_err();
    });
}
