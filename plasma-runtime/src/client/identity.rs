//! Who the store is, and where it stands: the rows of `_plasma_meta`.

use std::collections::BTreeMap;

use uuid::{Builder, Uuid};

use super::event::Entropy;
use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlConnection;
use crate::value::{Kind, Value};

/// The keys of `_plasma_meta`.
pub(crate) mod keys {
    /// [`LAYOUT_VERSION`](super::super::tables::LAYOUT_VERSION) of whoever wrote the store last.
    pub(crate) const LAYOUT: &str = "layout";
    /// The client id.
    pub(crate) const CLIENT_ID: &str = "client_id";
    /// The group; absent until the store was opened with one.
    pub(crate) const GROUP: &str = "group";
    /// The greatest id given to a mutation that has left the outbox.
    pub(crate) const ISSUED: &str = "issued";
    /// The greatest id the server acknowledged, by push or pull.
    pub(crate) const ACKNOWLEDGED: &str = "acknowledged";
    /// The key issued for that id.
    pub(crate) const ACKNOWLEDGED_KEY: &str = "acknowledged_key";
    /// The cookie of the base; absent when the base is empty.
    pub(crate) const COOKIE: &str = "cookie";
    /// The cookie of the last staged page; absent when none is staged.
    pub(crate) const INBOX_COOKIE: &str = "inbox_cookie";
    /// [`ACKNOWLEDGED`] when the first staged page was asked for; absent when none is staged.
    pub(crate) const INBOX_ACKNOWLEDGED: &str = "inbox_acknowledged";
    /// Who syncs, and until when (unix ms).
    pub(crate) const LEASE_HOLDER: &str = "lease_holder";
    pub(crate) const LEASE_UNTIL: &str = "lease_until";
    /// When a pull last reached the server's head, unix ms.
    pub(crate) const LAST_PULL: &str = "last_pull";
    /// Present when the pending mutations must run again (the tables changed their shape).
    pub(crate) const REPLAY: &str = "replay";
    /// The version of the schema the store was last opened with, and those before it, as JSON.
    pub(crate) const SCHEMA: &str = "schema";
    /// The shapes of the application's tables: a JSON object of table name to `l` (local) or `s` and a fingerprint.
    pub(crate) const SHAPES: &str = "shapes";
    /// The last mutation that did something else on the server than here, for the doctor: JSON.
    pub(crate) const DRIFT: &str = "drift";
    /// Which columns are sealed, and with which key; absent when none is.
    pub(crate) const AT_REST: &str = "at_rest";
    /// How many cells that key has sealed at most.
    pub(crate) const AT_REST_COUNT: &str = "at_rest_count";
    /// Present while what the store once held in clear may still be in its freed pages.
    pub(crate) const AT_REST_PURGE: &str = "at_rest_purge";
}

/// The rows of `_plasma_meta` as of one transaction. Never kept beyond it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meta {
    pub(crate) client_id: String,
    pub(crate) issued: u64,
    pub(crate) acknowledged: u64,
    pub(crate) acknowledged_key: Option<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) inbox_cookie: Option<String>,
    pub(crate) inbox_acknowledged: Option<u64>,
    pub(crate) lease_holder: Option<String>,
    pub(crate) lease_until: i64,
    pub(crate) last_pull: Option<i64>,
}

impl Meta {
    /// Reads them.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the store cannot be read or holds something else.
    pub(crate) fn load(store: &mut dyn SqlConnection) -> Result<Meta> {
        let mut values = all(store)?;
        let mut number = |key: &str| -> Result<Option<i64>> {
            match values.remove(key) {
                None => Ok(None),
                Some(text) => match text.parse() {
                    Ok(number) => Ok(Some(number)),
                    Err(_) => Err(damaged(key, &text)),
                },
            }
        };
        let issued = number(keys::ISSUED)?;
        let acknowledged = number(keys::ACKNOWLEDGED)?;
        let inbox_acknowledged = number(keys::INBOX_ACKNOWLEDGED)?;
        let lease_until = number(keys::LEASE_UNTIL)?;
        let last_pull = number(keys::LAST_PULL)?;
        let id = |number: Option<i64>| u64::try_from(number.unwrap_or(0)).unwrap_or(0);
        Ok(Meta {
            client_id: values.remove(keys::CLIENT_ID).ok_or_else(|| damaged(keys::CLIENT_ID, "nothing"))?,
            issued: id(issued),
            acknowledged: id(acknowledged),
            acknowledged_key: values.remove(keys::ACKNOWLEDGED_KEY),
            cookie: values.remove(keys::COOKIE),
            inbox_cookie: values.remove(keys::INBOX_COOKIE),
            inbox_acknowledged: inbox_acknowledged.map(|number| id(Some(number))),
            lease_holder: values.remove(keys::LEASE_HOLDER),
            lease_until: lease_until.unwrap_or(0),
            last_pull,
        })
    }

    /// The cookie the next pull is asked with: that of the last staged page, else that of the base.
    pub(crate) fn position(&self) -> Option<&String> {
        self.inbox_cookie.as_ref().or(self.cookie.as_ref())
    }
}

/// All values by key.
pub(crate) fn all(store: &mut dyn SqlConnection) -> Result<BTreeMap<String, String>> {
    let rows = store.query("SELECT key, value FROM _plasma_meta", &[], &[Kind::Text, Kind::Text])?;
    Ok(rows
        .into_iter()
        .filter_map(|row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Text(key), Value::Text(value)]) => Some((key, value)),
            _ => None,
        })
        .collect())
}

/// One value that is a number; 0 when there is none.
pub(crate) fn number(store: &mut dyn SqlConnection, key: &str) -> Result<u64> {
    let rows = store.query("SELECT value FROM _plasma_meta WHERE key = ?1", &[key.into()], &[Kind::Text])?;
    match rows.first().and_then(|row| row.first()?.as_text()) {
        None => Ok(0),
        Some(text) => text.parse().map_err(|_| damaged(key, text)),
    }
}

/// Stores or removes one value.
pub(crate) fn set(store: &mut dyn SqlConnection, key: &str, value: Option<&str>) -> Result<()> {
    match value {
        Some(value) => store.execute(
            "INSERT INTO _plasma_meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[key.into(), value.into()],
        )?,
        None => store.execute("DELETE FROM _plasma_meta WHERE key = ?1", &[key.into()])?,
    };
    Ok(())
}

/// Remembers that the server acknowledged all mutations up to `id`; older news change nothing.
pub(crate) fn acknowledge(store: &mut dyn SqlConnection, meta: &mut Meta, id: u64, key: Option<&str>) -> Result<()> {
    if id > meta.acknowledged || (id == meta.acknowledged && meta.acknowledged_key.is_none() && key.is_some()) {
        meta.acknowledged = id;
        meta.acknowledged_key = key.map(str::to_owned);
        set(store, keys::ACKNOWLEDGED, Some(&id.to_string()))?;
        set(store, keys::ACKNOWLEDGED_KEY, key)?;
    }
    Ok(())
}

/// A random UUID (version 4).
pub(crate) fn random_uuid(entropy: &mut dyn Entropy) -> Uuid {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    Builder::from_random_bytes(bytes).into_uuid()
}

fn damaged(key: &str, found: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("the store's `{key}` is damaged: found {found}"))
}
