//! What the simulated users do, and what must hold of their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use plasma::sim::{AuditTable, Call, Principal, Rng, Rows, Workload};
use plasma::{Schema, Table};
use plasma_runtime::schema::Definition;
use plasma_runtime::value::{Row, Value};
use serde_json::json;

use super::schema::{Account, App, Caller, Counter, Entry, List, Share, Todo};

/// Shared lists, accounts and counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lists;

const ACCOUNTS: usize = 4;
const OPENING_BALANCE: i64 = 100;
const COUNTERS: usize = 2;

fn fixed_id(kind: u8, n: usize) -> String {
    format!("00000000-0000-4000-8000-{kind:02x}{n:010x}")
}

fn user_name(user: usize) -> String {
    format!("user{user}")
}

fn column<T: Table>(row: &Row, name: &str) -> Value {
    T::DEF.column_index(name).map_or(Value::Null, |index| row[index].clone())
}

fn text<T: Table>(row: &Row, name: &str) -> String {
    column::<T>(row, name).as_text().unwrap_or_default().to_owned()
}

fn int<T: Table>(row: &Row, name: &str) -> i64 {
    column::<T>(row, name).as_int().unwrap_or_default()
}

fn id<T: Table>(row: &Row) -> String {
    T::DEF.row_id(row).to_owned()
}

impl Workload for Lists {
    fn definition(&self) -> Definition {
        App::definition()
    }

    fn principal(&self, user: usize) -> Principal {
        Principal { group: user_name(user), ctx: Arc::new(Caller { user: user_name(user) }) }
    }

    fn audit(&self) -> Option<AuditTable> {
        Some(AuditTable { table: Entry::DEF })
    }

    fn seed(&self) -> Vec<String> {
        let accounts = (0..ACCOUNTS)
            .map(|n| format!("INSERT INTO accounts (id, balance) VALUES ('{}', {OPENING_BALANCE})", fixed_id(1, n)));
        let counters = (0..COUNTERS)
            .map(|n| format!("INSERT INTO counters (id, name, n) VALUES ('{}', 'counter{n}', 0)", fixed_id(2, n)));
        // Two users who share lists from the start: what is shared is what can be revoked.
        let lists = (0..2).flat_map(|n| {
            let (list, owner, other) = (fixed_id(3, n), user_name(n), user_name(1 - n));
            [
                format!("INSERT INTO lists (id, name, owner, tally) VALUES ('{list}', 'list{n}', '{owner}', 0)"),
                format!(
                    "INSERT INTO shares (id, list_id, user_name) VALUES ('{}', '{list}', '{other}')",
                    fixed_id(4, n)
                ),
                format!(
                    "INSERT INTO todos (id, list_id, title, done, created_at) VALUES ('{}', '{list}', 'todo{n}', 0, 0)",
                    fixed_id(5, n)
                ),
            ]
        });
        accounts.chain(counters).chain(lists).collect()
    }

    fn next(&self, user: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> plasma::Result<Option<Call>> {
        let me = user_name(user);
        let nonce = rng.uuid();
        let entries = rows.all(Entry::DEF)?;
        // Other users' entries are in the base; my own may still be refused.
        let others: Vec<_> =
            entries.iter().filter(|row| text::<Entry>(row, "user_name") != me).map(id::<Entry>).collect();
        let mut step = json!({ "id": nonce.to_string() });
        if let Some(after) = rng.pick(&others) {
            step["after"] = json!(after);
        }
        let lists: Vec<_> = rows.all(List::DEF)?.iter().map(id::<List>).collect();
        let todos: Vec<_> = rows.all(Todo::DEF)?.iter().map(id::<Todo>).collect();
        let shares: Vec<_> = rows.all(Share::DEF)?;
        let list = rng.pick(&lists).cloned();
        let todo = rng.pick(&todos).cloned();
        // Few slugs, so that they collide, also with rows another user cannot see.
        let slug = rng.chance(60).then(|| format!("s{}", rng.below(5)));
        let title = format!("t{}", rng.below(1_000));
        // Mostly the other one; at times oneself, or somebody who never comes.
        let other = user_name(if rng.chance(80) { 1 - user.min(1) } else { rng.below(3) });
        let (name, mut args) = match (rng.below(100), list, todo) {
            (0..=5, Some(list), _) => {
                ("todos.add", json!({ "id": rng.uuid().to_string(), "list_id": list, "title": title, "slug": slug }))
            }
            (6..=9, Some(list), _) => {
                ("todos.claim", json!({ "id": rng.uuid().to_string(), "list_id": list, "title": title, "slug": slug }))
            }
            (10..=13, Some(list), _) => ("todos.ensure", json!({ "list_id": list, "title": title, "slug": slug })),
            (14..=20, _, Some(todo)) => ("todos.rename", json!({ "id": todo, "title": title, "slug": slug })),
            (21..=27, Some(list), Some(todo)) => ("todos.relocate", json!({ "id": todo, "list_id": list })),
            (28..=32, _, Some(todo)) => ("todos.remove", json!({ "id": todo })),
            (33..=43, Some(list), _) => {
                ("lists.share", json!({ "id": rng.uuid().to_string(), "list_id": list, "user": other }))
            }
            (44..=52, Some(list), _) => {
                let user = rng.pick(&shares).map_or(other, |share| text::<Share>(share, "user_name"));
                ("lists.unshare", json!({ "list_id": list, "user": user }))
            }
            (53..=54, Some(list), _) => ("lists.remove", json!({ "id": list })),
            (55..=58, Some(list), _) => ("lists.finish", json!({ "id": list })),
            (59..=62, Some(list), _) => ("todos.sweep", json!({ "list_id": list })),
            (63..=70, Some(list), _) => ("lists.tally", json!({ "id": list })),
            (71..=80, _, _) => (
                "accounts.transfer",
                json!({
                    "from": fixed_id(1, rng.below(ACCOUNTS)),
                    "to": fixed_id(1, rng.below(ACCOUNTS)),
                    "amount": rng.between(1, 60),
                }),
            ),
            (81..=85, _, _) => ("counters.bump", json!({ "id": fixed_id(2, rng.below(COUNTERS)) })),
            (86..=90, _, _) => ("counters.hit", json!({ "name": format!("counter{}", rng.below(2 * COUNTERS)) })),
            _ => ("lists.create", json!({ "id": rng.uuid().to_string(), "name": title })),
        };
        args["step"] = step;
        Ok(Some(Call { name: name.to_owned(), args: args.to_string(), audit: Some(nonce) }))
    }

    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        let read = |rows: plasma::Result<Vec<Row>>| rows.map_err(|error| format!("cannot be read: {error}"));
        let accounts = read(rows.all(Account::DEF))?;
        // A new client holds nothing yet; else all accounts come together.
        if !accounts.is_empty() {
            let sum: i64 = accounts.iter().map(|row| int::<Account>(row, "balance")).sum();
            let expected = OPENING_BALANCE * ACCOUNTS as i64;
            if accounts.len() != ACCOUNTS || sum != expected {
                return Err(format!("{} accounts hold {sum} together, not {expected}", accounts.len()));
            }
        }
        let entries = read(rows.all(Entry::DEF))?;
        let mut counted: BTreeMap<String, i64> = BTreeMap::new();
        for entry in &entries {
            if let Some(name) = column::<Entry>(entry, "counted").as_text() {
                *counted.entry(name.to_owned()).or_default() += 1;
            }
        }
        for counter in read(rows.all(Counter::DEF))? {
            let name = text::<Counter>(&counter, "name");
            let (n, applied) = (int::<Counter>(&counter, "n"), counted.get(&name).copied().unwrap_or_default());
            if n != applied {
                return Err(format!("{name} stands at {n} after {applied} entries that count in it"));
            }
        }
        Ok(())
    }

    fn holds_between(&self, before: &mut Rows<'_>, after: &mut Rows<'_>) -> Result<(), String> {
        let read = |rows: plasma::Result<Vec<Row>>| rows.map_err(|error| format!("cannot be read: {error}"));
        let earlier: BTreeSet<_> = read(before.all(Entry::DEF))?.iter().map(id::<Entry>).collect();
        let later = read(after.all(Entry::DEF))?;
        let ids: BTreeSet<_> = later.iter().map(id::<Entry>).collect();
        if let Some(gone) = earlier.difference(&ids).next() {
            return Err(format!("the entry {gone} is gone"));
        }
        for entry in &later {
            if let Some(cause) = column::<Entry>(entry, "after").as_text()
                && !ids.contains(cause)
            {
                return Err(format!("the entry {} is there without its cause {cause}", id::<Entry>(entry)));
            }
        }
        Ok(())
    }
}
