//! Scenario `push_postgres`: mutations a second of one client over HTTP on loopback, on Postgres (`fsync` and
//! `synchronous_commit` on, default settings), serializable, with the change log, policies, the ledger and the sequencer;
//! and how long a push takes to be acknowledged. A client has one push under way: what is mutated meanwhile goes with
//! the next, so a push has as many mutations as a client makes while it waits. And of 32 clients at once.
//!
//! The floors, on the same tables with the same triggers, prepared, on one connection for each client, in the same run: a
//! single `INSERT` a transaction; all rows of a push in one `INSERT`; and a program that keeps a ledger with a statement
//! for each thing, one mutation a transaction.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::sync::Arc;
use std::time::Instant;

use plasma_runtime::server::PostgresDatabase;
use plasma_test_postgres::{Database, Durability, Server as Postgres};
use tokio::sync::Barrier;
use util::http::{Serving, open, pushed, runtime};
use util::load::{LIST, Load};
use util::postgres::{Statements, connect};
use util::{Numbers, SCENARIO, Samples, out, rate, rounds};

/// Turns before the clock starts: connections, and what Postgres learns of each statement.
const WARM_UP: usize = 20;

const LOADS: [Load; 6] = [
    Load { what: "push_postgres, 1 mutation a push", clients: 1, size: 1, turns: 800 },
    Load { what: "push_postgres, 4 mutations a push", clients: 1, size: 4, turns: 600 },
    Load { what: "push_postgres, 8 mutations a push", clients: 1, size: 8, turns: 420 },
    Load { what: "push_postgres, 32 mutations a push", clients: 1, size: 32, turns: 200 },
    Load { what: "push_postgres, 200 mutations a push", clients: 1, size: 200, turns: 60 },
    Load { what: "push_postgres, 32 clients, 1 mutation a push", clients: 32, size: 1, turns: 120 },
];

fn main() {
    let runtime = runtime();
    let Some(postgres) = Postgres::start(Durability::Full) else {
        println!("no Postgres binaries: scripts/install-postgres");
        return;
    };
    for load in &LOADS {
        let mut acks = Samples::default();
        let mut all: [Samples; 4] = Default::default();
        for round in 0..rounds(5) {
            let databases = [(); 4].map(|()| postgres.database());
            runtime.block_on(async {
                all[0].push(plasma_round(load, &databases[0], round, &mut acks).await);
                for (at, floor) in [Floor::Single, Floor::Batch, Floor::Ledger].into_iter().enumerate() {
                    all[at + 1].push(raw_round(load, &databases[at + 1], floor).await);
                }
            });
        }
        let [plasma, single, batch, ledger] = all;
        rate(load.what, "mutations/s", &plasma, &single, None);
        rate("  against all rows of a push in one INSERT", "mutations/s", &plasma, &batch, None);
        rate("  against a ledger kept by statements", "mutations/s", &plasma, &ledger, None);
        out::record_times(SCENARIO, load.what, "ack", &acks);
        println!("  ack of a push p50 {:.0} us, p99 {:.0} us", acks.median(), acks.quantile(0.99));
    }
}

/// A server, and one list.
async fn server(database: &Database) -> Serving {
    let serving = Serving::start(open(PostgresDatabase::url(&database.url)).await).await;
    let raw = connect(database).await;
    raw.execute("INSERT INTO lists (id, name, owner) VALUES ($1, 'list', 'alice')", &[&LIST]).await.expect("a list");
    serving
}

/// Mutations a second.
async fn plasma_round(load: &Load, database: &Database, round: usize, acks: &mut Samples) -> f64 {
    let serving = server(database).await;
    let rate = pushed(&serving, load, round, WARM_UP, acks).await;
    serving.end().await;
    let count = "SELECT (SELECT count(*) FROM todos), (SELECT count(*) FROM _plasma_outcomes WHERE status = 'applied'), \
                 (SELECT count(*) FROM _plasma_changes WHERE table_name = 'todos')";
    let row = connect(database).await.query_one(count, &[]).await.expect("counts");
    for at in 0..3 {
        assert_eq!(row.get::<_, i64>(at) as usize, load.clients * load.turns * load.size);
    }
    rate
}

/// A program to compare with.
#[derive(Debug, Clone, Copy)]
enum Floor {
    Single,
    Batch,
    Ledger,
}

/// Mutations a second.
async fn raw_round(load: &Load, database: &Database, floor: Floor) -> f64 {
    server(database).await.end().await;
    // The floors of one row have as many transactions as plasma has pushes.
    let rows = if matches!(floor, Floor::Batch) { load.size } else { 1 };
    let mut connected = Vec::new();
    for client in 0..load.clients {
        let db = connect(database).await;
        let statements = Statements::prepare(&db).await.expect("statements");
        connected.push((db, statements, Numbers(1_000 + client as u64)));
    }
    let turns = load.turns;
    let warm = Arc::new(Barrier::new(load.clients + 1));
    let clients: Vec<_> = connected
        .into_iter()
        .map(|(mut db, statements, mut numbers)| {
            let warm = Arc::clone(&warm);
            tokio::spawn(async move {
                let client = numbers.id();
                for turn in 0..turns {
                    if turn == WARM_UP {
                        warm.wait().await;
                    }
                    match floor {
                        Floor::Ledger => statements.mutation(&mut db, &client, turn as i64 + 1, &mut numbers).await,
                        Floor::Single | Floor::Batch => {
                            let ids: Vec<String> = (0..rows).map(|_| numbers.id()).collect();
                            statements.rows(&db, &ids).await
                        }
                    }
                    .expect("a transaction");
                }
            })
        })
        .collect();
    warm.wait().await;
    let start = Instant::now();
    for client in clients {
        client.await.expect("a client");
    }
    (load.clients * (turns - WARM_UP) * rows) as f64 / start.elapsed().as_secs_f64()
}
