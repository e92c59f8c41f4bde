//! A server on loopback, and what is sent to it.

use std::sync::Arc;
use std::time::Instant;

use plasma_runtime::client::{Headers, HttpTransport, Transport as _};
use plasma_runtime::protocol::{Method, WireRequest, WireResponse};
use plasma_runtime::server::{Auth, Database, Server};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::load::{Load, bodies};
use super::schema::{Bench, Ctx};
use super::{Samples, micros};

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

pub async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<Ctx>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let user = header.and_then(|value| value.strip_prefix("Bearer "));
    let user = user.ok_or_else(|| plasma::Error::unauthorized("no token"))?;
    Ok(Auth::new(user, Ctx { user: user.to_owned() }))
}

pub async fn open(database: impl Database) -> Server<Bench> {
    Server::<Bench>::builder(database).auth(authenticate).open().await.expect("a server")
}

/// A server that answers on loopback.
pub struct Serving {
    pub address: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<plasma::Result<()>>,
}

impl Serving {
    pub async fn start(server: Server<Bench>) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let stopped = async move {
                // The sender's end is the word.
                let _ = stopped.await;
            };
            server.serve(listener, stopped).await
        });
        Serving { address, stop, task }
    }

    pub async fn end(self) {
        drop(self.stop);
        self.task.await.expect("the server").expect("the server serves");
    }

    pub fn transport(&self) -> HttpTransport {
        HttpTransport::new(self.address.parse().expect("an endpoint")).expect("a transport")
    }
}

pub async fn push(transport: &HttpTransport, body: String) -> WireResponse {
    let request = WireRequest {
        method: Method::Post,
        path: "/sync/push".to_owned(),
        query: String::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into(),
    };
    let answer = transport.send(request, Headers::bearer("alice")).await.expect("an answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer
}

pub async fn pull(transport: &HttpTransport, cookie: Option<&str>, limit: usize) -> WireResponse {
    let cookie = cookie.map(|cookie| format!("&cookie={cookie}")).unwrap_or_default();
    let query =
        format!("protocolVersion=1&schemaVersion=bench-1&clientGroupID=alice&clientID=one&limit={limit}{cookie}");
    let request =
        WireRequest { method: Method::Get, path: "/sync/pull".to_owned(), query, headers: Vec::new(), body: "".into() };
    let answer = transport.send(request, Headers::bearer("alice")).await.expect("an answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer
}

/// Pushes a load: mutations a second, and how long each push took to be acknowledged, us. The first `warm` turns are not
/// measured.
pub async fn pushed(serving: &Serving, load: &Load, round: usize, warm: usize, acks: &mut Samples) -> f64 {
    let turns = Arc::new(bodies(load, round));
    let ready = Arc::new(tokio::sync::Barrier::new(load.clients + 1));
    let clients: Vec<_> = (0..load.clients)
        .map(|client| {
            let (turns, transport, ready) = (Arc::clone(&turns), serving.transport(), Arc::clone(&ready));
            tokio::spawn(async move {
                let mut took = Vec::new();
                for (index, turn) in turns.iter().enumerate() {
                    if index == warm {
                        ready.wait().await;
                    }
                    let start = Instant::now();
                    push(&transport, turn[client].clone()).await;
                    if index >= warm {
                        took.push(micros(start.elapsed()));
                    }
                }
                took
            })
        })
        .collect();
    ready.wait().await;
    let start = Instant::now();
    for client in clients {
        client.await.expect("a client").into_iter().for_each(|took| acks.push(took));
    }
    (load.clients * load.size * (load.turns - warm)) as f64 / start.elapsed().as_secs_f64()
}
