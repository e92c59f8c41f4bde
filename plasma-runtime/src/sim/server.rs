//! The simulated server: the engine over one store, its backups, and what it shows to whom.

use std::sync::Arc;

use super::Rng;
use super::crashy::CrashyStore;
use super::message::{Ghost, is_pull, page};
use super::workload::{Principal, Tables, Workload, synced_rows};
use crate::error::{Error, Result};
use crate::future::poll_once;
use crate::protocol::{WireRequest, WireResponse};
use crate::query::eval::{SqlRows, matches};
use crate::schema::Definition;
use crate::server::{Caller, Compaction, CompactionOptions, ServerEngine, ServerOptions};
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Value};

/// What compaction has removed from the log, for the checks of a run's end. In the database, so that it is backed up and
/// restored with it.
const FULL_LOG: &str = "CREATE TABLE _sim_log (row_version INTEGER PRIMARY KEY, table_name TEXT NOT NULL, row_id TEXT NOT NULL, op TEXT NOT NULL)";

#[derive(Debug)]
pub(super) struct Server {
    pub(super) store: CrashyStore,
    pub(super) engine: ServerEngine,
    pub(super) rng: Rng,
    pub(super) up: bool,
    pub(super) backup: Option<SqliteConnection>,
    /// How often it was restored from a backup.
    pub(super) history: u32,
}

fn pending() -> Error {
    Error::internal("the server engine waited for something over a synchronous store")
}

impl Server {
    /// A server over a copy of `template`, which [`template`](Self::template) made.
    pub(super) fn new(template: &SqliteConnection, definition: &Definition, rng: Rng) -> Result<Self> {
        let mut store = SqliteConnection::in_memory()?;
        template.backup_to(&mut store)?;
        let engine = ServerEngine::new(definition.clone(), ServerOptions::default())?;
        Ok(Server { store: CrashyStore::new(store), engine, rng, up: true, backup: None, history: 0 })
    }

    /// A database with all tables and the workload's first rows.
    pub(super) fn template(workload: &dyn Workload) -> Result<SqliteConnection> {
        let mut store = SqliteConnection::in_memory()?;
        let engine = ServerEngine::new(workload.definition(), ServerOptions::default())?;
        let mut rng = Rng::new(0);
        let setup = Box::pin(engine.ensure_schema(&mut store, super::world::EPOCH, &mut rng));
        poll_once(setup).ok_or_else(pending)??;
        for statement in workload.seed() {
            SqlConnection::batch(&mut store, &statement)?;
        }
        // The triggers read SQLite's clock, which is not the simulation's.
        SqlConnection::execute(
            &mut store,
            "UPDATE _plasma_changes SET created_at = ?1",
            &[super::world::EPOCH.into()],
        )?;
        SqlConnection::batch(&mut store, FULL_LOG)?;
        Ok(store)
    }

    /// The process starts again: nothing but the store is left.
    pub(super) fn restart(&mut self, definition: &Definition, now: i64) -> Result<()> {
        self.store.recover()?;
        self.engine = ServerEngine::new(definition.clone(), ServerOptions::default())?;
        let setup = Box::pin(self.engine.ensure_schema(&mut self.store, now, &mut self.rng));
        poll_once(setup).ok_or_else(pending)??;
        self.up = true;
        Ok(())
    }

    pub(super) fn back_up(&mut self) -> Result<()> {
        let mut backup = SqliteConnection::in_memory()?;
        self.store.inner().backup_to(&mut backup)?;
        self.backup = Some(backup);
        Ok(())
    }

    /// Takes up to so many steps of a compaction, each of a few entries.
    pub(super) fn compact(
        &mut self,
        now: i64,
        options: CompactionOptions,
        most: usize,
        steps: usize,
    ) -> Result<Compaction> {
        // The store may be set to die in a step: what the simulator notes for itself is not the server's work.
        self.store.inner().batch(
            "INSERT OR REPLACE INTO _sim_log SELECT row_version, table_name, row_id, op FROM _plasma_changes \
             WHERE op IN ('put', 'del')",
        )?;
        let mut compaction = Compaction::new(options);
        for _ in 0..steps {
            let step = Box::pin(self.engine.compact_step(&mut self.store, now, &mut compaction, most));
            if !poll_once(step).ok_or_else(pending)?? {
                break;
            }
        }
        Ok(compaction)
    }

    /// Goes back to the backup, if there is one.
    pub(super) fn restore(&mut self) -> Result<bool> {
        let Some(backup) = &self.backup else { return Ok(false) };
        let mut store = SqliteConnection::in_memory()?;
        backup.backup_to(&mut store)?;
        self.store = CrashyStore::new(store);
        self.history += 1;
        Ok(true)
    }

    pub(super) fn handle(&mut self, principal: &Principal, wire: &WireRequest, now: i64) -> Result<WireResponse> {
        let caller = Caller { group: principal.group.clone(), ctx: Arc::clone(&principal.ctx) };
        let work = Box::pin(self.engine.handle(&mut self.store, now, &mut self.rng, Some(&caller), wire));
        poll_once(work).ok_or_else(pending)
    }

    /// What this caller may read now, judged by the in-memory evaluator: not the code that serves pulls.
    pub(super) fn readable(&mut self, principal: &Principal) -> Result<Tables> {
        let definition = Arc::clone(self.engine.definition());
        let mut tables = synced_rows(&definition, self.store.inner())?;
        for table in definition.schema.synced() {
            let Some(rules) = self.engine.rules(&*principal.ctx, table)? else { continue };
            let rows = tables.entry(table.name).or_default();
            let mut hidden = Vec::new();
            for (id, row) in rows.iter() {
                if matches(&rules.read, table, row, &mut SqlRows(self.store.inner()))? != Some(true) {
                    hidden.push(id.clone());
                }
            }
            hidden.iter().for_each(|id| {
                rows.remove(id);
            });
        }
        Ok(tables)
    }

    /// What the simulator remembers of a pull's answer.
    pub(super) fn ghost(
        &mut self,
        principal: &Principal,
        wire: &WireRequest,
        response: &WireResponse,
    ) -> Result<Option<Ghost>> {
        let Some(page) = page(response).filter(|_| is_pull(wire)) else { return Ok(None) };
        let clears = page.patch.iter().any(|op| matches!(op, crate::protocol::PatchOp::Clear { .. }));
        let readable = if page.has_more || page.partial { None } else { Some(self.readable(principal)?) };
        Ok(Some(Ghost { cookie: page.cookie, clears, readable, history: self.history }))
    }

    /// Bound and floor of compaction.
    pub(super) fn horizon(&mut self) -> Result<(u64, u64)> {
        let sql = "SELECT coalesce(max(CASE key WHEN 'compaction_bound' THEN CAST(value AS INTEGER) END), 0), \
            coalesce(max(CASE key WHEN 'compaction_state' THEN value ->> 'floor' END), 0) FROM _plasma_meta \
            WHERE key IN ('compaction_bound', 'compaction_state')";
        let rows = self.store.inner().query(sql, &[], &[Kind::BigInt, Kind::BigInt])?;
        let number = |at: usize| rows.first().and_then(|row| row[at].as_int()).unwrap_or_default() as u64;
        Ok((number(0), number(1)))
    }

    /// The log's last position.
    pub(super) fn head(&mut self) -> Result<u64> {
        let rows = self.store.inner().query("SELECT max(row_version) FROM _plasma_changes", &[], &[Kind::BigInt])?;
        Ok(rows.first().and_then(|row| row[0].as_int()).unwrap_or_default() as u64)
    }

    /// Ids of a table's rows in the order they were first written.
    pub(super) fn order(&mut self, table: &str) -> Result<Vec<String>> {
        let rows = self.store.inner().query(
            "SELECT row_id FROM (SELECT row_version, table_name, row_id, op FROM _sim_log \
             UNION SELECT row_version, table_name, row_id, op FROM _plasma_changes) \
             WHERE table_name = ?1 AND op = 'put' ORDER BY row_version",
            &[table.into()],
            &[Kind::Text],
        )?;
        Ok(texts(rows))
    }

    /// Clients whose ledger does not hold each id from 1 to its last exactly once.
    pub(super) fn broken_ledgers(&mut self) -> Result<Vec<String>> {
        let rows = self.store.inner().query(
            "SELECT m.client_id FROM _plasma_client_mutations AS m WHERE m.last_mutation_id <> \
             (SELECT count(*) FROM _plasma_outcomes AS o WHERE o.client_id = m.client_id \
              AND o.mutation_id BETWEEN 1 AND m.last_mutation_id)",
            &[],
            &[Kind::Text],
        )?;
        Ok(texts(rows))
    }
}

fn texts(rows: Vec<Vec<Value>>) -> Vec<String> {
    rows.into_iter().filter_map(|row| row.into_iter().next()?.as_text().map(str::to_owned)).collect()
}
