//! Mutations a second from 32 clients that push at the same time over HTTP on loopback, each one mutation a push and the
//! next when the last is answered. The server folds what has arrived into one durable commit.
//!
//! The baseline is the raw rusqlite program of `server_path` with 32 mutations a transaction: no network, no decoding,
//! and groups that are always full. Server and clients share this machine's cores.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]

mod util;

use std::path::Path;
use std::sync::Arc;

use plasma_runtime::client::{Headers, HttpTransport, Transport as _};
use plasma_runtime::protocol::{Method, WireRequest};
use plasma_runtime::server::{Auth, Server, SqliteDatabase};
use tokio::net::TcpListener;
use util::load::{Load, bodies, check, engine, raw_round};
use util::schema::{Bench, Ctx};
use util::{Samples, folder, rate, raw, rounds};

const LOAD: Load = Load { what: "32 clients over HTTP, 1 mutation a push", clients: 32, size: 1, turns: 100 };

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (mut plasma, mut baseline) = (Samples::default(), Samples::default());
    let count = (LOAD.clients * LOAD.size * LOAD.turns) as f64;
    for round in 0..rounds(5) {
        let folder = folder();
        plasma.push(count / runtime.block_on(plasma_round(&folder.path().join("plasma.db"), round)));
        baseline.push(count / raw_round(&LOAD, &folder.path().join("raw.db"), round, true));
    }
    rate(LOAD.what, "mutations/s", &plasma, &baseline, Some(0.5));
}

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Ctx>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user = header.and_then(|value| value.strip_prefix("Bearer "));
    let user = user.ok_or_else(|| plasma::Error::unauthorized("no token"))?;
    Ok(Auth::new(user, Ctx { user: user.to_owned() }))
}

/// Seconds.
async fn plasma_round(path: &Path, round: usize) -> f64 {
    // The list the todos go to.
    drop(engine(path));
    let server =
        Server::<Bench>::builder(SqliteDatabase::file(path)).auth(authenticate).open().await.expect("a server");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn({
        let server = server.clone();
        async move {
            server
                .serve(listener, async move {
                    // The sender's end is the word.
                    let _ = stopped.await;
                })
                .await
        }
    });
    let turns = Arc::new(bodies(&LOAD, round));
    let start = std::time::Instant::now();
    let clients: Vec<_> = (0..LOAD.clients)
        .map(|client| {
            let (turns, address) = (Arc::clone(&turns), address.clone());
            tokio::spawn(async move {
                let transport = HttpTransport::new(address.parse().expect("an endpoint")).expect("a transport");
                for turn in turns.iter() {
                    let request = WireRequest {
                        method: Method::Post,
                        path: "/sync/push".to_owned(),
                        query: String::new(),
                        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                        body: turn[client].clone().into(),
                    };
                    let answer = transport.send(request, Headers::bearer("alice")).await.expect("an answer");
                    assert_eq!(answer.status, 200, "{:?}", answer.body);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.expect("a client");
    }
    let elapsed = start.elapsed();
    drop(stop);
    serving.await.expect("the server").expect("the server serves");
    drop(server);
    check(&raw(path, "FULL"), &LOAD, true);
    elapsed.as_secs_f64()
}
