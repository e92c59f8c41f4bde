//! The run of a migration: phases of structure with the steps over rows between them, each in transactions of its own, each
//! deciding anew from what the database has. So a run that was cut off is gone on with by the next one, and of two runs at
//! once each finds done what the other did.

use std::collections::BTreeMap;

use serde::Serialize;

use super::apply::Phase;
use super::diff::SchemaDiff;
use super::ensure::{has_meta, has_table};
use super::inspect::inspect;
use super::notes::{MIGRATIONS, Notes, Record, note, record, records};
use super::plan::Plan;
use super::rows::{Batch, end_unit};
use super::shape::Shape;
use super::step::{Action, Named};
use super::transaction::{self, Begun, Purpose, is_busy};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::inputs::Entropy;
use crate::query::lower::Dialect;
use crate::schema;
use crate::server::ServerEngine;
use crate::server::ddl::random_mark;
use crate::store::SqlExecutor;

/// How often a run asks for the lock that another process holds; each time waits as long as the connection does.
const LOCK_TRIES: u32 = 1_000;

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Migrated {
    /// What there was to do.
    pub diff: SchemaDiff,
    /// The names of the steps that ran, in their order. Steps that found nothing to do are not among them.
    pub steps: Vec<String>,
    /// Rows that backfills looked at.
    pub rows: u64,
    /// Clients are told everything anew: the images of rows in the change log no longer fit the tables.
    pub restated: bool,
}

/// A pause between two transactions, so that others come to write.
pub(in crate::server) type Pause<'a> = &'a mut (dyn FnMut() -> BoxFuture<'static, ()> + Send);

/// A run under way.
pub(in crate::server) struct Run<'a> {
    pub(in crate::server) engine: &'a ServerEngine,
    pub(in crate::server) db: &'a mut dyn SqlExecutor,
    pub(in crate::server) steps: &'a [Named],
    /// What the schema has no more, and no insert needs, may stay.
    pub(in crate::server) keeps_left_over: bool,
    /// All in one transaction, which is rolled back.
    pub(in crate::server) rehearsal: bool,
    pub(in crate::server) now_ms: i64,
    pub(in crate::server) entropy: &'a mut (dyn Entropy + 'a),
    pub(in crate::server) pause: Pause<'a>,
}

impl Run<'_> {
    /// What there is to do.
    ///
    /// # Errors
    /// [`MigrationRefused`](crate::ErrorKind::MigrationRefused) when the steps contradict themselves or the database.
    pub(in crate::server) async fn plan(&mut self) -> Result<SchemaDiff> {
        schema::validate(&self.engine.definition.schema)?;
        let (notes, plan) = self.look_at_all().await?;
        Ok(self.diff(&notes, &plan))
    }

    /// Does it.
    ///
    /// # Errors
    /// [`MigrationRefused`](crate::ErrorKind::MigrationRefused), with every reason, when a change needs a step that is not
    /// there; the database is as it was. What a step fails with. [`Storage`](crate::ErrorKind::Storage) when the database
    /// fails; the connection is not to be used any more, and the next run goes on.
    pub(in crate::server) async fn run(&mut self) -> Result<Migrated> {
        schema::validate(&self.engine.definition.schema)?;
        if !self.rehearsal {
            return self.phases().await;
        }
        let purpose = if has_meta(self.db).await? { Purpose::Tables } else { Purpose::Rows };
        let begun = transaction::begin(self.db, purpose).await?;
        let done = self.phases().await;
        transaction::cancel(self.db, begun).await?;
        done
    }

    async fn phases(&mut self) -> Result<Migrated> {
        let (notes, mut plan) = self.look_at_all().await?;
        let diff = self.diff(&notes, &plan);
        let mut migrated = Migrated { diff, steps: Vec::new(), rows: 0, restated: false };
        plan.check(self.keeps_left_over)?;
        if !has_meta(self.db).await? {
            if self.make().await? {
                return Ok(migrated);
            }
            // A server made it in the meantime: to it the steps are as to any other.
            (_, plan) = self.look().await?;
        } else if plan.changes.is_empty() && plan.pending.is_empty() && self.engine.is_current(self.db).await? {
            return Ok(migrated);
        }
        if plan.pending.iter().any(|index| self.steps[*index].step.is_data()) {
            self.structure(Phase::Expand, &mut migrated).await?;
            for named in self.steps.iter().filter(|named| named.step.is_data()) {
                self.data(named, &mut migrated).await?;
            }
        }
        self.structure(Phase::Finish, &mut migrated).await?;
        Ok(migrated)
    }

    fn diff(&self, notes: &Notes, plan: &Plan) -> SchemaDiff {
        let steps = plan.pending.iter().filter(|index| !plan.idle.contains(index));
        let steps = steps.map(|index| self.steps[*index].name.clone()).collect();
        self.engine.schema_diff(notes, plan.changes.clone(), steps)
    }

    pub(super) async fn look(&mut self) -> Result<(Notes, Plan)> {
        let dialect = self.db.dialect();
        let declared = Shape::declared(&self.engine.definition.schema, dialect);
        let (mut notes, mut known) = (Notes::default(), BTreeMap::new());
        if has_meta(self.db).await? {
            notes = Notes::read(self.db).await?;
            if has_table(self.db, "_plasma_migrations").await? {
                known = records(self.db).await?;
            }
        }
        let found = inspect(self.db, &notes.shape()?, &declared).await?;
        let plan = Plan::new(found, declared, self.steps, &known, dialect)?;
        Ok((notes, plan))
    }

    /// An empty database is made as the program declares it; there is nothing that a step could have to do.
    /// False: it is not empty any more.
    async fn make(&mut self) -> Result<bool> {
        let begun = self.begin(Purpose::Rows).await?;
        let made = self.make_within().await;
        self.end(begun, made).await
    }

    async fn make_within(&mut self) -> Result<bool> {
        let (notes, plan) = self.look().await?;
        if has_meta(self.db).await? {
            return Ok(false);
        }
        self.engine.make_server_tables(self.db, self.now_ms, self.entropy).await?;
        self.engine.apply(self.db, &notes, &plan, Phase::Finish, self.now_ms, self.entropy).await?;
        self.db.batch(MIGRATIONS).await?;
        for Named { name, step } in self.steps {
            record(self.db, name, &step.checksum(), "skipped", None, self.now_ms).await?;
        }
        self.engine.note_current(self.db).await?;
        Ok(true)
    }

    async fn structure(&mut self, phase: Phase, migrated: &mut Migrated) -> Result<()> {
        let online = phase == Phase::Finish && self.db.dialect() == Dialect::Postgres && !self.rehearsal;
        let mut tries = 0;
        if online {
            while let Err(error) = self.ahead().await {
                self.again(error, &mut tries).await?;
            }
        }
        loop {
            let before = migrated.clone();
            let begun = self.begin(Purpose::Tables).await?;
            let done = self.structure_within(phase, migrated).await;
            match self.end(begun, done).await {
                Ok(()) => break,
                Err(error) => self.again(error, &mut tries).await?,
            }
            *migrated = before;
        }
        if online {
            while let Err(error) = self.engine.make_indexes(self.db).await {
                self.again(error, &mut tries).await?;
            }
        }
        Ok(())
    }

    /// Waits a little when trying again may help: on Postgres locks are taken one after the other, and somebody may have had
    /// one for too long, or waited for one of ours.
    async fn again(&mut self, error: Error, tries: &mut u32) -> Result<()> {
        *tries += 1;
        if self.rehearsal || *tries > LOCK_TRIES || !is_busy(&error) {
            return Err(error);
        }
        (self.pause)().await;
        Ok(())
    }

    async fn structure_within(&mut self, phase: Phase, migrated: &mut Migrated) -> Result<()> {
        self.db.batch(MIGRATIONS).await?;
        let (notes, plan) = self.look().await?;
        plan.check(self.keeps_left_over)?;
        self.engine.make_server_tables(self.db, self.now_ms, self.entropy).await?;
        migrated.restated |= self.engine.apply(self.db, &notes, &plan, phase, self.now_ms, self.entropy).await?;
        for index in &plan.pending {
            let Named { name, step } = &self.steps[*index];
            let is_rename = matches!(step.0, Action::RenameTable { .. } | Action::RenameColumn { .. });
            if step.is_data() || (phase == Phase::Expand && !is_rename) {
                continue;
            }
            let idle = plan.idle.contains(index);
            record(self.db, name, &step.checksum(), if idle { "skipped" } else { "done" }, None, self.now_ms).await?;
            if !idle {
                migrated.steps.push(name.clone());
            }
        }
        match (phase, self.db.dialect()) {
            (Phase::Finish, Dialect::Sqlite) => self.engine.note_current(self.db).await,
            // Between two schemas it is nobody's own, until on Postgres the indexes are there, too. A server of the former
            // version that starts meanwhile must not take it for its own.
            _ => note(self.db, "fingerprint", String::new()).await,
        }
    }

    /// Runs a step over rows, or what is left of it.
    async fn data(&mut self, named: &Named, migrated: &mut Migrated) -> Result<()> {
        let mut tries = 0;
        loop {
            let before = migrated.clone();
            let begun = self.begin(Purpose::Rows).await?;
            let done = self.data_within(named, migrated).await;
            match self.end(begun, done).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    tries = 0;
                    (self.pause)().await;
                }
                Err(error) => {
                    *migrated = before;
                    self.again(error, &mut tries).await?;
                }
            }
        }
    }

    /// One transaction of it. True when it is over.
    async fn data_within(&mut self, named: &Named, migrated: &mut Migrated) -> Result<bool> {
        let Named { name, step } = named;
        let checksum = step.checksum();
        let known = records(self.db).await?.remove(name);
        if known.as_ref().is_some_and(Record::is_over) {
            return Ok(true);
        }
        let dialect = self.db.dialect();
        let failed = |error: Error| {
            Error::new(error.kind(), format!("the step \"{name}\" failed: {}", error.message())).with_source(error)
        };
        let next = match &step.0 {
            Action::Sql(sql) => {
                self.db.batch(sql.of(dialect)).await.map_err(failed)?;
                None
            }
            Action::Backfill { table, set, filter, batch } => {
                let progress = known.and_then(|record| record.progress).unwrap_or_default();
                let batch = Batch { table, progress: &progress, rows: *batch };
                let filter = filter.as_ref().map(|filter| filter.of(dialect));
                let set: Vec<_> = set.iter().map(|(column, value)| (column.as_str(), value.of(dialect))).collect();
                let (rows, next) = batch.run(self.db, &set, filter).await.map_err(failed)?;
                migrated.rows += rows;
                if rows > 0 {
                    // Raw writes next to each other are one unit: this ends it, so that a page need not hold all rows.
                    end_unit(self.db, self.now_ms, random_mark(self.entropy)).await?;
                }
                next
            }
            _ => None,
        };
        let state = if next.is_some() { "running" } else { "done" };
        record(self.db, name, &checksum, state, next.as_deref(), self.now_ms).await?;
        if next.is_none() {
            migrated.steps.push(name.clone());
        }
        Ok(next.is_none())
    }

    /// Begins to write, as soon as whoever writes now is done.
    async fn begin(&mut self, purpose: Purpose) -> Result<Option<Begun>> {
        if self.rehearsal {
            return Ok(None);
        }
        let mut tries = 0;
        loop {
            match transaction::begin(self.db, purpose).await {
                Ok(begun) => return Ok(Some(begun)),
                Err(error) => self.again(error, &mut tries).await?,
            }
        }
    }

    async fn end<T>(&mut self, begun: Option<Begun>, done: Result<T>) -> Result<T> {
        match begun {
            Some(begun) => transaction::end(self.db, begun, done).await,
            None => done,
        }
    }
}
