//! A simulated client: a store, and the process that has it open, if any.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::Rng;
use super::crashy::CrashyStore;
use super::message::Due;
use super::workload::{Principal, Tables, synced_rows};
use crate::client::{Engine, EngineOptions};
use crate::error::Result;
use crate::schema::Definition;
use crate::store::SqlConnection;
use crate::value::json::decode_row;
use crate::value::{Kind, Value};

/// Names a client of a [`World`](super::World): 0, 1, 2 ..
pub type NodeId = usize;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) user: usize,
    pub(super) principal: Principal,
    pub(super) store: CrashyStore,
    /// None while the process is down.
    pub(super) engine: Option<Engine>,
    pub(super) incarnation: u64,
    /// The version of the application.
    pub(super) version: usize,
    pub(super) rng: Rng,
    pub(super) options: EngineOptions,
    pub(super) wake: Option<i64>,
    /// Requests the running process waits for.
    pub(super) outstanding: BTreeSet<u64>,
    pub(super) offline: bool,
    /// How far the device's clock is off, ms.
    pub(super) skew: i64,
    /// The process is frozen: what happens meanwhile waits.
    pub(super) frozen: Option<Vec<Due>>,
    /// The device's disk is full.
    pub(super) disk_full: bool,
    /// Nothing gets through, either way.
    pub(super) partitioned: bool,
    /// The store was copied: keys of its outbox may be known under other ids.
    pub(super) shared: bool,
    /// The client id when the store was made or last copied.
    pub(super) first_client_id: String,
    /// A page taken since the base's position clears what there is: the set it belongs to is a reset.
    pub(super) resetting: bool,
    /// The base after the last page, and the history it came from.
    pub(super) last_base: Option<(Tables, u32)>,
    /// Mutations issued here, in order.
    pub(super) issued: Vec<Issued>,
}

/// A mutation `mutate` has returned for.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) key: Uuid,
    pub(super) audit: Option<Uuid>,
    pub(super) name: String,
}

impl Node {
    pub(super) fn visible(&mut self, definition: &Definition) -> Result<Tables> {
        synced_rows(definition, self.store.inner())
    }

    pub(super) fn base(&mut self, definition: &Definition) -> Result<Tables> {
        base_rows(definition, self.store.inner())
    }
}

/// The base of a client's store: its visible rows with the pending effects taken back.
///
/// The base image of a row is the `before` of its earliest effect.
pub(super) fn base_rows(definition: &Definition, store: &mut dyn SqlConnection) -> Result<Tables> {
    let mut tables = synced_rows(definition, store)?;
    let effects = store.query(
        "SELECT table_name, row_id, before FROM _plasma_effects ORDER BY mid DESC",
        &[],
        &[Kind::Text, Kind::Text, Kind::Text],
    )?;
    // Latest first, so that the earliest effect of a row has the last word.
    for effect in effects {
        let (Some(name), Some(id)) = (effect[0].as_text(), effect[1].as_text()) else { continue };
        let Some(table) = definition.schema.table(name) else { continue };
        let rows = tables.entry(table.name).or_default();
        match &effect[2] {
            Value::Text(before) => {
                rows.insert(id.to_owned(), decode_row(table, before)?);
            }
            _ => {
                rows.remove(id);
            }
        }
    }
    Ok(tables)
}

/// The first difference of two sets of rows, for a message.
pub(super) fn difference(definition: &Arc<Definition>, found: &Tables, expected: &Tables) -> Option<String> {
    let empty = BTreeMap::new();
    for table in definition.schema.synced() {
        let found = found.get(table.name).unwrap_or(&empty);
        let expected = expected.get(table.name).unwrap_or(&empty);
        for (id, row) in expected {
            match found.get(id) {
                Some(other) if other == row => {}
                Some(other) => return Some(format!("`{}` {id} is {other:?}, not {row:?}", table.name)),
                None => return Some(format!("`{}` {id} is missing: {row:?}", table.name)),
            }
        }
        if let Some((id, row)) = found.iter().find(|(id, _)| !expected.contains_key(*id)) {
            return Some(format!("`{}` {id} should not be there: {row:?}", table.name));
        }
    }
    None
}
