//! Scenario `bootstrap_rows`: the first pull of a new client, 100,000 todos (`PLASMA_BENCH_ROWS` says another number) in
//! lists of 100, from a server with policies, over HTTP on loopback, into a file, until the first live result.
//!
//! The baseline is a raw rusqlite program that inserts the same rows, which it has in memory, into the same tables in
//! one transaction at the client's durability (`synchronous = NORMAL`).

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

#[path = "util/first_sync.rs"]
mod first_sync;
mod util;

use first_sync::{FIRST, Served, all_rows, counted, run, runtime, timed_role};
use plasma::prelude::*;
use plasma_runtime::client::Client;
use util::local::list_id;
use util::schema::{Bench, List, Todo};
use util::{Samples, folder, rate, rounds};

fn main() {
    run::<Bench>(|client| Box::pin(first_rows(client)), measure);
}

/// The newest todos of a list.
async fn first_rows(client: &Client<Bench>) -> usize {
    let list: Id<List> = list_id(0).parse().expect("an id");
    let query = Todo::select().filter(Todo::list_id.eq(list)).order_by(Todo::created_at.desc()).limit(FIRST as u64);
    let live = client.live(query);
    live.when_ready().await.expect("the first rows");
    live.rows().len()
}

fn measure() {
    let folder = folder();
    let server = Served::start::<Bench>(&folder.path().join("server.db"));
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    let (mut client_kib, mut raw_kib) = (Samples::default(), Samples::default());
    for round in 0..rounds(5) {
        let (seconds, kib) = timed_role("pages", &folder.path().join(format!("{round}.db")), Some(server.address));
        plasma.push(all_rows() as f64 / seconds);
        client_kib.push(kib);
        let (seconds, kib) = timed_role("raw", &folder.path().join(format!("raw{round}.db")), None);
        baseline.push(all_rows() as f64 / seconds);
        raw_kib.push(kib);
    }
    // One more pull, through a relay that counts: it is not timed.
    let bytes = runtime().block_on(counted::<Bench>(server.address, &folder.path().join("counted.db")));
    let server_kib = server.stop();
    rate(format!("first sync of {} rows by pages", all_rows()), "rows/s", &plasma, &baseline, Some(0.4));
    println!("  bytes from the server: {bytes} ({:.1} a row)", bytes as f64 / all_rows() as f64);
    println!(
        "  peak memory, MiB: server {:.0}, client {:.0}, raw program {:.0}",
        server_kib / 1024.0,
        client_kib.median() / 1024.0,
        raw_kib.median() / 1024.0
    );
}
