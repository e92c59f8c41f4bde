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
use crate::server::{Caller, ServerEngine, ServerOptions};
use crate::store::SqlConnection;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Value};

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

    /// The log's last position.
    pub(super) fn head(&mut self) -> Result<u64> {
        let rows = self.store.inner().query("SELECT max(row_version) FROM _plasma_changes", &[], &[Kind::BigInt])?;
        Ok(rows.first().and_then(|row| row[0].as_int()).unwrap_or_default() as u64)
    }

    /// Ids of a table's rows in the order they were first written.
    pub(super) fn order(&mut self, table: &str) -> Result<Vec<String>> {
        let rows = self.store.inner().query(
            "SELECT row_id FROM _plasma_changes WHERE table_name = ?1 AND op = 'put' ORDER BY row_version",
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
