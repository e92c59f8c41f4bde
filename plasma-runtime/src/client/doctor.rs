//! Looks at a client's store from outside: is the file whole, what waits in it, and why does it not go on.
//!
//! It needs no schema and no key, opens the file for reading only, and may look while the application runs. The program
//! `plasma doctor FILE` prints what it finds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::identity::{self, keys};
use super::tables;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::cookie::Position;
use crate::store::SqlConnection;
use crate::store::sqlite::{SqliteConnection, SqliteOptions};
use crate::value::{Kind, Row, Value};

/// What was found in a store. [`Display`](fmt::Display) writes it for people.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Checkup {
    /// What must not be: damage to the file, or to what plasma keeps in it. Empty for a store that is well.
    pub damage: Vec<String>,
    /// What a developer should look at: rejected mutations, a mutator that is not deterministic, a lost history.
    pub warnings: Vec<String>,
    /// The mutation at the head of the queue, and why it has not left; none when nothing waits.
    pub head: Option<Head>,
    /// Mutations the server has not decided about.
    pub queued: u64,
    /// Mutations the server has decided about, whose rows a pull has not brought yet.
    pub acknowledged: u64,
    /// Outcomes that are kept, by status.
    pub outcomes: BTreeMap<String, u64>,
    /// Who the store is, as pairs of a name and a value: client id, group, version of the schema, position, ..
    pub identity: Vec<(&'static str, String)>,
    /// Rows of each table of the application.
    pub rows: BTreeMap<String, u64>,
    /// Bytes of the file's pages, those of free ones included.
    pub bytes: u64,
}

/// The mutation that everything else waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Head {
    /// Its id.
    pub id: u64,
    /// Its key.
    pub key: String,
    /// Wire name of the mutator.
    pub name: String,
    /// When it was made, unix ms.
    pub made_ms: i64,
    /// Why it is still there.
    pub why: Waiting,
}

/// Why a mutation is still in the queue, as far as the store can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// It was never handed to the network: the device was offline, nothing ran the sync loop, or there is no server or
    /// group.
    NeverSent,
    /// It was sent then (unix ms), and no answer came.
    Unanswered(i64),
    /// The server has decided; a pull has to bring its rows.
    Unobserved,
    /// As before, and its last replay on this device failed with this: it has no optimistic effect.
    FailingLocally(String),
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Waiting::NeverSent => {
                f.write_str("never sent: offline, no running client, or no server or group is configured")
            }
            Waiting::Unanswered(at) => write!(f, "sent at {at} (unix ms), and the server has not answered"),
            Waiting::Unobserved => f.write_str("the server has decided; no pull has brought its rows yet"),
            Waiting::FailingLocally(why) => {
                write!(f, "its last replay here failed ({why}); the server will decide when it is sent")
            }
        }
    }
}

/// Examines the store in this file.
///
/// ```no_run
/// let checkup = plasma_runtime::client::doctor::examine("app.db")?;
/// println!("{checkup}");
/// assert!(checkup.damage.is_empty());
/// # Ok::<(), plasma_runtime::Error>(())
/// ```
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) when there is no such file; [`WrongStore`](ErrorKind::WrongStore) when it is not a
/// client's store; [`Storage`](ErrorKind::Storage) when it cannot be read at all.
pub fn examine(path: impl AsRef<Path>) -> Result<Checkup> {
    let path = path.as_ref();
    if !path.is_file() {
        return Err(Error::not_found(format!("there is no file {}", path.display())));
    }
    let options = SqliteOptions { read_only: true, create: false, ..SqliteOptions::default() };
    let mut store = SqliteConnection::open(path, options)?;
    let store: &mut dyn SqlConnection = &mut store;
    store.batch("BEGIN")?;
    let found = look(store, path);
    store.batch("ROLLBACK")?;
    found
}

fn look(store: &mut dyn SqlConnection, path: &Path) -> Result<Checkup> {
    let mut checkup = Checkup {
        bytes: number(store, "PRAGMA page_count")? * number(store, "PRAGMA page_size")?,
        ..Checkup::default()
    };
    for row in store.query("PRAGMA quick_check(20)", &[], &[Kind::Text])? {
        if let Some(line) = row[0].as_text().filter(|line| *line != "ok") {
            checkup.damage.push(format!("SQLite: {line}"));
        }
    }
    let there = texts(store, "SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    if !there.iter().any(|name| name == "_plasma_meta") || !there.iter().any(|name| name == "_plasma_outbox") {
        return Err(Error::new(
            ErrorKind::WrongStore,
            format!("{} is a database, and not the store of a plasma client", path.display()),
        ));
    }
    for name in tables::NAMES.iter().filter(|name| !there.iter().any(|there| there == *name)) {
        checkup.damage.push(format!("the table `{name}` is missing"));
    }
    let meta = identity::all(store)?;
    who(&meta, &mut checkup);
    if checkup.damage.is_empty() {
        queue(store, &meta, &mut checkup)?;
        outcomes(store, &mut checkup)?;
    }
    for name in there.iter().filter(|name| !name.starts_with("_plasma_") && !name.starts_with("sqlite_")) {
        let rows = number(store, &format!("SELECT count(*) FROM {}", crate::store::ddl::quote(name)))?;
        checkup.rows.insert(name.clone(), rows);
    }
    Ok(checkup)
}

/// Who the store is, and where it stands.
fn who(meta: &BTreeMap<String, String>, checkup: &mut Checkup) {
    let value = |key: &str| meta.get(key).cloned();
    let position = |key: &str| {
        let cookie = value(key)?;
        Some(match Position::decode(&cookie) {
            Ok(position) => position.at.to_string(),
            Err(_) => "a cookie of another version".to_owned(),
        })
    };
    let known = [
        ("client id", value(keys::CLIENT_ID)),
        ("group", value(keys::GROUP)),
        ("schema", value(keys::SCHEMA)),
        ("layout", value(keys::LAYOUT)),
        ("position of the base", position(keys::COOKIE)),
        ("position of staged pages", position(keys::INBOX_COOKIE)),
        ("acknowledged up to", value(keys::ACKNOWLEDGED)),
        ("last pull that reached the head, unix ms", value(keys::LAST_PULL)),
        ("sync loop until, unix ms", value(keys::LEASE_UNTIL)),
    ];
    checkup.identity = known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if !meta.contains_key(keys::CLIENT_ID) {
        checkup.damage.push("the store has no client id".to_owned());
    }
    if !meta.contains_key(keys::GROUP) {
        checkup.warnings.push("the store belongs to no group yet: it does not sync".to_owned());
    }
    if meta.contains_key(keys::AT_REST) {
        checkup.identity.push(("encrypted columns", "yes".to_owned()));
    }
    if let Some(layout) = meta.get(keys::LAYOUT).and_then(|layout| layout.parse::<i64>().ok())
        && layout > tables::LAYOUT_VERSION
    {
        checkup.warnings.push(format!("the store was written by a newer plasma (layout {layout})"));
    }
    if let Some(drift) = meta.get(keys::DRIFT) {
        checkup.warnings.push(format!("a mutator did something else on the server than here: {drift}"));
    }
}

/// The outbox and what it did.
fn queue(store: &mut dyn SqlConnection, meta: &BTreeMap<String, String>, checkup: &mut Checkup) -> Result<()> {
    let kinds = [Kind::BigInt, Kind::Text, Kind::Text, Kind::BigInt, Kind::Text, Kind::BigInt, Kind::Text];
    let sql = "SELECT id, key, name, ts, state, sent_at, failing FROM _plasma_outbox ORDER BY id";
    let mut last: Option<i64> = None;
    for row in store.query(sql, &[], &kinds)? {
        let entry = Entry::of(&row);
        if let Some(last) = last.filter(|last| last + 1 != entry.id) {
            checkup.damage.push(format!("the queue has a gap between {last} and {}", entry.id));
        }
        last = Some(entry.id);
        if entry.acknowledged {
            checkup.acknowledged += 1
        } else {
            checkup.queued += 1
        }
        let whose_turn =
            checkup.head.as_ref().is_none_or(|head| head.why == Waiting::Unobserved && !entry.acknowledged);
        if whose_turn {
            checkup.head = Some(entry.into_head());
        }
    }
    let issued = meta.get(keys::ISSUED).and_then(|issued| issued.parse::<i64>().ok()).unwrap_or(0);
    let first = number(store, "SELECT coalesce(min(id), 0) FROM _plasma_outbox")?;
    if first != 0 && i64::try_from(first).is_ok_and(|first| first != issued + 1) {
        checkup.damage.push(format!("the queue begins at {first}, and what left it ended at {issued}"));
    }
    let orphans = "SELECT count(*) FROM _plasma_effects WHERE mid NOT IN (SELECT id FROM _plasma_outbox)";
    let orphans = number(store, orphans)?;
    if orphans > 0 {
        checkup.damage.push(format!("{orphans} effects belong to no mutation of the queue"));
    }
    Ok(())
}

struct Entry {
    id: i64,
    key: String,
    name: String,
    made_ms: i64,
    acknowledged: bool,
    sent_ms: Option<i64>,
    failing: Option<String>,
}

impl Entry {
    fn of(row: &Row) -> Self {
        let text = |index: usize| row[index].as_text().map(str::to_owned);
        Entry {
            id: row[0].as_int().unwrap_or_default(),
            key: text(1).unwrap_or_default(),
            name: text(2).unwrap_or_default(),
            made_ms: row[3].as_int().unwrap_or_default(),
            acknowledged: row[4].as_text() == Some("acknowledged"),
            sent_ms: row[5].as_int(),
            failing: text(6),
        }
    }

    fn into_head(self) -> Head {
        let why = match (self.acknowledged, self.sent_ms, self.failing) {
            (true, _, _) => Waiting::Unobserved,
            (false, Some(at), _) => Waiting::Unanswered(at),
            (false, None, Some(why)) => Waiting::FailingLocally(why),
            (false, None, None) => Waiting::NeverSent,
        };
        let id = u64::try_from(self.id).unwrap_or_default();
        Head { id, key: self.key, name: self.name, made_ms: self.made_ms, why }
    }
}

fn outcomes(store: &mut dyn SqlConnection, checkup: &mut Checkup) -> Result<()> {
    let rows = store.query(
        "SELECT status, count(*) FROM _plasma_outcomes GROUP BY status ORDER BY status",
        &[],
        &[Kind::Text, Kind::BigInt],
    )?;
    for row in rows {
        if let (Some(status), Some(count)) = (row[0].as_text(), row[1].as_int()) {
            checkup.outcomes.insert(status.to_owned(), u64::try_from(count).unwrap_or_default());
        }
    }
    let lost = checkup.outcomes.get("lost-by-server").copied().unwrap_or(0);
    if lost > 0 {
        checkup.warnings.push(format!("{lost} mutations were lost by a server that was restored from a backup"));
    }
    let sql = "SELECT name, id, coalesce(code, ''), coalesce(message, '') FROM _plasma_outcomes \
        WHERE status = 'rejected' ORDER BY seq DESC LIMIT 3";
    for row in store.query(sql, &[], &[Kind::Text, Kind::BigInt, Kind::Text, Kind::Text])? {
        if let [Value::Text(name), Value::Int(id), Value::Text(code), Value::Text(message)] = &row[..] {
            checkup.warnings.push(format!("`{name}` ({id}) was rejected: {code}: {message}"));
        }
    }
    Ok(())
}

fn number(store: &mut dyn SqlConnection, sql: &str) -> Result<u64> {
    let rows = store.query(sql, &[], &[Kind::BigInt])?;
    Ok(rows.first().and_then(|row| row[0].as_int()).and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

fn texts(store: &mut dyn SqlConnection, sql: &str) -> Result<Vec<String>> {
    let rows = store.query(sql, &[], &[Kind::Text])?;
    Ok(rows.into_iter().filter_map(|row| row[0].as_text().map(str::to_owned)).collect())
}

impl fmt::Display for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.identity {
            writeln!(f, "{name}: {value}")?;
        }
        writeln!(f, "bytes: {}", self.bytes)?;
        for (table, rows) in &self.rows {
            writeln!(f, "`{table}`: {rows} rows")?;
        }
        writeln!(f, "queue: {} not decided, {} decided and not pulled", self.queued, self.acknowledged)?;
        if let Some(head) = &self.head {
            writeln!(f, "head: {} `{}` of {} (unix ms): {}", head.id, head.name, head.made_ms, head.why)?;
        }
        for (status, count) in &self.outcomes {
            writeln!(f, "outcomes, {status}: {count}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "look at: {warning}")?;
        }
        for damage in &self.damage {
            writeln!(f, "DAMAGE: {damage}")?;
        }
        f.write_str(if self.damage.is_empty() { "the store is whole" } else { "the store is damaged" })
    }
}
