//! Versions of the application: what each of them is, and how they meet in one run.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::node::NodeId;
use super::server::ServerId;
use super::workload::{Tables, Workload};
use super::{Rare, World};
use crate::error::{ErrorKind, Result};
use crate::schema::Definition;
use crate::server::Step;
use crate::value::Value;

/// The next version of an application: see [`Workload::successor`].
pub struct Release {
    /// Its definition, what its clients do, and what must hold of its rows. Users, seed rows and the audit table are
    /// those of the first version.
    pub workload: Arc<dyn Workload>,
    /// The written steps of the migration to it, by name. Without any the first server of the version adds what is new
    /// when it starts.
    pub steps: Vec<(String, Step)>,
}

impl std::fmt::Debug for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Release").field("steps", &self.steps).finish_non_exhaustive()
    }
}

/// One version of the application.
pub(super) struct Version {
    pub(super) workload: Arc<dyn Workload>,
    pub(super) definition: Arc<Definition>,
    /// The written steps of all migrations up to it.
    pub(super) steps: Vec<(String, Step)>,
    /// Starting a server is not enough to come to it from the one before.
    pub(super) is_migrated: bool,
}

/// The versions of a workload, the first one first.
pub(super) struct Versions(Vec<Version>);

impl Versions {
    pub(super) fn of(workload: &Arc<dyn Workload>) -> Self {
        let (mut versions, mut steps) = (Vec::new(), Vec::new());
        let mut next = Some(Release { workload: Arc::clone(workload), steps: Vec::new() });
        while let Some(Release { workload, steps: own }) = next {
            let is_migrated = !own.is_empty();
            steps.extend(own);
            next = workload.successor();
            let definition = Arc::new(workload.definition());
            versions.push(Version { workload, definition, steps: steps.clone(), is_migrated });
        }
        Versions(versions)
    }

    pub(super) fn last(&self) -> usize {
        self.0.len() - 1
    }

    /// Whether a database at `from` gets to `to` by a migration.
    pub(super) fn needs_migration(&self, from: usize, to: usize) -> bool {
        from < to && self.0[from + 1..=to].iter().any(|version| version.is_migrated)
    }
}

impl std::ops::Index<usize> for Versions {
    type Output = Version;

    fn index(&self, version: usize) -> &Version {
        &self.0[version]
    }
}

/// Rows of one version as another one knows them: its tables, its columns.
pub(super) fn project(mut rows: Tables, from: &Definition, to: &Definition) -> Tables {
    let mut projected = Tables::new();
    for table in to.schema.synced() {
        let known = from.schema.table(table.name);
        let places: Vec<_> =
            table.columns.iter().map(|column| known.and_then(|known| known.column_index(column.name))).collect();
        let rows = rows.remove(table.name).unwrap_or_default().into_iter().map(|(id, row)| {
            (id, places.iter().map(|place| place.map_or(Value::Null, |at| row[at].clone())).collect())
        });
        projected.insert(table.name, rows.collect());
    }
    projected
}

impl World {
    /// A server goes on with a later version: the newest there is, or the next one.
    pub(super) fn random_release(&mut self) -> Result<()> {
        let newest = self.servers.newest();
        let next = if newest < self.versions.last() && self.rng.chance(50) { newest + 1 } else { newest };
        let server = self.rng.below(self.servers.count());
        if self.servers.version(server) == next {
            return Ok(());
        }
        self.crash_server(server);
        let dies_after = self.rng.chance(25).then(|| self.rng.between(1, 60));
        self.release(server, next, dies_after)
    }

    /// Starts a server with a version of the application; it migrates the database when it has to.
    pub(super) fn release(&mut self, server: ServerId, version: usize, dies_after: Option<u64>) -> Result<()> {
        self.note(format_args!("server {server} goes on with version {version}"));
        self.servers.set_version(server, version);
        self.start(server, dies_after)
    }

    /// Starts a server, with a later version when the database has gone too far for its own.
    pub(super) fn start(&mut self, server: ServerId, dies_after: Option<u64>) -> Result<()> {
        self.note(format_args!("server {server} starts"));
        let before = self.servers.migrated();
        if let Some(statements) = dies_after {
            self.servers.store.crash_after(statements);
        }
        let mut started = self.servers.start(server, &self.versions, self.now);
        if self.servers.store.crashed() {
            self.reached.insert(Rare::ServerCrashInStep);
            if self.servers.version(server) > before {
                self.reached.insert(Rare::CrashInMigration);
            }
            self.note(format_args!("server {server} dies while it starts"));
            return self.servers.store.recover();
        }
        self.servers.store.recover()?;
        if let Err(error) = &started
            && error.kind() == ErrorKind::SchemaMismatch
            && self.servers.version(server) < self.servers.newest()
        {
            self.reached.insert(Rare::ServerTooOld);
            self.note(format_args!("server {server} is too old for the database"));
            self.servers.set_version(server, self.servers.newest());
            started = self.servers.start(server, &self.versions, self.now);
        }
        started?;
        if self.servers.migrated() > before {
            self.reached.insert(Rare::Migrated);
            let tamper = Arc::clone(&self.tamper);
            tamper.migrated(self.servers.store.inner())?;
        }
        self.note_versions();
        let tamper = Arc::clone(&self.tamper);
        tamper.started(server);
        Ok(())
    }

    fn note_versions(&mut self) {
        let up = (0..self.servers.count()).filter(|server| self.servers.is_up(*server));
        let servers: BTreeSet<_> = up.map(|server| self.servers.version(server)).collect();
        let clients: BTreeSet<_> = self.nodes.iter().map(|node| node.version).collect();
        if servers.len() > 1 {
            self.reached.insert(Rare::ServersOfTwoVersions);
            if clients.len() > 2 {
                self.reached.insert(Rare::RollingUpgrade);
            }
        }
    }

    /// A client is updated to one of the versions that some server has.
    pub(super) fn random_update(&mut self, id: NodeId) -> Result<()> {
        let (own, newest) = (self.nodes[id].version, self.servers.newest());
        if own >= newest {
            return Ok(());
        }
        let version = self.rng.between(own as u64 + 1, newest as u64) as usize;
        let dies_after = self.rng.chance(20).then(|| self.rng.between(1, 60));
        self.update_client(id, version, dies_after)
    }

    /// A client is closed, and opened again with a later version.
    pub(super) fn update_client(&mut self, id: NodeId, version: usize, dies_after: Option<u64>) -> Result<()> {
        self.crash_client(id);
        self.note(format_args!("client {id} is updated to version {version}"));
        let node = &mut self.nodes[id];
        node.version = version;
        // Its rows are those of another version.
        node.last_base = None;
        self.reached.insert(Rare::ClientUpdated);
        self.note_versions();
        self.open_client(id, dies_after)
    }

    /// The end of a rolling upgrade: all servers have one version, and clients that it does not serve are updated. Some
    /// of the others are, too.
    pub(super) fn finish_releases(&mut self) -> Result<()> {
        let newest = self.servers.newest();
        for server in 0..self.servers.count() {
            if self.servers.version(server) < newest {
                self.crash_server(server);
                self.release(server, newest, None)?;
            }
        }
        for id in 0..self.nodes.len() {
            let own = self.nodes[id].version;
            let served = self.servers.serves(&self.versions[own].definition);
            if own < newest && (!served || self.rng.chance(30)) {
                self.update_client(id, newest, None)?;
            }
        }
        Ok(())
    }
}
