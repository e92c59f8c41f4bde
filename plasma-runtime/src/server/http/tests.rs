//! The server over real sockets.
#![expect(clippy::disallowed_methods, reason = "sockets need real time and tasks beside the test")]

mod disk_full;
#[cfg(feature = "postgres")]
mod postgres;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::request::Parts;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{Auth, ServeOptions, Server, ServerBuilder, SqliteDatabase, builder::WithAuth, serve};
use crate::error::{Error, Result};
use crate::protocol::{Limits, Method, WireRequest};
use crate::server::tests::fixture::{App, User, definition, mutation, push_body, uuid};
use crate::store::SqlConnection;
use crate::store::sqlite::{SqliteConnection, SqliteOptions};

async fn authenticate(parts: &Parts) -> Result<Auth<User>> {
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    match header.and_then(|value| value.strip_prefix("Bearer ")) {
        Some("down") => Err(Error::fault("the token service is down")),
        Some("nobody") => Ok(Auth::new("", User(String::new()))),
        Some(user) => Ok(Auth::new(user, User(user.to_owned()))),
        None => Err(Error::unauthorized("no token")),
    }
}

fn builder(database: SqliteDatabase) -> ServerBuilder<App, WithAuth> {
    Server::<App>::builder(database).auth(authenticate)
}

/// A server on a free port, until it is dropped or stopped.
struct Running {
    server: Server<App>,
    address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: tokio::task::JoinHandle<Result<()>>,
}

async fn start(builder: ServerBuilder<App, WithAuth>, adjust: impl FnOnce(&mut ServeOptions)) -> Running {
    let server = builder.open().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut options = server.serve_options();
    adjust(&mut options);
    let service = server.service();
    let ended = tokio::spawn(serve(service, listener, options, async move {
        let _ = stopped.await;
    }));
    Running { server, address, stop: Some(stop), ended }
}

/// A request as text; the answer as status, head and body.
async fn ask(address: std::net::SocketAddr, head: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, head, body).await;
    read_answer(&mut stream).await
}

async fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let text = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(text.as_bytes()).await.unwrap();
    // The server may answer and close before the body is through.
    let _ = stream.write_all(body).await;
}

async fn read_answer(stream: &mut TcpStream) -> (u16, String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut chunk = [0u8; 4096];
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
        }
    }
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, head, bytes.get(end + 4..).unwrap_or_default().to_vec())
}

fn push_head(user: &str) -> String {
    format!("POST /sync/push HTTP/1.1\r\nauthorization: Bearer {user}\r\ncontent-type: application/json")
}

fn pull_head(user: &str, more: &str) -> String {
    format!("GET /sync/pull?{} HTTP/1.1\r\nauthorization: Bearer {user}", pull_query(user, more))
}

fn pull_query(user: &str, more: &str) -> String {
    let fingerprint = definition().schema.fingerprint_hex();
    format!(
        "protocolVersion=1&schemaVersion=app-1&fingerprint={fingerprint}&clientGroupID={user}&clientID={user}-c{more}"
    )
}

fn note(name: &str) -> Json {
    json!([["insert", "notes", { "id": uuid(name), "text": name, "tag": null }]])
}

/// A push of one mutation by the client `<user>-c`.
fn push_bytes(user: &str, id: u64, steps: Json) -> Vec<u8> {
    push_body(user, &format!("{user}-c"), json!([mutation(id, &format!("{user}{id}"), steps)])).to_string().into_bytes()
}

async fn push(running: &Running, user: &str, id: u64, steps: Json) -> u16 {
    ask(running.address, &push_head(user), &push_bytes(user, id, steps)).await.0
}

fn json_of(body: &[u8]) -> Json {
    serde_json::from_slice(body).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(body)))
}

/// The cookie of a pull that reached the head.
async fn cookie(running: &Running, user: &str) -> String {
    let (status, _, body) = ask(running.address, &pull_head(user, ""), b"").await;
    assert_eq!(status, 200);
    json_of(&body)["cookie"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn requests_are_answered_over_a_socket() {
    let running = start(builder(SqliteDatabase::in_memory()), |_| {}).await;
    let (status, head, body) = ask(running.address, "GET /sync/health HTTP/1.1", b"").await;
    assert_eq!((status, json_of(&body)), (200, json!({ "ok": true })), "{head}");
    assert!(head.contains("x-content-type-options: nosniff"), "{head}");
    assert_eq!(push(&running, "alice", 1, note("n")).await, 200);
    let (status, _, body) = ask(running.address, &pull_head("alice", ""), b"").await;
    assert_eq!(status, 200);
    assert_eq!(json_of(&body)["lastMutationIDs"], json!({ "alice-c": 1 }));
    // Without credentials, with a token service that is down, with an `auth` that gives no group.
    for (token, status) in [("", 401), ("authorization: Bearer down", 503), ("authorization: Bearer nobody", 500)] {
        let token = if token.is_empty() { String::new() } else { format!("\r\n{token}") };
        let (got, head, _) = ask(running.address, &format!("GET /sync/pull HTTP/1.1{token}"), b"").await;
        assert_eq!(got, status, "{head}");
        assert_eq!(head.contains("retry-after: 1"), status == 503, "{head}");
    }
    let (status, head, body) =
        ask(running.address, "HEAD /sync/push HTTP/1.1\r\nauthorization: Bearer alice", b"").await;
    assert_eq!((status, body.len()), (405, 0));
    assert!(head.contains("allow: post"), "{head}");
    for path in ["//sync/health", "/sync//push", "/sync/%70ush", "/sync/./push", "/sync/push/"] {
        let head = format!("POST {path} HTTP/1.1\r\nauthorization: Bearer alice");
        assert_eq!(ask(running.address, &head, b"").await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn the_service_nests_in_a_router() {
    let server = builder(SqliteDatabase::in_memory()).open().await.unwrap();
    let router: axum::Router = axum::Router::new().nest_service("/sync", server.service());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let (served, ()) =
        tokio::join!(serve(router, listener, server.serve_options(), async move { drop(stopped.await) }), async move {
            assert_eq!(ask(address, "GET /sync/health HTTP/1.1", b"").await.0, 200);
            assert_eq!(ask(address, &push_head("alice"), &push_bytes("alice", 1, note("n"))).await.0, 200);
            assert_eq!(ask(address, "GET /health HTTP/1.1", b"").await.0, 404);
            stop.send(()).unwrap();
        });
    served.unwrap();
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_head_is_cut_off() {
    let running =
        start(builder(SqliteDatabase::in_memory()), |options| options.header_timeout = Duration::from_millis(300))
            .await;
    for opening in ["", "P", "POST /sync/push HTTP/1.1\r\nhost: x\r\nx: "] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(opening.as_bytes()).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), read_answer(&mut stream)).await;
        assert!(ended.is_ok(), "a connection that sent {opening:?} is still open after {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_to_be_tried_again() {
    let limits = Limits { body_timeout: Duration::from_millis(200), ..Limits::default() };
    let running = start(builder(SqliteDatabase::in_memory()).limits(limits), |_| {}).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("{}\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{{", push_head("alice"));
    stream.write_all(head.as_bytes()).await.unwrap();
    let (status, head, body) = read_answer(&mut stream).await;
    assert_eq!((status, json_of(&body)["error"].as_str()), (503, Some("unavailable")), "{head}");
}

/// A client takes 400 `invalid-request` for the end of its loop. A connection that a middlebox half closes is no such end.
#[tokio::test]
async fn a_body_that_is_cut_off_is_to_be_tried_again() {
    let running = start(builder(SqliteDatabase::in_memory()), |_| {}).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("{}\r\nhost: x\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{{", push_head("alice"));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let (status, head, body) = read_answer(&mut stream).await;
    assert_eq!((status, json_of(&body)["error"].as_str()), (503, Some("unavailable")), "{head}");
}

#[tokio::test]
async fn bodies_are_bounded_before_they_are_read() {
    let running = start(builder(SqliteDatabase::in_memory()), |_| {}).await;
    // A length that is too large is refused without a byte of the body.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("{}\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000000000\r\n\r\n", push_head("alice"));
    stream.write_all(head.as_bytes()).await.unwrap();
    let (status, _, body) = read_answer(&mut stream).await;
    assert_eq!((status, json_of(&body)["error"].as_str()), (413, Some("payload-too-large")));
    // Chunks without a length are counted.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let head = format!("{}\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n", push_head("alice"));
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    for _ in 0..20 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
    }
    let (status, ..) = read_answer(&mut stream).await;
    assert!(status == 413 || status == 0, "{status}");
    // A bomb: 64 MiB in 64 KiB.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 64 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let (status, _, body) =
        ask(running.address, &format!("{}\r\ncontent-encoding: gzip", push_head("alice")), &bomb).await;
    assert_eq!((status, json_of(&body)["limit"].as_u64()), (413, Some(1 << 20)));
    // Nobody without credentials has a body read at all.
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream
        .write_all(b"POST /sync/push HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(read_answer(&mut stream).await.0, 401);
}

#[tokio::test]
async fn connections_are_capped() {
    let running = start(builder(SqliteDatabase::in_memory()), |options| options.connections = 2).await;
    let idle = [TcpStream::connect(running.address).await.unwrap(), TcpStream::connect(running.address).await.unwrap()];
    // Both are known to be accepted once one of them is answered... on a third there is no answer until one leaves.
    let mut third = TcpStream::connect(running.address).await.unwrap();
    send(&mut third, "GET /sync/health HTTP/1.1", b"").await;
    let waiting = tokio::time::timeout(Duration::from_millis(300), read_answer(&mut third)).await;
    assert!(waiting.is_err(), "a third connection was served");
    drop(idle);
    let served = tokio::time::timeout(Duration::from_secs(5), read_answer(&mut third)).await.unwrap();
    assert_eq!(served.0, 200);
}

/// A pull with a `wait`, begun on a task; the answer comes through the handle.
fn hold(running: &Running, user: &str, cookie: &str, wait: u64) -> tokio::task::JoinHandle<(u16, Json, Duration)> {
    let (address, head) = (running.address, pull_head(user, &format!("&cookie={cookie}&wait={wait}")));
    tokio::spawn(async move {
        let started = Instant::now();
        let (status, _, body) = ask(address, &head, b"").await;
        (status, json_of(&body), started.elapsed())
    })
}

/// Waits until so many pulls are held.
async fn until_held(running: &Running, pulls: usize) {
    let most = running.server.inner.engine.limits().held_pulls;
    let deadline = Instant::now() + Duration::from_secs(10);
    while running.server.inner.held.available_permits() + pulls > most {
        assert!(Instant::now() < deadline, "the pulls are not held");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_held_pull_is_released_by_what_it_can_see_and_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(builder(SqliteDatabase::file(folder.path().join("app.db"))), |_| {}).await;
    let at = cookie(&running, "alice").await;
    let held = hold(&running, "alice", &at, 20_000);
    until_held(&running, 1).await;
    // Bob's list is not alice's to see.
    let list = json!([["insert", "lists", { "id": uuid("l"), "name": "l", "owner": "bob", "slug": null }]]);
    assert_eq!(push(&running, "bob", 1, list).await, 200);
    let silent = hold(&running, "alice", &at, 300).await.unwrap();
    assert_eq!((silent.0, silent.1["patch"].clone()), (200, json!([])));
    assert!(silent.2 >= Duration::from_millis(300), "{:?}", silent.2);
    assert!(!held.is_finished());
    let share = json!([["insert", "shares", { "id": uuid("s"), "list_id": uuid("l"), "user": "alice" }]]);
    assert_eq!(push(&running, "bob", 2, share).await, 200);
    let (status, body, _) = tokio::time::timeout(Duration::from_secs(10), held).await.unwrap().unwrap();
    assert_eq!(status, 200);
    let tables: Vec<&str> = body["patch"].as_array().unwrap().iter().filter_map(|op| op["table"].as_str()).collect();
    assert!(tables.contains(&"lists") && tables.contains(&"shares"), "{body}");
}

#[tokio::test]
async fn a_write_by_another_program_releases_held_pulls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let running = start(builder(SqliteDatabase::file(&path)), |_| {}).await;
    let at = cookie(&running, "alice").await;
    let held = hold(&running, "alice", &at, 20_000);
    until_held(&running, 1).await;
    let mut other = SqliteConnection::open(&path, SqliteOptions::default()).unwrap();
    // The writer may take its first look after this write: one more follows until it is seen.
    for n in 0..200 {
        SqlConnection::batch(
            &mut other,
            &format!("INSERT INTO notes VALUES ('{}', 'raw', NULL)", uuid(&format!("raw{n}"))),
        )
        .unwrap();
        if held.is_finished() {
            break;
        }
        let _ = tokio::time::timeout(Duration::from_millis(50), std::future::pending::<()>()).await;
    }
    let (status, body, _) = tokio::time::timeout(Duration::from_secs(10), held).await.unwrap().unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["patch"][0]["table"], "notes", "{body}");
}

#[tokio::test]
async fn shutdown_answers_held_pulls_and_ends() {
    let mut running = start(builder(SqliteDatabase::in_memory()), |_| {}).await;
    let at = cookie(&running, "alice").await;
    let held = hold(&running, "alice", &at, 20_000);
    until_held(&running, 1).await;
    running.stop.take().unwrap().send(()).unwrap();
    let (status, _, took) = tokio::time::timeout(Duration::from_secs(10), held).await.unwrap().unwrap();
    assert_eq!(status, 200);
    assert!(took < Duration::from_secs(10), "{took:?}");
    tokio::time::timeout(Duration::from_secs(10), running.ended).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn beyond_the_cap_a_pull_is_answered_at_once() {
    let limits = Limits { held_pulls: 1, ..Limits::default() };
    let running = start(builder(SqliteDatabase::in_memory()).limits(limits), |_| {}).await;
    let at = cookie(&running, "alice").await;
    let first = hold(&running, "alice", &at, 20_000);
    until_held(&running, 1).await;
    let second = tokio::time::timeout(Duration::from_secs(10), hold(&running, "alice", &at, 20_000)).await;
    assert_eq!(second.unwrap().unwrap().0, 200);
    assert!(!first.is_finished());
}

fn wire(user: &str, id: u64, steps: Json) -> WireRequest {
    WireRequest {
        method: Method::Post,
        path: "/sync/push".to_owned(),
        query: String::new(),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {user}")),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        body: push_bytes(user, id, steps).into(),
    }
}

/// Keeps the writer busy until the returned sender is dropped.
async fn block_writer(server: &Server<App>) -> std::sync::mpsc::Sender<()> {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let (began, begun) = oneshot::channel::<()>();
    let writer = Arc::clone(server.inner.backend.writer());
    tokio::spawn(async move {
        let blocking = writer.visit(move |_| {
            let _ = began.send(());
            let _ = blocked.recv();
        });
        let _ = blocking.await;
    });
    begun.await.unwrap();
    release
}

#[tokio::test]
async fn a_full_queue_is_overloaded_and_what_waits_shares_one_commit() {
    let folder = tempfile::tempdir().unwrap();
    let server = builder(SqliteDatabase::file(folder.path().join("app.db"))).queue(3).open().await.unwrap();
    let mut pokes = server.pokes();
    let before = pokes.borrow_and_update().sequence;
    let release = block_writer(&server).await;
    let pushes = ["alice", "bob", "carol"].map(|user| {
        let (server, wire) = (server.clone(), wire(user, 1, note(user)));
        tokio::spawn(async move { server.respond(wire).await })
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    // The queue shows in the refusal of one more.
    let refusal = loop {
        let answer =
            tokio::time::timeout(Duration::from_millis(20), server.respond(wire("dora", 1, note("dora")))).await;
        match answer {
            Ok(answer) => break answer,
            Err(_) => assert!(Instant::now() < deadline),
        }
    };
    assert_eq!((refusal.status, refusal.header("retry-after")), (503, Some("1")));
    assert_eq!(json_of(&refusal.body)["error"], "overloaded");
    drop(release);
    let mut served = 0;
    for push in pushes {
        served += u32::from(push.await.unwrap().status == 200);
    }
    // One of three may have been refused in favour of dora's first, abandoned try.
    assert!(served >= 2, "{served}");
    tokio::time::timeout(Duration::from_secs(10), pokes.changed()).await.unwrap().unwrap();
    assert_eq!(pokes.borrow_and_update().sequence, before + 1, "one commit, one poke");
    assert!(!pokes.has_changed().unwrap());
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let server = builder(SqliteDatabase::file(&path)).open().await.unwrap();
    assert_eq!(server.respond(wire("alice", 1, note("kept"))).await.status, 200);
    // Another connection sees it before the server is closed; a second server finds it, and a retry is a duplicate.
    let mut other = SqliteConnection::open(&path, SqliteOptions::default()).unwrap();
    let count =
        SqlConnection::query(&mut other, "SELECT count(*) FROM notes", &[], &[crate::value::Kind::BigInt]).unwrap();
    assert_eq!(count[0][0].as_int(), Some(1));
    let mode = SqlConnection::query(&mut other, "PRAGMA journal_mode", &[], &[crate::value::Kind::Text]).unwrap();
    assert_eq!(mode[0][0].as_text(), Some("wal"));
    drop(server);
    let server = builder(SqliteDatabase::file(&path)).open().await.unwrap();
    let again = json_of(&server.respond(wire("alice", 1, note("kept"))).await.body);
    assert_eq!(again["results"], json!([{ "id": 1, "status": "duplicate", "was": "applied" }]));
}

#[tokio::test]
async fn a_stopped_server_leaves_everything_in_the_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let running = start(builder(SqliteDatabase::file(&path)), |_| {}).await;
    assert_eq!(push(&running, "alice", 1, note("kept")).await, 200);
    // The pull opens a connection that only reads: were it closed last, nobody could empty the write-ahead log.
    cookie(&running, "alice").await;
    let Running { server, stop, ended, .. } = running;
    drop(stop);
    ended.await.unwrap().unwrap();
    drop(server);
    let copy = folder.path().join("copy.db");
    let deadline = Instant::now() + Duration::from_secs(10);
    while folder.path().join("app.db-wal").exists() && Instant::now() < deadline {
        // The task of a connection may hold the server a moment longer than its last answer.
        tokio::task::yield_now().await;
    }
    std::fs::copy(&path, &copy).unwrap();
    let mut copy = SqliteConnection::open(&copy, SqliteOptions::default()).unwrap();
    let notes = SqlConnection::query(&mut copy, "SELECT count(*) FROM notes", &[], &[crate::value::Kind::BigInt]);
    assert_eq!(notes.unwrap()[0][0].as_int(), Some(1));
}

#[tokio::test]
async fn hooks_hear_of_pushes_errors_and_figures() {
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let note_down = |what: &Arc<Mutex<Vec<String>>>| {
        let what = Arc::clone(what);
        move |text: String| what.lock().unwrap().push(text)
    };
    let (pushed, failed, measured) = (note_down(&heard), note_down(&heard), note_down(&heard));
    let server = builder(SqliteDatabase::in_memory())
        .on_pushed(move |push| {
            pushed(format!("pushed {} {} {}", push.group, push.client_id, push.results.len()));
            async { Err(Error::fault("the mail server is down")) }
        })
        .on_error(move |error| failed(format!("error {:?} {}", error.kind, error.error)))
        .on_metric(move |metric| {
            assert!(metric.bytes_out > 0);
            measured(format!("metric {} {} {}", metric.endpoint, metric.status, metric.bytes_in > 0));
        })
        // Run at once: the test has no other task.
        .wait_until(|work| {
            crate::future::poll_once(work).unwrap();
        })
        .open()
        .await
        .unwrap();
    server.respond(wire("alice", 1, note("n"))).await;
    server.respond(wire("alice", 1, note("n"))).await;
    server.respond(WireRequest { path: "/x".to_owned(), ..wire("alice", 1, note("n")) }).await;
    let heard = heard.lock().unwrap().clone();
    assert_eq!(
        heard,
        [
            "pushed alice alice-c 1",
            "error OnPushedFailed the mail server is down",
            "metric push 200 true",
            "metric push 200 true",
            "error InvalidRequest there is nothing here",
            "metric other 404 false",
        ]
    );
}

#[tokio::test]
async fn a_settled_shutdown_refuses_new_work() {
    let server = builder(SqliteDatabase::in_memory()).open().await.unwrap();
    server.close();
    assert_eq!(server.respond(wire("alice", 1, note("n"))).await.status, 503);
    assert_eq!(server.inner.backend.writer().visit(|_| ()).await.unwrap_err().kind(), crate::ErrorKind::Closed);
}
