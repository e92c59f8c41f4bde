//! The run of a migration: phases of structure with the steps over rows between them, each in transactions of its own, each
//! deciding anew from what the database has. So a run that was cut off is gone on with by the next one, and of two runs at
//! once each finds done what the other did.

use std::collections::BTreeMap;

use serde::Serialize;

use super::apply::Phase;
use super::diff::{Class, SchemaDiff, What};
use super::ensure::{has_meta, has_table};
use super::inspect::inspect;
use super::notes::{MIGRATIONS, Notes, Record, note, record, records};
use super::plan::{Plan, Rename};
use super::shape::Shape;
use super::step::{Action, Named};
use super::transaction::{self, Begun, Purpose, is_busy};
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::inputs::Entropy;
use crate::query::lower::Dialect;
use crate::schema;
use crate::server::ServerEngine;
use crate::server::ddl::{first_int, random_mark};
use crate::store::SqlExecutor;
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

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
        let (notes, mut plan) = self.look().await?;
        self.look_at_rows(&mut plan).await?;
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
        let (notes, mut plan) = self.look().await?;
        self.look_at_rows(&mut plan).await?;
        let diff = self.diff(&notes, &plan);
        let mut migrated = Migrated { diff, steps: Vec::new(), rows: 0, restated: false };
        plan.check(self.keeps_left_over)?;
        if !has_meta(self.db).await? {
            self.make().await?;
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

    async fn look(&mut self) -> Result<(Notes, Plan)> {
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
    async fn make(&mut self) -> Result<()> {
        let begun = self.begin(Purpose::Rows).await?;
        let made = self.make_within().await;
        self.end(begun, made).await
    }

    async fn make_within(&mut self) -> Result<()> {
        let (notes, plan) = self.look().await?;
        if has_meta(self.db).await? {
            // Somebody else made it in the meantime, without steps: the next run sees to them.
            return Ok(());
        }
        self.engine.make_server_tables(self.db, self.now_ms, self.entropy).await?;
        self.engine.apply(self.db, &notes, &plan, Phase::Finish, self.now_ms, self.entropy).await?;
        self.db.batch(MIGRATIONS).await?;
        for Named { name, step } in self.steps {
            record(self.db, name, &step.checksum(), "skipped", None, self.now_ms).await?;
        }
        self.engine.note_current(self.db).await
    }

    async fn structure(&mut self, phase: Phase, migrated: &mut Migrated) -> Result<()> {
        let mut tries = 0;
        loop {
            let before = migrated.clone();
            let begun = self.begin(Purpose::Tables).await?;
            let done = self.structure_within(phase, migrated).await;
            match self.end(begun, done).await {
                // On Postgres tables are taken one after the other; somebody may have had one for too long.
                Err(error) if !self.rehearsal && is_busy(&error) && tries < LOCK_TRIES => {
                    tries += 1;
                    *migrated = before;
                    (self.pause)().await;
                }
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        if phase == Phase::Finish && !self.rehearsal && self.db.dialect() == Dialect::Postgres {
            self.engine.make_indexes(self.db).await?;
        }
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
        match phase {
            // Between two schemas: nobody's own.
            Phase::Expand => note(self.db, "fingerprint", String::new()).await,
            // Indexes come behind the transaction.
            Phase::Finish if self.db.dialect() == Dialect::Postgres => Ok(()),
            Phase::Finish => self.engine.note_current(self.db).await,
        }
    }

    /// Runs a step over rows, or what is left of it.
    async fn data(&mut self, named: &Named, migrated: &mut Migrated) -> Result<()> {
        loop {
            let begun = self.begin(Purpose::Rows).await?;
            let done = self.data_within(named, migrated).await;
            if self.end(begun, done).await? {
                return Ok(());
            }
            (self.pause)().await;
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
                Err(error) if is_busy(&error) && tries < LOCK_TRIES => {
                    tries += 1;
                    (self.pause)().await;
                }
                begun => return begun.map(Some),
            }
        }
    }

    async fn end<T>(&mut self, begun: Option<Begun>, done: Result<T>) -> Result<T> {
        match begun {
            Some(begun) => transaction::end(self.db, begun, done).await,
            None => done,
        }
    }

    /// What only the rows can tell: NULL where there must be none, rows that are equal where they must not be.
    async fn look_at_rows(&mut self, plan: &mut Plan) -> Result<()> {
        let mut changes = std::mem::take(&mut plan.changes);
        for change in changes.iter_mut().filter(|change| change.step.is_none()) {
            let columns = match (&change.what, &change.column) {
                (What::NewUnique { columns }, _) => columns.clone(),
                (What::Nullability { nullable: false }, Some(column)) => vec![column.clone()],
                _ => continue,
            };
            let Some((table, columns)) = plan.former(&change.table, &columns) else { continue };
            let unique = matches!(change.what, What::NewUnique { .. });
            let (table, columns): (String, Vec<String>) = (quote(&table), columns.iter().map(|c| quote(c)).collect());
            let sql = if unique {
                let given = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
                let list = columns.join(", ");
                format!(
                    "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {given} GROUP BY {list} HAVING count(*) > 1) t"
                )
            } else {
                format!("SELECT count(*) FROM {table} WHERE {} IS NULL", columns.concat())
            };
            let count = first_int(&self.db.query(&sql, &[], &[Kind::BigInt]).await?).unwrap_or(0);
            if count > 0 {
                change.class = Class::NeedsStep;
                change.reason = match unique {
                    true => format!("{count} values or sets of values are there more than once"),
                    false => format!("{count} rows hold NULL"),
                };
            }
        }
        plan.changes = changes;
        Ok(())
    }
}

impl Plan {
    /// What table and columns are called before the renames. None: they are not all there.
    fn former(&self, table: &str, columns: &[String]) -> Option<(String, Vec<String>)> {
        let shape = self.found.tables.get(table)?;
        let mut former = table.to_owned();
        let mut names = columns.to_vec();
        if !names.iter().all(|name| shape.columns.contains_key(name)) {
            return None;
        }
        for rename in self.renames.iter().rev() {
            match rename {
                Rename::Table { from, to } if *to == former => former.clone_from(from),
                Rename::Column { table, from, to } if *table == former => {
                    names.iter_mut().filter(|name| *name == to).for_each(|name| name.clone_from(from));
                }
                _ => {}
            }
        }
        Some((former, names))
    }
}

/// The next rows of a backfill.
struct Batch<'b> {
    table: &'b str,
    /// The id of the last row that was looked at; empty at first.
    progress: &'b str,
    rows: u32,
}

impl Batch<'_> {
    /// Updates them. How many were looked at, and the id of the last one unless there are no more.
    async fn run(
        &self,
        db: &mut dyn SqlExecutor,
        set: &[(&str, &str)],
        filter: Option<&str>,
    ) -> Result<(u64, Option<String>)> {
        let table = quote(self.table);
        let ids = format!("SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT ?");
        let params = [Value::from(self.progress), Value::Int(i64::from(self.rows))];
        let ids = db.query(&ids, &params, &[Kind::Text]).await?;
        let Some(last) = ids.last().and_then(|row| row[0].as_text()) else { return Ok((0, None)) };
        if !set.is_empty() {
            let set: Vec<String> = set.iter().map(|(column, value)| format!("{} = ({value})", quote(column))).collect();
            let filter = filter.map(|filter| format!(" AND ({filter})")).unwrap_or_default();
            let update = format!("UPDATE {table} SET {} WHERE id > ? AND id <= ?{filter}", set.join(", "));
            db.execute(&update, &[Value::from(self.progress), Value::from(last)]).await?;
        }
        let more = ids.len() as u64 == u64::from(self.rows);
        Ok((ids.len() as u64, more.then(|| last.to_owned())))
    }
}

async fn end_unit(db: &mut dyn SqlExecutor, now_ms: i64, mark: i64) -> Result<()> {
    if db.dialect() == Dialect::Postgres {
        // There every transaction is one.
        return Ok(());
    }
    const ENTRY: &str = "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, client_id, mark) \
        VALUES ('', '', 'ack', ?, '_plasma_migrations', ?)";
    db.execute(ENTRY, &[Value::Int(now_ms), Value::Int(mark)]).await.map(drop)
}
