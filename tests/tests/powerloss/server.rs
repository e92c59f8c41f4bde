//! What is found in a server's database after a power loss.

use std::collections::HashSet;
use std::path::Path;

use plasma::client::{Durability, SqliteStore};
use plasma::protocol::{Method, WireRequest};
use serde_json::{Value as Json, json};

use super::replay::hash;
use super::world::{connected, integers, raw, rows, runtime, serve, texts, uuid};

/// The client whose pushes are made by hand.
const CLIENT: &str = "the-client";

/// A push of these mutations, each of which makes a list.
pub fn push(first: u64, last: u64) -> WireRequest {
    let mutation = |n| {
        json!({
            "id": n,
            "key": uuid(n + 1_000_000),
            "name": "lists.create",
            "args": { "step": { "id": uuid(n) }, "id": uuid(n), "name": format!("list {n}") },
            "timestamp": 1_735_689_600_000_u64 + n,
        })
    };
    let body = json!({
        "protocolVersion": 1,
        "schemaVersion": "sim-1",
        "clientGroupID": "user0",
        "clientID": CLIENT,
        "mutations": (first..=last).map(mutation).collect::<Vec<_>>(),
    });
    WireRequest {
        method: Method::Post,
        path: "/sync/push".to_owned(),
        query: String::new(),
        headers: vec![
            ("authorization".to_owned(), "Bearer user0".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        body: body.to_string().into_bytes().into(),
    }
}

/// What was heard of the server before the power failed.
#[derive(Debug)]
pub struct Heard<'h> {
    pub sent: u64,
    pub answered: u64,
    /// A device that has pulled; its store.
    pub device: Option<&'h Path>,
}

/// Starts a server over the database. `tried` are states that have passed, which are not taken further.
pub fn check(file: &Path, heard: &Heard<'_>, tried: &mut HashSet<u64>) -> Result<(), String> {
    let server = runtime().block_on(serve(file)).map_err(|error| format!("it does not open: {error}"))?;
    let there = {
        let mut db = raw(file);
        let sound = texts(&mut db, "PRAGMA quick_check");
        if sound != ["ok"] {
            return Err(format!("it is damaged: {sound:?}"));
        }
        let entries = texts(&mut db, "SELECT id FROM entries ORDER BY id");
        let there = entries.len() as u64;
        let expected: Vec<_> = (1..=there).map(uuid).collect();
        if entries != expected || texts(&mut db, "SELECT id FROM lists ORDER BY id") != expected {
            return Err(format!("a mutation is half there, or there is a hole: {entries:?}"));
        }
        if there < heard.answered || there > heard.sent {
            return Err(format!("{there} are there of {heard:?}"));
        }
        let ledger =
            integers(&mut db, "SELECT last_mutation_id FROM _plasma_client_mutations WHERE client_id = 'the-client'");
        if ledger.first().copied().unwrap_or(0) as u64 != there {
            return Err(format!("the ledger says {ledger:?}, {there} are there"));
        }
        let state = [
            "SELECT row_version || table_name || row_id || op FROM _plasma_changes ORDER BY row_version",
            "SELECT key || value FROM _plasma_meta ORDER BY key",
            "SELECT id || name FROM lists ORDER BY id",
        ]
        .map(|sql| texts(&mut db, sql));
        if !tried.insert(hash(&(state, heard.device.is_some()))) {
            return Ok(());
        }
        there
    };
    runtime().block_on(async {
        // It goes on: what it has is known to it, what it has not is done once.
        let first = there.max(1);
        let answer = server.respond(push(first, there + 2)).await;
        let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        let statuses: Vec<_> =
            body["results"].as_array().into_iter().flatten().map(|result| &result["status"]).collect();
        let expected: &[&str] = if there == 0 { &["applied"; 2] } else { &["duplicate", "applied", "applied"] };
        if statuses != expected {
            return Err(format!("the next push is answered with {body}"));
        }
        let fresh = connected(SqliteStore::in_memory(), "user0", Durability::Normal, &server).await.expect("opens");
        fresh.pull_once().await.map_err(|error| error.to_string())?;
        let all = rows(&fresh).await.map_err(|error| error.to_string())?;
        if all.len() as u64 != 2 * (there + 2) {
            return Err(format!("a client is shown {} rows", all.len()));
        }
        if let Some(device) = heard.device {
            let own = file.with_file_name("device.db");
            std::fs::copy(device, &own).expect("copied");
            let device = connected(SqliteStore::open(&own), "user0", Durability::Normal, &server).await.expect("opens");
            device.pull_once().await.map_err(|error| error.to_string())?;
            if rows(&device).await.map_err(|error| error.to_string())? != all {
                return Err("a device that had pulled before does not agree".to_owned());
            }
        }
        Ok(())
    })
}

/// A first pull.
pub fn pull() -> WireRequest {
    WireRequest {
        method: Method::Get,
        path: "/sync/pull".to_owned(),
        query: "protocolVersion=1&schemaVersion=sim-1&clientGroupID=user0&clientID=another".to_owned(),
        headers: vec![("authorization".to_owned(), "Bearer user0".to_owned())],
        body: Default::default(),
    }
}
