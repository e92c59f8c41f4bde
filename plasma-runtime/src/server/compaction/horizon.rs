//! What is left of the log's past, as the database says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// The key of the bound in `_plasma_meta`.
const BOUND: &str = "compaction_bound";
/// The key of everything else.
const STATE: &str = "compaction_state";

/// How far back the log can tell what happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::server) struct Horizon {
    /// The log is complete above it. Its entry is there, for the mark.
    pub(in crate::server) bound: u64,
    /// Nothing is left below it. Its entry is there, for the mark.
    pub(in crate::server) floor: u64,
    /// How far the entries below the bound have been gone through.
    pub(super) done: u64,
    /// On Postgres, how far the entries of the next position have been gone through, by their numbers. 0: not at all.
    pub(super) within: u64,
    /// How many entries are left up to there.
    pub(super) folded: u64,
    /// Per table, the version of the newest entry that went: above it the table's entries are complete.
    lost: BTreeMap<String, u64>,
    /// The same for entries that went without being folded.
    unfolded: BTreeMap<String, u64>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    floor: u64,
    done: u64,
    within: u64,
    folded: u64,
    lost: BTreeMap<String, u64>,
    unfolded: BTreeMap<String, u64>,
}

impl Horizon {
    /// Reads it.
    pub(in crate::server) async fn load(db: &mut dyn SqlExecutor) -> Result<Self> {
        const SQL: &str = "SELECT key, value FROM _plasma_meta WHERE key IN ('compaction_bound', 'compaction_state')";
        let mut horizon = Horizon::default();
        for row in db.query(SQL, &[], &[Kind::Text, Kind::Text]).await? {
            if let (Some(key), Some(value)) = (row[0].as_text(), row[1].as_text()) {
                horizon.read(key, value)?;
            }
        }
        Ok(horizon)
    }

    /// Takes in a row of `_plasma_meta`; others are nothing to it.
    pub(in crate::server) fn read(&mut self, key: &str, value: &str) -> Result<()> {
        let damaged = || Error::new(ErrorKind::Storage, format!("the database's `{key}` cannot be read"));
        match key {
            BOUND => self.bound = value.parse().map_err(|_| damaged())?,
            STATE => {
                let state: State = serde_json::from_str(value).map_err(|_| damaged())?;
                (self.floor, self.done, self.within, self.folded) =
                    (state.floor, state.done, state.within, state.folded);
                (self.lost, self.unfolded) = (state.lost, state.unfolded);
            }
            _ => {}
        }
        Ok(())
    }

    /// Positions below this one, which has an entry, are void: what the log says of the time before no longer fits the
    /// tables. The next compaction takes it away.
    pub(in crate::server) async fn void_below(db: &mut dyn SqlExecutor, version: u64) -> Result<()> {
        let mut horizon = Horizon::load(db).await?;
        horizon.bound = horizon.bound.max(version);
        horizon.raise_floor(version);
        horizon.save(db).await
    }

    pub(super) async fn save(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        const SQL: &str = "INSERT INTO _plasma_meta (key, value) VALUES (?1, ?2) \
            ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        let Horizon { bound, floor, done, within, folded, lost, unfolded } = self.clone();
        let state = serde_json::to_string(&State { floor, done, within, folded, lost, unfolded })
            .map_err(|error| Error::internal("the state of compaction has no JSON form").with_source(error))?;
        db.execute(SQL, &[Value::from(BOUND), Value::Text(bound.to_string())]).await?;
        db.execute(SQL, &[Value::from(STATE), Value::Text(state)]).await?;
        Ok(())
    }

    pub(super) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
        let floor = self.floor;
        for lost in [&mut self.lost, &mut self.unfolded] {
            lost.retain(|_, version| *version > floor);
        }
    }

    /// The positions up to this one have been gone through.
    pub(super) fn go_on(&mut self, done: u64) {
        (self.done, self.within) = (done, 0);
    }

    /// Notes that an entry of the table at this version went. `folded` says that the newest one of its row stays.
    pub(super) fn lose(&mut self, table: String, version: u64, folded: bool) {
        if !folded {
            let known = self.unfolded.entry(table.clone()).or_default();
            *known = version.max(*known);
        }
        let known = self.lost.entry(table).or_default();
        *known = version.max(*known);
    }

    /// Whether entries of the table after this position went.
    pub(in crate::server) fn lacks(&self, table: &str, after: u64) -> bool {
        self.lost.get(table).is_some_and(|version| *version > after)
    }

    /// Whether rows of the table that changed after this position are not told of any more. Even of one that everybody
    /// may read: a server that does not know it, being of an older version, does not fold it.
    pub(in crate::server) fn forgot(&self, table: &str, after: u64) -> bool {
        self.unfolded.get(table).is_some_and(|version| *version > after)
    }
}
