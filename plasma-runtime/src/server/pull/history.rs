//! What the database says of its history: how far back the log reaches, and which positions are its own.

use super::log;
use crate::error::{Error, Result};
use crate::protocol::cookie::Position;
use crate::server::compaction::Horizon;
use crate::store::SqlExecutor;
use crate::value::Kind;

/// Entries at or below it may be gone.
#[cfg(feature = "http-server")]
pub(in crate::server) async fn compaction_bound(db: &mut dyn SqlExecutor) -> Result<u64> {
    Ok(Horizon::load(db).await?.bound)
}

/// The version of the log's head.
pub(in crate::server) async fn head(db: &mut dyn SqlExecutor) -> Result<u64> {
    Ok(log::head(db).await?.version)
}

pub(super) struct Meta {
    /// What is left of the log's past.
    pub(super) horizon: Horizon,
    /// The key of policy digests.
    pub(super) key: String,
    /// How often the tables have been changed.
    pub(super) epoch: i64,
}

pub(super) async fn meta(db: &mut dyn SqlExecutor) -> Result<Meta> {
    const SQL: &str = "SELECT key, value FROM _plasma_meta \
        WHERE key IN ('compaction_bound', 'compaction_state', 'digest_key', 'schema_epoch')";
    let mut horizon = Horizon::default();
    let (mut digest_key, mut epoch) = (None, 0);
    for row in db.query(SQL, &[], &[Kind::Text, Kind::Text]).await? {
        match (row[0].as_text(), row[1].as_text()) {
            (Some("digest_key"), Some(text)) => digest_key = Some(text.to_owned()),
            (Some("schema_epoch"), Some(text)) => epoch = text.parse().unwrap_or_default(),
            (Some(key), Some(text)) => horizon.read(key, text)?,
            _ => {}
        }
    }
    let key = digest_key.ok_or_else(|| Error::internal("there is no digest key: was `ensure_schema` run?"))?;
    Ok(Meta { horizon, key, epoch })
}

/// Whether the position lies in this history and a reader there can be told what is new.
pub(super) async fn is_ours(db: &mut dyn SqlExecutor, position: &Position, horizon: &Horizon) -> Result<bool> {
    let here = (position.at, position.mark);
    let from = position.walk.as_ref().and_then(|walk| walk.from);
    let first = from.map_or(here, |from| (from.at, from.mark));
    // The pages of a set show rows as of its end: from there on the log must be whole.
    if first.0 < horizon.floor || (position.walk.is_some() && position.at < horizon.bound) {
        return Ok(false);
    }
    let seen = (position.seen.last, position.seen.mark);
    let first_seen = from.map_or(seen, |from| (from.seen.last, from.seen.mark));
    let places = [here, seen, first, first_seen];
    let marks = log::marks(db, places.map(|(version, _)| version)).await?;
    Ok(places.iter().all(|(version, mark)| marks.get(version) == Some(mark)))
}
