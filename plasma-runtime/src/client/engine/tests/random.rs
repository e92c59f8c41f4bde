//! Rebase determinism (I15): after any schedule of mutations and pulls, what is visible is the base plus the outbox
//! replayed over it, computed from nothing in another store; with the proofs that leave replays out, and without.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::support::*;
use crate::client::engine::EngineOptions;
use crate::client::event::Event;
use crate::store::SqlConnection;
use crate::value::{Row, Value};

/// The canonical rows, as the server has them.
#[derive(Clone, Default, PartialEq, Debug)]
struct Server {
    lists: BTreeMap<String, Row>,
    todos: BTreeMap<String, Row>,
}

impl Server {
    /// Some change, kept within the schema's unique values.
    fn change(&mut self, rng: &mut Seeded) {
        let n = rng.below(3) as u32;
        match rng.below(7) {
            0 | 1 => {
                self.lists.insert(id(n), vec![id(n).into(), format!("server {}", rng.below(3)).into()]);
            }
            2 => {
                self.lists.remove(&id(n));
                let list = Value::from(id(n));
                self.todos.retain(|_, row| row[1] != list);
            }
            3..6 => {
                let n = 10 + rng.below(5) as u32;
                let slug = match rng.below(3) {
                    0 => Value::Null,
                    _ => Value::from(format!("s{}", rng.below(4))),
                };
                if slug.is_null() || self.todos.iter().all(|(other, row)| *other == id(n) || row[3] != slug) {
                    let list = id(rng.below(3) as u32);
                    let title = format!("server {}", rng.below(3));
                    let done = (rng.below(2) == 0).into();
                    self.todos.insert(id(n), vec![id(n).into(), list.into(), title.into(), slug, done]);
                }
            }
            _ => {
                self.todos.remove(&id(10 + rng.below(5) as u32));
            }
        }
    }

    fn puts(&self) -> Vec<Json> {
        let lists = self.lists.values().map(|row| put(&LISTS, row.clone()));
        lists.chain(self.todos.values().map(|row| put(&TODOS, row.clone()))).collect()
    }

    /// The patch from here to `other`.
    fn difference(&self, other: &Server, rng: &mut Seeded) -> Vec<Json> {
        let mut patch = Vec::new();
        for (table, old, new) in [(&LISTS, &self.lists, &other.lists), (&TODOS, &self.todos, &other.todos)] {
            for (id, row) in new {
                // Now and then a row that did not change.
                if old.get(id) != Some(row) || rng.below(20) == 0 {
                    patch.push(put(table, row.clone()));
                }
            }
            for id in old.keys().filter(|id| !new.contains_key(*id)) {
                patch.push(json!({ "op": "del", "table": table.name, "id": id }));
            }
        }
        patch
    }

    /// Takes what a client shows as what the server did, as far as unique values allow.
    fn adopt(&mut self, row: Option<&Row>, table: &str, id: &str) {
        let rows = if table == "lists" { &mut self.lists } else { &mut self.todos };
        match row {
            Some(row) => {
                let clash = |(other, old): (&String, &Row)| {
                    other != id && table == "todos" && !row[3].is_null() && old[3] == row[3]
                };
                if !rows.iter().any(clash) {
                    rows.insert(id.to_owned(), row.clone());
                }
            }
            None => {
                rows.remove(id);
            }
        }
    }
}

fn random_mutation(rng: &mut Seeded) -> (&'static str, Json) {
    let list = id(rng.below(3) as u32);
    let todo = id(10 + rng.below(5) as u32);
    let slug = if rng.below(2) == 0 { json!(format!("s{}", rng.below(4))) } else { Json::Null };
    match rng.below(10) {
        0 => ("list.add", json!({ "id": list, "name": "mine" })),
        1 => ("list.remove", json!({ "id": list })),
        2 => ("list.count", json!({ "list": list })),
        3 => ("list.unless", json!({ "id": list, "name": "server 1" })),
        4 => ("todo.add", json!({ "id": todo, "list": list, "title": "mine", "slug": slug })),
        5 => ("todo.title", json!({ "id": todo, "title": format!("mine {}", rng.below(3)) })),
        6 => ("todo.slug", json!({ "id": todo, "slug": format!("s{}", rng.below(4)) })),
        7 => ("todo.copy", json!({ "from": todo, "to": id(10 + rng.below(5) as u32) })),
        8 => ("todo.done_all", json!({ "list": list })),
        _ => ("todo.clear", json!({ "list": list })),
    }
}

/// What base and outbox give, from nothing.
fn from_scratch(client: &mut Client, base: &Server) -> BTreeMap<&'static str, Vec<Row>> {
    let mut fresh = Client::with(plain_options());
    fresh.begin();
    for entry in client.engine.outbox(&mut client.store).unwrap() {
        fresh
            .store
            .execute(
                "INSERT INTO _plasma_outbox (id, key, name, args, ts, state, reads) VALUES (?, ?, ?, ?, ?, 'queued', '{}')",
                &[
                    Value::Int(entry.id as i64),
                    entry.key.to_string().into(),
                    entry.name.as_str().into(),
                    entry.args.as_str().into(),
                    entry.timestamp_ms.into(),
                ],
            )
            .unwrap();
    }
    let mut patch = vec![json!({ "op": "clear" })];
    patch.extend(base.puts());
    fresh.pull(patch, None);
    fresh.visible()
}

/// Runs one schedule; returns what the ways of rebasing were taken for. `alike` when the two clients are to tell their
/// listeners the same, too.
fn run(seed: u64, options: [EngineOptions; 2], alike: bool) -> crate::client::rebase::Stats {
    let mut rng = Seeded(seed);
    let mut clients = options.map(Client::with);
    for client in &mut clients {
        client.entropy = Seeded(seed);
        client.begin();
    }
    let mut base = Server::default();
    let mut acknowledged = None;
    for step in 0..30 {
        let mutate = rng.below(3) > 0;
        let (name, args) = random_mutation(&mut rng);
        let plan = rng.clone();
        let mut base_after = Vec::new();
        let mut acknowledged_after = acknowledged;
        for client in &mut clients {
            rng = plan.clone();
            if mutate {
                // The same keys on both sides, whatever else drew from the source.
                client.entropy = Seeded(seed ^ (step << 32));
                let _ = client.try_mutate(name, args.clone());
                base_after.push(base.clone());
                continue;
            }
            let queued = client.engine.outbox(&mut client.store).unwrap();
            let mut next = base.clone();
            let acknowledge = rng.below(queued.len() as u64 + 1);
            let last = acknowledge.checked_sub(1).map(|at| queued[at as usize].id);
            if let Some(last) = last
                && rng.below(4) > 0
            {
                // The server did (mostly) what the client did.
                let effects = crate::client::effects::up_to(&mut client.store, &client.engine.texts, last).unwrap();
                for ((table, id), images) in effects {
                    if rng.below(6) > 0 {
                        next.adopt(images.after.as_ref(), table, &id);
                    }
                }
            }
            for _ in 0..rng.below(3) {
                next.change(&mut rng);
            }
            let reset = rng.below(12) == 0;
            // A reset names the last id the server knows, whether it is news or not.
            let last = if reset { last.or(acknowledged) } else { last };
            acknowledged_after = last.or(acknowledged);
            let patch = match reset {
                true => std::iter::once(json!({ "op": "clear" })).chain(next.puts()).collect(),
                false => base.difference(&next, &mut rng),
            };
            // In one page, or staged in two with a restart between them.
            if patch.len() > 1 && rng.below(4) == 0 {
                let mut first = client.page(patch[..1].to_vec(), None, vec![]);
                first["partial"] = json!(true);
                first["hasMore"] = json!(true);
                let request = client.request_pull();
                client.answer(&request, 200, first);
                client.pull(patch[1..].to_vec(), last);
            } else {
                client.pull(patch, last);
            }
            base_after.push(next);
        }
        assert_eq!(base_after[0], base_after[1], "the two clients had the same effects, seed {seed} step {step}");
        base = base_after.swap_remove(0);
        acknowledged = acknowledged_after;
        let [client, replaying] = &mut clients;
        let visible = client.visible();
        assert_eq!(visible, from_scratch(client, &base), "seed {seed} step {step}: visible is base + replay(outbox)");
        assert_eq!(visible, replaying.visible(), "seed {seed} step {step}: a proof left out a replay it must not");
        if alike {
            let heard = |client: &mut Client| format!("{:?}", std::mem::take(&mut client.batches));
            assert_eq!(heard(client), heard(replaying), "seed {seed} step {step}: the listeners heard something else");
            assert_eq!(client.stats(), replaying.stats(), "seed {seed} step {step}");
        }
        assert!(
            client.reports.iter().all(|(kind, _)| kind == "RebaseReplay" || kind == "MutationRejected"),
            "{:?}",
            client.reports
        );
    }
    // A restart changes nothing.
    let stats = clients[0].stats();
    for client in clients {
        let mut client = client.restart();
        let visible = client.visible();
        client.event(Event::Tick);
        assert_eq!(visible, client.visible());
    }
    stats
}

#[cfg(feature = "encryption")]
#[test]
fn an_encrypted_store_shows_and_tells_what_a_plain_one_does_whatever_the_schedule() {
    for seed in 1_000..1_040 {
        run(seed, [plain_options(), sealed_options(1)], true);
        let always = |options| EngineOptions { always_replay: true, ..options };
        run(seed, [always(plain_options()), always(sealed_options(1))], true);
    }
}

#[test]
fn visible_is_base_plus_replayed_outbox_whatever_the_schedule() {
    let mut sum = crate::client::rebase::Stats::default();
    for seed in 0..60 {
        let stats = run(seed, [options(), EngineOptions { always_replay: true, ..options() }], false);
        sum.confirmed += stats.confirmed;
        sum.disjoint += stats.disjoint;
        sum.replayed += stats.replayed;
        sum.cleared += stats.cleared;
    }
    // All ways were taken often, or the test proves nothing.
    assert!(sum.confirmed > 100 && sum.disjoint > 50 && sum.replayed > 50 && sum.cleared > 60, "{sum:?}");
}
