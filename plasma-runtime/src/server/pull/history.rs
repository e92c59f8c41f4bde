//! What the database says of its history: how far back the log reaches, and which positions are its own.

use std::collections::BTreeMap;

use super::log::{self, Head, to_value};
use crate::error::{Error, Result};
use crate::protocol::cookie::{Mark, Position};
use crate::server::ServerEngine;
use crate::server::compaction::Horizon;
use crate::store::{SqlExecutor, SqlStep};
use crate::value::{Kind, Row};

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

/// Asks for what [`read_meta`] reads.
const META: SqlStep<'static> = SqlStep::Query(
    "SELECT key, value FROM _plasma_meta WHERE key IN ('compaction_bound', 'compaction_state', 'digest_key', 'schema_epoch')",
    &[],
    &[Kind::Text, Kind::Text],
);

fn read_meta(rows: &[Row]) -> Result<Meta> {
    let mut horizon = Horizon::default();
    let (mut digest_key, mut epoch) = (None, 0);
    for row in rows {
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

/// Begins the transaction of a pull, in one journey with all that every pull asks first: the head, the meta data, and the
/// marks at the places of the reader's position.
pub(super) async fn open(
    engine: &ServerEngine,
    db: &mut dyn SqlExecutor,
    position: Option<&Position>,
) -> Result<(Head, Meta, BTreeMap<u64, Mark>)> {
    let dialect = db.dialect();
    let begin = engine.reading(dialect);
    let versions = position.map(|position| places(position).map(|(version, _)| to_value(version)));
    let mut steps = vec![SqlStep::Batch(&begin), log::head_step(dialect), META];
    steps.extend(versions.as_ref().map(|versions| log::marks_step(dialect, versions)));
    let answers = db.run_all(&steps).await?;
    let rows = |at: usize| answers.get(at).map_or(&[][..], Vec::as_slice);
    Ok((log::read_head(rows(1))?, read_meta(rows(2))?, log::read_marks(rows(3))?))
}

/// Where the position stands: its end, its heads, and those of the set it is in.
fn places(position: &Position) -> [(u64, Mark); 4] {
    let here = (position.at, position.mark);
    let from = position.walk.as_ref().and_then(|walk| walk.from);
    let seen = (position.seen.last, position.seen.mark);
    let first_seen = from.map_or(seen, |from| (from.seen.last, from.seen.mark));
    [here, seen, from.map_or(here, |from| (from.at, from.mark)), first_seen]
}

/// Whether the position lies in this history, which has these marks, and a reader there can be told what is new.
pub(super) fn is_ours(position: &Position, horizon: &Horizon, marks: &BTreeMap<u64, Mark>) -> bool {
    let places = places(position);
    // The pages of a set show rows as of its end: from there on the log must be whole.
    if places[2].0 < horizon.floor || (position.walk.is_some() && position.at < horizon.bound) {
        return false;
    }
    places.iter().all(|(version, mark)| marks.get(version) == Some(mark))
}
