//! A client comes back from a power loss to a server that had none. The server may know more of it than it knows itself.

use std::path::Path;

use plasma::client::{Durability, OutcomeStatus, SqliteStore};
use serde_json::json;

use super::client::Found;
use super::recording::temporary;
use super::world::{
    LATER, MONEY, connected, integers, is_refused, number, raw, rows, runtime, serve, sync, texts, uuid,
};

/// Opens the store against this copy of the server's database, does new work, and syncs: nothing that the store held is lost,
/// nothing is done twice, and both hold the same. Returns whether it had to take a new client id for that.
pub fn goes_on(store: &Path, kept: &Path, found: &Found, durability: Durability) -> Result<bool, String> {
    let folder = temporary();
    let file = folder.path().join("server.db");
    std::fs::copy(kept, &file).expect("copied");
    let before = texts(&mut raw(&file), "SELECT id FROM entries ORDER BY id");
    runtime().block_on(async {
        let server = serve(&file).await.map_err(|error| format!("the server does not open: {error}"))?;
        let opened = connected(SqliteStore::open(store), "user0", durability, &server).await;
        let client = opened.map_err(|error| format!("the store does not open: {error}"))?;
        let id = client.client_id().await.map_err(|error| error.to_string())?;
        // Where the store was rolled back, these get ids that the server has seen for other mutations.
        let mut later = Vec::new();
        for n in LATER..LATER + 3 {
            let step = json!({ "id": uuid(n) });
            let (name, args) = match n % 2 {
                0 => ("lists.create", json!({ "step": step, "id": uuid(n), "name": "later" })),
                _ => ("counters.hit", json!({ "step": step, "name": "hits" })),
            };
            let receipt = client.mutate_named(name, &args).await.map_err(|error| format!("{name}: {error}"))?;
            later.push((n, receipt.key()));
        }
        sync(&client).await;
        sync(&client).await;

        let mut db = raw(&file);
        let after = texts(&mut db, "SELECT id FROM entries ORDER BY id");
        let kept = found.visible.iter().filter(|n| !is_refused(**n)).copied();
        for n in kept.chain(LATER..LATER + 3) {
            if !after.contains(&uuid(n)) {
                return Err(format!("mutation {n} is lost: the server has {:?}", numbers(&after)));
            }
        }
        if let Some(id) = before.iter().find(|id| !after.contains(id)) {
            return Err(format!("mutation {} was on the server and is no more", number(id)));
        }
        let hits = integers(&mut db, "SELECT count(*) FROM entries WHERE counted = 'hits'");
        let counted = integers(&mut db, "SELECT coalesce(sum(n), 0) FROM counters WHERE name = 'hits'");
        if hits != counted {
            return Err(format!("{hits:?} mutations have counted to {counted:?}"));
        }
        if integers(&mut db, "SELECT sum(balance) FROM accounts") != [MONEY] {
            return Err("money was made".to_owned());
        }
        let ledger = "SELECT m.client_id FROM _plasma_client_mutations AS m WHERE m.last_mutation_id <> (SELECT count(*) \
            FROM _plasma_outcomes AS o WHERE o.client_id = m.client_id AND o.mutation_id BETWEEN 1 AND m.last_mutation_id)";
        let broken = texts(&mut db, ledger);
        if !broken.is_empty() {
            return Err(format!("the server's ledger has holes: {broken:?}"));
        }
        let outcomes = client.outcomes().await.map_err(|error| error.to_string())?;
        for (n, key) in later {
            let outcome = outcomes.iter().find(|outcome| outcome.key == key).map(|outcome| outcome.status);
            if outcome != Some(OutcomeStatus::Applied) {
                return Err(format!("mutation {n} of later ended as {outcome:?}"));
            }
        }
        let odd = outcomes.iter().find(|outcome| {
            !matches!(outcome.status, OutcomeStatus::Applied | OutcomeStatus::Rejected)
                || (outcome.status == OutcomeStatus::Rejected) != (outcome.id <= 100 && outcome.name == "todos.add" && outcome.error.is_some())
        });
        if let Some(odd) = odd {
            return Err(format!("an outcome that nobody expects: {odd:?}"));
        }
        let left = client.outbox().await.map_err(|error| error.to_string())?;
        if !left.is_empty() {
            return Err(format!("it is stuck with {left:?}"));
        }
        let fresh = connected(SqliteStore::in_memory(), "user0", durability, &server).await.expect("opens");
        fresh.pull_once().await.map_err(|error| error.to_string())?;
        let readable = |rows: plasma::Result<Vec<String>>| rows.map_err(|error| error.to_string());
        let (own, other) = (readable(rows(&client).await)?, readable(rows(&fresh).await)?);
        if own != other {
            let odd: Vec<_> = own.iter().filter(|row| !other.contains(row)).collect();
            let missing: Vec<_> = other.iter().filter(|row| !own.contains(row)).collect();
            return Err(format!("they do not agree: only here {odd:?}, only there {missing:?}"));
        }
        Ok(client.client_id().await.map_err(|error| error.to_string())? != id)
    })
}

fn numbers(ids: &[String]) -> Vec<u64> {
    ids.iter().map(|id| number(id)).collect()
}
