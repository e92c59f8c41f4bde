//! The simulated servers: engines over one store, its backups, and what they show to whom.

use std::sync::Arc;

use super::Rng;
use super::crashy::CrashyStore;
use super::message::{Ghost, is_pull, page};
use super::releases::{Version, Versions, project};
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

/// Names a server of a [`World`](super::World): 0, 1, 2 ..
pub type ServerId = usize;

/// What compaction has removed from the log, for the checks of a run's end. In the database, so that it is backed up and
/// restored with it.
const FULL_LOG: &str = "CREATE TABLE _sim_log (row_version INTEGER PRIMARY KEY, table_name TEXT NOT NULL, row_id TEXT NOT NULL, op TEXT NOT NULL)";

/// One database, and the processes that serve it.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) store: CrashyStore,
    processes: Vec<Process>,
    rng: Rng,
    /// The newest version some process has made the database fit for.
    migrated: usize,
    /// With the version it is fit for.
    backup: Option<(SqliteConnection, usize)>,
    /// How often it was restored from a backup.
    pub(super) history: u32,
}

/// All that a server knows by itself.
#[derive(Debug)]
struct Process {
    engine: ServerEngine,
    version: usize,
    up: bool,
}

fn pending() -> Error {
    Error::internal("the server engine waited for something over a synchronous store")
}

impl Servers {
    /// So many servers over a copy of `template`, which [`template`](Self::template) made.
    pub(super) fn new(template: &SqliteConnection, definition: &Definition, count: usize, rng: Rng) -> Result<Self> {
        let mut store = SqliteConnection::in_memory()?;
        template.backup_to(&mut store)?;
        let process = || -> Result<Process> {
            let engine = ServerEngine::new(definition.clone(), ServerOptions::default())?;
            Ok(Process { engine, version: 0, up: true })
        };
        let processes = (0..count.max(1)).map(|_| process()).collect::<Result<_>>()?;
        Ok(Servers { store: CrashyStore::new(store), processes, rng, migrated: 0, backup: None, history: 0 })
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

    pub(super) fn count(&self) -> usize {
        self.processes.len()
    }

    pub(super) fn is_up(&self, server: ServerId) -> bool {
        self.processes[server].up
    }

    pub(super) fn stop(&mut self, server: ServerId) {
        self.processes[server].up = false;
    }

    pub(super) fn version(&self, server: ServerId) -> usize {
        self.processes[server].version
    }

    /// The version it has from its next start on.
    pub(super) fn set_version(&mut self, server: ServerId, version: usize) {
        self.processes[server].version = version;
    }

    /// The newest version that a server has.
    pub(super) fn newest(&self) -> usize {
        self.processes.iter().map(|process| process.version).max().unwrap_or_default()
    }

    pub(super) fn migrated(&self) -> usize {
        self.migrated
    }

    /// Where all servers have their routes.
    pub(super) fn base_path(&self) -> String {
        self.processes[0].engine.options().base_path.clone()
    }

    pub(super) fn definition(&self, server: ServerId) -> &Arc<Definition> {
        self.processes[server].engine.definition()
    }

    /// Whether the first server serves clients with this definition.
    pub(super) fn serves(&self, definition: &Definition) -> bool {
        self.processes[0].engine.lenses().get(definition.schema.fingerprint).is_some()
    }

    /// A process starts: nothing but the store is left.
    pub(super) fn start(&mut self, server: ServerId, versions: &Versions, now: i64) -> Result<()> {
        let Servers { store, processes, rng, migrated, .. } = self;
        let process = &mut processes[server];
        let Version { definition, steps, .. } = &versions[process.version];
        process.engine = ServerEngine::new((**definition).clone(), ServerOptions::default())?;
        if versions.needs_migration(*migrated, process.version) {
            let migration = Box::pin(process.engine.migrate(store, steps, now, rng));
            poll_once(migration).ok_or_else(pending)??;
        }
        let setup = Box::pin(process.engine.ensure_schema(store, now, rng));
        poll_once(setup).ok_or_else(pending)??;
        *migrated = process.version.max(*migrated);
        process.up = true;
        Ok(())
    }

    pub(super) fn back_up(&mut self) -> Result<()> {
        let mut backup = SqliteConnection::in_memory()?;
        self.store.inner().backup_to(&mut backup)?;
        self.backup = Some((backup, self.migrated));
        Ok(())
    }

    /// Goes back to the backup, if there is one. The processes must be down.
    pub(super) fn restore(&mut self) -> Result<bool> {
        let Some((backup, migrated)) = &self.backup else { return Ok(false) };
        let mut store = SqliteConnection::in_memory()?;
        backup.backup_to(&mut store)?;
        self.store = CrashyStore::new(store);
        self.migrated = *migrated;
        self.history += 1;
        Ok(true)
    }

    /// Takes up to so many steps of a compaction, each of a few entries.
    pub(super) fn compact(
        &mut self,
        server: ServerId,
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
        let engine = &self.processes[server].engine;
        let mut compaction = Compaction::new(options);
        for _ in 0..steps {
            let step = Box::pin(engine.compact_step(&mut self.store, now, &mut compaction, most));
            if !poll_once(step).ok_or_else(pending)?? {
                break;
            }
        }
        Ok(compaction)
    }

    pub(super) fn handle(
        &mut self,
        server: ServerId,
        principal: &Principal,
        wire: &WireRequest,
        now: i64,
    ) -> Result<WireResponse> {
        let caller = Caller { group: principal.group.clone(), ctx: Arc::clone(&principal.ctx) };
        let engine = &self.processes[server].engine;
        let work = Box::pin(engine.handle(&mut self.store, now, &mut self.rng, Some(&caller), wire));
        poll_once(work).ok_or_else(pending)
    }

    /// What this caller may read now, judged by the in-memory evaluator: not the code that serves pulls.
    pub(super) fn readable(&mut self, server: ServerId, principal: &Principal) -> Result<Tables> {
        let engine = &self.processes[server].engine;
        let definition = engine.definition();
        let mut tables = synced_rows(definition, self.store.inner())?;
        for table in definition.schema.synced() {
            let Some(rules) = engine.rules(&*principal.ctx, table)? else { continue };
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

    /// The same as a client with this definition knows it.
    pub(super) fn shown(&mut self, server: ServerId, principal: &Principal, to: &Arc<Definition>) -> Result<Tables> {
        let readable = self.readable(server, principal)?;
        let from = self.definition(server);
        // Most runs have one version.
        if from.schema.fingerprint == to.schema.fingerprint { Ok(readable) } else { Ok(project(readable, from, to)) }
    }

    /// What the simulator remembers of a pull's answer to a client with this definition.
    pub(super) fn ghost(
        &mut self,
        server: ServerId,
        principal: &Principal,
        to: &Arc<Definition>,
        wire: &WireRequest,
        response: &WireResponse,
    ) -> Result<Option<Ghost>> {
        let Some(page) = page(response).filter(|_| is_pull(wire)) else { return Ok(None) };
        let clears = page.patch.iter().any(|op| matches!(op, crate::protocol::PatchOp::Clear { .. }));
        let at_head = !page.has_more && !page.partial;
        let readable = if at_head { Some(self.shown(server, principal, to)?) } else { None };
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
