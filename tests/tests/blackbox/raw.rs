//! A minimal HTTP/1.1 client over a blocking socket: what is sent is what is written here, also when it is wrong.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value as Json, json};

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or(Json::Null)
    }
}

/// Sends these bytes; none when the connection ended without an answer.
pub(super) fn exchange(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    // The server may answer and close before all is written.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let body = bytes[end + 4..].to_vec();
    // An answer that was cut off is none.
    (length.is_none_or(|length| body.len() == length)).then_some(Answer { status, body })
}

/// A request with the usual headers.
pub(super) fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

/// A push of user0.
pub(super) fn push(address: SocketAddr, body: &Json) -> Option<Answer> {
    let headers = [("authorization", "Bearer user0"), JSON];
    exchange(address, &request("POST", "/sync/push", &headers, body.to_string().as_bytes()))
}

/// The body of a push.
pub(super) fn push_body(client: &str, mutations: &[Json]) -> Json {
    push_body_of("sim-1", client, mutations)
}

/// The body of a push to a server with this schema.
pub(super) fn push_body_of(schema: &str, client: &str, mutations: &[Json]) -> Json {
    json!({
        "protocolVersion": 1,
        "schemaVersion": schema,
        "clientGroupID": "user0",
        "clientID": client,
        "mutations": mutations,
    })
}

/// A `lists.create` with this id, which is also the list's and the audit row's.
pub(super) fn create(n: u64) -> Json {
    let id = uuid(n);
    json!({
        "id": n,
        "key": uuid(n + 1_000_000),
        "name": "lists.create",
        "args": { "step": { "id": id }, "id": id, "name": format!("list {n}") },
        "timestamp": 1_735_689_600_000_u64 + n,
    })
}

/// The same for the to-do example, which has no audit.
pub(super) fn create_todo_list(n: u64) -> Json {
    let mut mutation = create(n);
    mutation["args"] = json!({ "id": uuid(n), "name": format!("list {n}") });
    mutation
}

pub(super) fn uuid(n: u64) -> String {
    format!("00000000-0000-4000-8000-{n:012x}")
}
