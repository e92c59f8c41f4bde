//! Scenario `mutate_memory`: a one-row mutation on a store of 100,000 rows under write-behind durability, from the call to
//! the callback of a live query of that row; the commit follows within 20 ms.
//!
//! The baseline writes the arguments as JSON and changes the row in a hash map: what no store can do without.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use plasma::prelude::*;
use plasma::value::Row;
use plasma_runtime::client::event::SendFailure;
use plasma_runtime::client::{Client, Durability, Headers, SqliteStore, Transport};
use plasma_runtime::future::BoxFuture;
use plasma_runtime::protocol::{WireRequest, WireResponse};
use util::local::{filled, id, todo};
use util::schema::{Bench, Ctx, SetDone, Todo};
use util::{Samples, folder, micros, raw, rounds, time};

const ROWS: usize = 100_000;
const COUNT: usize = 10_000;

/// A server that never answers: the loop runs, and nothing else does.
struct Silent;

impl Transport for Silent {
    fn send<'a>(&'a self, _: WireRequest, _: Headers) -> BoxFuture<'a, Result<WireResponse, SendFailure>> {
        Box::pin(std::future::pending())
    }
}

fn main() {
    let folder = folder();
    let template = folder.path().join("template.db");
    drop(filled(&template, ROWS));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (mut plasma, mut baseline, mut rate) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..rounds(3) {
        let path = folder.path().join(format!("{round}.db"));
        std::fs::copy(&template, &path).expect("a copy");
        rate.push(runtime.block_on(plasma_round(&path, &mut plasma)));
        std::fs::remove_file(&path).expect("the copy");
        raw_round(&mut baseline);
    }
    time("mutate to a one-row subscriber, write-behind", &plasma, &baseline, None);
    println!("  mutations a second, the commits included: {:.0}", rate.median());
    util::out::record(util::SCENARIO, "commits included", "plasma", "rate", rate.median(), "1/s");
}

/// Mutations a second, the last commit included.
async fn plasma_round(path: &std::path::Path, samples: &mut Samples) -> f64 {
    let client = Client::<Bench>::builder(SqliteStore::open(path))
        .group("alice")
        .ctx(Ctx { user: "alice".to_owned() })
        .durability(Durability::WriteBehind)
        .transport(Silent)
        .offline(true)
        .open()
        .await
        .expect("a client");
    client.start().expect("a loop");
    while !client.status().get().started {
        tokio::task::yield_now().await;
    }
    let todo: Id<Todo> = id(500).parse().expect("an id");
    let live = client.live_row(todo);
    live.when_ready().await.expect("the row");
    let (seen, shown) = channel::<bool>();
    let _subscription = live.subscribe(move |row: Option<&Todo>| {
        seen.send(row.is_some_and(|todo| todo.done)).expect("somebody waits");
    });
    let begin = Instant::now();
    let mut last = None;
    for n in 0..COUNT {
        let done = n % 2 == 0;
        let start = Instant::now();
        let receipt = client.mutate(SetDone { id: todo, done }).await.expect("a mutation");
        while shown.recv_timeout(Duration::from_secs(10)).expect("the callback comes") != done {}
        samples.push(micros(start.elapsed()));
        last = Some(receipt);
    }
    last.expect("a mutation").durable().await.expect("a commit");
    let rate = COUNT as f64 / begin.elapsed().as_secs_f64();
    client.close().await;
    drop(client);
    let db = raw(path, "NORMAL");
    let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).expect("a count") };
    assert_eq!(count("SELECT count(*) FROM todos WHERE done"), 0);
    assert_eq!(count("SELECT count(*) FROM _plasma_outbox"), COUNT as i64);
    assert_eq!(count("SELECT count(*) FROM _plasma_effects"), COUNT as i64);
    rate
}

fn raw_round(samples: &mut Samples) {
    let mut rows: HashMap<String, Row> = (0..ROWS).map(|n| (id(n), todo(n))).collect();
    let key = id(500);
    let mut queue = Vec::new();
    for n in 0..COUNT {
        let start = Instant::now();
        queue.push(serde_json::to_string(&serde_json::json!({ "id": key, "done": n % 2 == 0 })).expect("JSON"));
        let row = rows.get_mut(&key).expect("the row");
        row[3] = (n % 2 == 0).into();
        std::hint::black_box(&*row);
        samples.push(micros(start.elapsed()));
    }
    assert_eq!(queue.len(), COUNT);
}
