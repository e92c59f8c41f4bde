//! Mutations a second through the whole server path: decode and check the push, run the mutator, check the policy,
//! triggers, ledger and outcome, durable commit, encode the answer. With 1, 16 and 200 mutations a push, and with 32 clients whose pushes of one
//! mutation share a commit.
//!
//! The baseline is a raw rusqlite program on the same tables with the same triggers, at the same durability
//! (`synchronous = FULL`), with as many mutations a transaction: it inserts the row, the ledger row and the outcome.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::type_complexity,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark"
)]

mod util;

use std::path::Path;
use std::sync::Arc;

use plasma_runtime::server::handler::check::push;
use plasma_runtime::server::{Caller, PushJob};
use util::load::{Load, NOW, bodies, check, engine, now, raw_round};
use util::schema::Ctx;
use util::{Numbers, Samples, folder, rate, rounds, timed};

const LOADS: [Load; 4] = [
    Load { what: "server path, 1 mutation a push", clients: 1, size: 1, turns: 1_000 },
    Load { what: "server path, 16 mutations a push", clients: 1, size: 16, turns: 250 },
    Load { what: "server path, 200 mutations a push", clients: 1, size: 200, turns: 40 },
    Load { what: "server path, 32 clients, 1 mutation each", clients: 32, size: 1, turns: 150 },
];

fn main() {
    for load in &LOADS {
        let (mut plasma, mut full, mut bare) = (Samples::default(), Samples::default(), Samples::default());
        let count = (load.clients * load.size * load.turns) as f64;
        for round in 0..rounds(5) {
            let folder = folder();
            plasma.push(count / plasma_round(load, &folder.path().join("plasma.db"), round));
            full.push(count / raw_round(load, &folder.path().join("raw.db"), round, true));
            bare.push(count / raw_round(load, &folder.path().join("bare.db"), round, false));
        }
        rate(load.what, "mutations/s", &plasma, &full, Some(0.8));
        rate("  against rows and log only, no ledger", "mutations/s", &plasma, &bare, None);
    }
}

/// Seconds.
fn plasma_round(load: &Load, path: &Path, round: usize) -> f64 {
    let (engine, mut db) = engine(path);
    let turns = bodies(load, round);
    let caller = Caller { group: "alice".to_owned(), ctx: Arc::new(Ctx { user: "alice".to_owned() }) };
    let mut entropy = Numbers(7);
    let (elapsed, ()) = timed(|| {
        for turn in &turns {
            let jobs: Vec<PushJob> = turn
                .iter()
                .map(|body| push(body.as_bytes(), engine.limits(), engine.lenses(), &caller).expect("a push"))
                .map(|request| PushJob { caller: caller.clone(), request })
                .collect();
            for answer in now(Box::pin(engine.push_group(&mut db, NOW, &mut entropy, &jobs))) {
                let answer = answer.expect("the push is taken");
                std::hint::black_box(serde_json::to_string(&answer).expect("an answer"));
            }
        }
    });
    check(db.connection(), load, true);
    elapsed.as_secs_f64()
}
