//! Scenario `push_sqlite`: mutations a second of one client over HTTP on loopback, durable (`synchronous = FULL`), with the
//! change log, policies and the ledger; and how long a push takes to be acknowledged. A client has one push under way:
//! what is mutated meanwhile goes with the next, so a push has as many mutations as a client makes while it waits. And
//! of 32 clients at once, whose pushes share commits.
//!
//! The floors are raw rusqlite programs on the same tables with the same triggers, with as many mutations a transaction:
//! one that keeps a ledger, and one that writes rows and log only. No network, no decoding. Server and client share this
//! machine's cores.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use plasma_runtime::server::SqliteDatabase;
use util::http::{Serving, open, pushed, runtime};
use util::load::{Load, check, engine, raw_round};
use util::{SCENARIO, Samples, folder, out, rate, raw, rounds};

const LOADS: [Load; 5] = [
    Load { what: "push_sqlite, 1 mutation a push", clients: 1, size: 1, turns: 1_000 },
    Load { what: "push_sqlite, 8 mutations a push", clients: 1, size: 8, turns: 500 },
    Load { what: "push_sqlite, 32 mutations a push", clients: 1, size: 32, turns: 200 },
    Load { what: "push_sqlite, 200 mutations a push", clients: 1, size: 200, turns: 50 },
    Load { what: "push_sqlite, 32 clients, 1 mutation a push", clients: 32, size: 1, turns: 150 },
];

fn main() {
    let runtime = runtime();
    for load in &LOADS {
        let (mut plasma, mut full, mut bare) = (Samples::default(), Samples::default(), Samples::default());
        let mut acks = Samples::default();
        let count = (load.clients * load.size * load.turns) as f64;
        for round in 0..rounds(5) {
            let folder = folder();
            let path = folder.path().join("plasma.db");
            // The list the todos go to.
            drop(engine(&path));
            plasma.push(runtime.block_on(async {
                let serving = Serving::start(open(SqliteDatabase::file(&path)).await).await;
                let rate = pushed(&serving, load, round, 0, &mut acks).await;
                serving.end().await;
                rate
            }));
            check(&raw(&path, "FULL"), load, true);
            full.push(count / raw_round(load, &folder.path().join("raw.db"), round, true));
            bare.push(count / raw_round(load, &folder.path().join("bare.db"), round, false));
        }
        rate(load.what, "mutations/s", &plasma, &full, None);
        rate("  against rows and log only, no ledger", "mutations/s", &plasma, &bare, None);
        out::record_times(SCENARIO, load.what, "ack", &acks);
        println!("  ack of a push p50 {:.0} us, p99 {:.0} us", acks.median(), acks.quantile(0.99));
    }
}
