//! What a database notes about its own schema: `_plasma_meta` and `_plasma_migrations`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// One row for each written step: what it was (`checksum`), whether it is `done`, `skipped` (there was nothing for it to
/// do) or `running`, and how far it is.
pub(super) const MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS _plasma_migrations (
  name TEXT PRIMARY KEY,
  checksum TEXT NOT NULL,
  state TEXT NOT NULL,
  progress TEXT,
  started_at BIGINT NOT NULL,
  finished_at BIGINT
);";

/// The key of the number that every change of the tables raises: a server that finds another one looks again whether it fits.
pub(in crate::server) const EPOCH: &str = "schema_epoch";

/// How images of a column in the change log differ from its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Image {
    /// Older images lack the column: it was added, and the rows of that time took this default.
    Absent {
        /// What stands after `DEFAULT`.
        default: Option<String>,
    },
    /// Older images hold a column of this name that was dropped.
    Stale,
}

/// The rows of `_plasma_meta`.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes(BTreeMap<String, String>);

impl Notes {
    /// Reads them; the table is there.
    pub(super) async fn read(db: &mut dyn SqlExecutor) -> Result<Self> {
        let rows = db.query("SELECT key, value FROM _plasma_meta", &[], &[Kind::Text, Kind::Text]).await?;
        let pairs = rows.into_iter().filter_map(|row| match <[Value; 2]>::try_from(row) {
            Ok([Value::Text(key), Value::Text(value)]) => Some((key, value)),
            _ => None,
        });
        Ok(Notes(pairs.collect()))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn json<T: serde::de::DeserializeOwned + Default>(&self, key: &str) -> Result<T> {
        let Some(text) = self.get(key) else { return Ok(T::default()) };
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("`{key}` of `_plasma_meta` cannot be read")).with_source(error)
        })
    }

    /// The tables as they were when the library last changed them.
    pub(super) fn shape(&self) -> Result<Shape> {
        self.json("shape")
    }

    /// By `table.column`.
    pub(super) fn images(&self) -> Result<BTreeMap<String, Image>> {
        self.json("images")
    }

    /// The fingerprints of all schemas that the database was made or migrated for, in order.
    pub(super) fn history(&self) -> Result<Vec<String>> {
        self.json("history")
    }

    pub(super) fn epoch(&self) -> i64 {
        self.get(EPOCH).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Writes a note.
pub(super) async fn note(db: &mut dyn SqlExecutor, key: &str, value: String) -> Result<()> {
    const SQL: &str =
        "INSERT INTO _plasma_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    db.execute(SQL, &[Value::from(key), Value::Text(value)]).await.map(drop)
}

/// A note as JSON.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("a note cannot be written").with_source(error))
}

/// A row of `_plasma_migrations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) checksum: String,
    pub(super) state: String,
    pub(super) progress: Option<String>,
}

impl Record {
    /// Whether the step never runs again.
    pub(super) fn is_over(&self) -> bool {
        self.state != "running"
    }
}

/// The rows of `_plasma_migrations`; the table is there.
pub(super) async fn records(db: &mut dyn SqlExecutor) -> Result<BTreeMap<String, Record>> {
    let sql = "SELECT name, checksum, state, progress FROM _plasma_migrations";
    let rows = db.query(sql, &[], &[Kind::Text; 4]).await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let text = |index: usize| row[index].as_text().map(str::to_owned);
            Some((text(0)?, Record { checksum: text(1)?, state: text(2)?, progress: text(3) }))
        })
        .collect())
}

/// Notes the state of a step.
pub(super) async fn record(
    db: &mut dyn SqlExecutor,
    name: &str,
    checksum: &str,
    state: &str,
    progress: Option<&str>,
    now_ms: i64,
) -> Result<()> {
    const SQL: &str = "INSERT INTO _plasma_migrations (name, checksum, state, progress, started_at, finished_at) \
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state, progress = excluded.progress, \
        finished_at = excluded.finished_at";
    let progress = progress.map_or(Value::Null, Value::from);
    let finished = if state == "running" { Value::Null } else { Value::Int(now_ms) };
    let params = [Value::from(name), Value::from(checksum), Value::from(state), progress, Value::Int(now_ms), finished];
    db.execute(SQL, &params).await.map(drop)
}
