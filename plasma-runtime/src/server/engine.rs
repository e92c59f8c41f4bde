//! The server engine: what it is made of. Its steps live in files of their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use super::compaction::{CompactionOptions, Leases};
use super::hooks::Hooks;
use super::lenses::Lenses;
use super::pull::log::Touched;
use super::push::{Caution, Concurrency, FaultBook};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::{CrdtRules, ErasedCtx, TableRules};
use crate::protocol::{Limits, PushRequest};
use crate::schema::{Definition, TableDef};
use crate::value::EnvelopeLimits;

/// Settings of a [`ServerEngine`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Where the routes live: `/sync`. Starts with `/`, does not end with one; empty is the root.
    pub base_path: String,
    /// What the server accepts.
    pub limits: Limits,
    /// What it accepts in sealed columns.
    pub envelope_limits: EnvelopeLimits,
    /// A client that pushed nothing for this long expires, ms. 400 days.
    pub client_expiry_ms: i64,
    /// Keys of mutations are known for at least this long, ms. 90 days.
    pub key_retention_ms: i64,
    /// At least this many of a client's newest keys are known. 1,000.
    pub keys_kept: u64,
    /// A mutation that meets this many server faults in a row while others succeed is rejected. 5.
    pub faults_before_rejection: u32,
    /// Mutations that share one durable commit. 256.
    pub group_mutations: usize,
    /// How mutations run on Postgres.
    pub concurrency: Concurrency,
    /// How much of the past the change log keeps; none: it is never compacted unless somebody asks.
    pub compaction: Option<CompactionOptions>,
    /// Time from one round of upkeep (expiry, compaction) to the next, ms. An hour.
    pub upkeep_every_ms: i64,
    /// Tables, columns and indexes that a database of an older version of the schema lacks are added when the server
    /// starts, as long as that is additive. True. Otherwise the server does not start before a migration has run.
    pub apply_additive: bool,
    /// How far ahead of the server's clock a write of a register ([`Lww`](crate::crdt::Lww)) may be, ms; what is further
    /// ahead counts as this far. A minute. A client whose clock is ahead by no more wins over those that write at the same
    /// time without having seen its write; one that lies about its clock wins for this long at most.
    pub register_clock_ahead_ms: i64,
    /// Tags that were removed from sets ([`OrSet`](crate::crdt::OrSet)) stay in the stored states. False: the server runs
    /// every mutation over all that was there before, so no tag can come back. Only where rows are merged with those of
    /// another server a removal has to be known there, too.
    pub keep_removed_tags: bool,
    /// What the application hears of.
    pub hooks: Hooks,
}

impl Default for ServerOptions {
    fn default() -> Self {
        const DAY_MS: i64 = 86_400_000;
        ServerOptions {
            base_path: "/sync".to_owned(),
            limits: Limits::default(),
            envelope_limits: EnvelopeLimits::default(),
            client_expiry_ms: 400 * DAY_MS,
            key_retention_ms: 90 * DAY_MS,
            keys_kept: 1_000,
            faults_before_rejection: 5,
            group_mutations: 256,
            concurrency: Concurrency::default(),
            compaction: Some(CompactionOptions::default()),
            upkeep_every_ms: 3_600_000,
            apply_additive: true,
            register_clock_ahead_ms: 60_000,
            keep_removed_tags: false,
            hooks: Hooks::default(),
        }
    }
}

impl ServerOptions {
    /// What a run is told of them.
    pub(super) fn crdt_rules(&self) -> CrdtRules {
        CrdtRules { clock_ahead_ms: self.register_clock_ahead_ms.max(0), keep_removed: self.keep_removed_tags }
    }
}

/// Who asks: what the application's `auth` made of the request.
#[derive(Clone)]
pub struct Caller {
    /// The principal's client group.
    pub group: String,
    /// The application's context, given to mutators and policies.
    pub ctx: Arc<ErasedCtx>,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("group", &self.group).finish_non_exhaustive()
    }
}

/// One push and who sent it.
#[derive(Debug, Clone)]
pub struct PushJob {
    /// Who sent it.
    pub caller: Caller,
    /// What was sent; its group is the caller's.
    pub request: PushRequest,
}

/// The server engine. Holds no connection: every step is given one.
#[derive(Debug)]
pub struct ServerEngine {
    pub(crate) definition: Arc<Definition>,
    pub(crate) limits: Limits,
    pub(crate) options: ServerOptions,
    lenses: Lenses,
    faults: FaultBook,
    pub(super) caution: Caution,
    /// Positions that sets of pages under way stand on.
    pub(super) leases: Leases,
    /// Which tables changed lately.
    pub(super) touched: Touched,
    /// The number of changes of the tables that this engine has looked at; none yet at first.
    pub(super) epoch: AtomicI64,
}

/// The reserved group and client id of the server's own jobs.
pub(crate) const JOBS: &str = "_plasma_jobs";

impl ServerEngine {
    /// An engine for this definition.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the definition or the options contradict themselves: two mutators of one
    /// name, a synced table that is neither `open` nor has a policy while others have one, a malformed base path.
    pub fn new(definition: Definition, options: ServerOptions) -> Result<Self> {
        let config = |message: String| Err(Error::new(ErrorKind::Config, message));
        let path = &options.base_path;
        if !(path.is_empty() || path.starts_with('/')) || path.ends_with('/') {
            return config(format!("the base path `{path}` must start with `/` and must not end with it"));
        }
        for table in definition.schema.tables {
            if table.name.starts_with("_plasma") || table.name.starts_with("sqlite_") {
                return config(format!("the table name `{}` is reserved", table.name));
            }
        }
        for (index, mutator) in definition.mutators.iter().enumerate() {
            for name in mutator.names() {
                if definition.mutators[..index].iter().any(|other| other.names().any(|other| other == name)) {
                    return config(format!("two mutators have the name `{name}`"));
                }
            }
        }
        if !definition.policies.is_empty() {
            for table in definition.schema.synced() {
                if !table.open && definition.policy(table.name).is_none() {
                    return config(format!("table `{}` has no policy and is not declared `auth = open`", table.name));
                }
            }
        }
        let (limits, lenses) = (options.limits.clone(), Lenses::new(&definition.schema));
        Ok(ServerEngine {
            definition: Arc::new(definition),
            limits,
            options,
            lenses,
            faults: FaultBook::default(),
            caution: Caution::default(),
            leases: Leases::default(),
            touched: Touched::default(),
            epoch: AtomicI64::new(i64::MIN),
        })
    }

    /// The definition the engine was opened with.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The rules of a table for this caller; none when everything is allowed: the table is declared `auth = open`, or
    /// nothing in the schema has a policy (it has no context), or the table is `local_only` and has none.
    ///
    /// # Errors
    /// Whatever the application's policy fails with.
    pub fn rules(&self, ctx: &ErasedCtx, table: &TableDef) -> Result<Option<TableRules>> {
        self.definition.policy(table.name).map(|policy| (policy.rules)(ctx)).transpose()
    }

    /// What the server accepts.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The versions of the schema whose clients it serves.
    pub fn lenses(&self) -> &Lenses {
        &self.lenses
    }

    /// The schema.
    #[cfg(feature = "http-server")]
    pub(super) fn schema(&self) -> &crate::schema::SchemaDef {
        &self.definition.schema
    }

    pub(super) fn faults(&self) -> &FaultBook {
        &self.faults
    }

    /// The settings.
    pub fn options(&self) -> &ServerOptions {
        &self.options
    }
}
