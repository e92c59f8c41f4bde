//! What is found in a client's store after a power loss.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use plasma::client::Durability;
use plasma::store::sqlite::SqliteConnection;

use super::disk::Image;
use super::recording::{put, temporary};
use super::replay::hash;
use super::world::{self, MONEY, NEIGHBOUR, alone, integers, is_refused, number, raw, texts};

/// What a store holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Mutations 1 to this one are known to it, and no other.
    pub last: u64,
    /// Those whose effect is to be seen.
    pub visible: BTreeSet<u64>,
    /// Mutations of the neighbour it holds.
    pub neighbours: BTreeSet<u64>,
    /// Of all of it, so that equal stores are tried once.
    pub digest: u64,
}

/// Opens stores as they were found; equal ones once.
pub struct Finder {
    folder: tempfile::TempDir,
    known: HashMap<u64, Result<Rc<Found>, String>>,
    durability: Durability,
    /// Mutations up to this one are those of the script, later ones make lists.
    scripted: u64,
}

impl Finder {
    pub fn new(durability: Durability, scripted: u64) -> Self {
        Finder { folder: temporary(), known: HashMap::new(), durability, scripted }
    }

    /// How many different ones there were.
    pub fn distinct(&self) -> usize {
        self.known.len()
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// What the store holds, or what is wrong with it.
    pub fn find(&mut self, image: &Image) -> Result<Rc<Found>, String> {
        let key = hash(image);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        put(image, self.folder.path());
        let found = examine(&self.store(), self.durability, self.scripted).map(Rc::new);
        self.known.insert(key, found.clone());
        found
    }
}

/// Opens a store with the library, and looks into it as another program.
pub fn examine(store: &Path, durability: Durability, scripted: u64) -> Result<Found, String> {
    let opened = world::runtime().block_on(async {
        let client = alone(store, durability).await?;
        client.outbox().await?;
        plasma::Result::Ok(client)
    });
    let client = opened.map_err(|error: plasma::Error| format!("it does not open: {error} ({:?})", error.kind()))?;
    let found = look(&mut raw(store), scripted);
    drop(client);
    found
}

fn look(db: &mut SqliteConnection, scripted: u64) -> Result<Found, String> {
    let sound = texts(db, "PRAGMA quick_check");
    if sound != ["ok"] {
        return Err(format!("it is damaged: {sound:?}"));
    }
    let numbers = |ids: Vec<String>| -> BTreeSet<u64> { ids.iter().map(|id| number(id)).collect() };
    let entries = numbers(texts(db, "SELECT id FROM entries"));
    let (neighbours, visible): (BTreeSet<_>, _) = entries.into_iter().partition(|n| *n >= NEIGHBOUR);
    let queued = numbers(texts(db, "SELECT args ->> '$.step.id' FROM _plasma_outbox"));
    let decided: BTreeMap<u64, String> = texts(db, "SELECT id || ' ' || status FROM _plasma_outcomes")
        .iter()
        .filter_map(|outcome| outcome.split_once(' '))
        .map(|(id, status)| (id.parse().expect("a number"), status.to_owned()))
        .collect();

    let known: BTreeSet<u64> = queued.iter().chain(decided.keys()).chain(&visible).copied().collect();
    let last = known.last().copied().unwrap_or(0);
    if known.len() as u64 != last {
        return Err(format!("there is a hole: {known:?}"));
    }
    for n in 1..=last {
        let is_refused = n <= scripted && is_refused(n);
        let (queued, seen) = (queued.contains(&n), visible.contains(&n));
        let whole = match decided.get(&n).map(String::as_str) {
            // Not decided, or not heard of it.
            None => queued && seen,
            Some("applied") => seen && !is_refused,
            Some("rejected") => is_refused && (!seen || queued),
            _ => false,
        };
        if !whole {
            return Err(format!(
                "mutation {n} is half there: queued {queued}, seen {seen}, decided {:?}",
                decided.get(&n)
            ));
        }
    }
    check_rows(db, &visible, scripted)?;
    let dump = [
        "SELECT id || state || coalesce(sent_at, 0) FROM _plasma_outbox ORDER BY id",
        "SELECT id || status FROM _plasma_outcomes ORDER BY id",
        "SELECT key || value FROM _plasma_meta WHERE key NOT LIKE 'lease%' ORDER BY key",
        "SELECT body FROM _plasma_inbox ORDER BY seq",
        "SELECT id FROM entries ORDER BY id",
    ]
    .map(|sql| texts(db, sql));
    Ok(Found { last, visible, neighbours, digest: hash(&dump) })
}

/// Every effect of a mutation that is to be seen, and of no other.
fn check_rows(db: &mut SqliteConnection, visible: &BTreeSet<u64>, scripted: u64) -> Result<(), String> {
    let kind = |n: u64| if n <= scripted { n % 5 } else { 1 };
    let mut expect = |what: &str, table: &str, kinds: &[u64]| {
        let found = texts(db, &format!("SELECT id FROM {table}")).iter().map(|id| number(id)).collect::<BTreeSet<_>>();
        let expected: BTreeSet<u64> = visible.iter().copied().filter(|n| kinds.contains(&kind(*n))).collect();
        if found == expected { Ok(()) } else { Err(format!("{what} are {found:?}, not {expected:?}")) }
    };
    expect("lists", "lists", &[1])?;
    expect("to-dos", "todos", &[4, 0])?;
    let hits = visible.iter().filter(|n| kind(**n) == 2).count() as i64;
    if integers(db, "SELECT coalesce(sum(n), 0) FROM counters") != [hits] {
        return Err(format!("the counter does not say {hits}"));
    }
    match integers(db, "SELECT coalesce(sum(balance), 0) FROM accounts")[..] {
        [0] | [MONEY] => Ok(()),
        ref sum => Err(format!("a transfer is half there: {sum:?}")),
    }
}
