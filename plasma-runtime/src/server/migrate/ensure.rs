//! What a server does with the schema of its database when it starts, and whenever somebody has changed the tables.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::apply::{Apply, Phase};
use super::apply_postgres;
use super::diff::{Change, Class, SchemaDiff, What};
use super::inspect::inspect;
use super::notes::{EPOCH, Image, Notes, note, to_json};
use super::online_postgres;
use super::plan::Plan;
use super::shape::Shape;
use super::transaction::{self, Purpose, is_busy};
use crate::error::{Error, ErrorKind, Result};
use crate::inputs::Entropy;
use crate::query::lower::Dialect;
use crate::server::ServerEngine;
use crate::server::compaction::Horizon;
use crate::server::ddl::postgres::current_schema;
use crate::server::ddl::{first_int, random_mark};
use crate::server::ledger::unit;
use crate::server::pull::end_reading;
use crate::store::SqlExecutor;
use crate::value::{Kind, Value};

/// How often a server that starts tries to get the tables of a database that others use.
const TRIES: u32 = 40;

/// What became of the tables.
struct Ensured {
    /// Their epoch.
    epoch: i64,
    /// There may be indexes to make.
    indexes_left: bool,
}

impl ServerEngine {
    /// Makes an empty database, adds what an older one lacks, leaves one alone that has all this program needs.
    pub(in crate::server) async fn ensure_tables(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<()> {
        let mut tries = 0;
        let indexes_left = loop {
            if self.is_current(db).await? {
                return Ok(());
            }
            let empty = !has_meta(db).await?;
            if !empty && db.dialect() == Dialect::Postgres && self.serves_as_it_is(db).await? {
                return Ok(());
            }
            // A database that is made has no rows that refer to others.
            let begun = transaction::begin(db, if empty { Purpose::Rows } else { Purpose::Tables }).await?;
            let done = self.ensure_within(db, now_ms, entropy, empty).await;
            match transaction::end(db, begun, done).await {
                Ok(Some(Ensured { epoch, indexes_left })) => {
                    self.epoch.store(epoch, Ordering::Relaxed);
                    break indexes_left;
                }
                Ok(None) => {}
                // On Postgres tables are taken one after the other; somebody may have had one for too long.
                Err(error) if db.dialect() == Dialect::Postgres && is_busy(&error) && tries < TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        };
        if indexes_left { self.make_indexes(db).await } else { Ok(()) }
    }

    /// Whether there is nothing for this program to do, although the database was last changed for another, or is still
    /// being changed: it is of a later version and has all this one needs; or somebody else is making the indexes, which may
    /// take hours. Nobody is waited for, and nobody waits.
    async fn serves_as_it_is(&self, db: &mut dyn SqlExecutor) -> Result<bool> {
        transaction::begin_look(db).await?;
        let looked = self.look_on(db).await;
        match end_reading(db, looked).await {
            // Somebody is about to change the tables.
            Err(error) if is_busy(&error) => Ok(false),
            looked => looked,
        }
    }

    async fn look_on(&self, db: &mut dyn SqlExecutor) -> Result<bool> {
        transaction::keep_tables(db).await?;
        let (notes, plan) = self.look(db).await?;
        let (history, ours) = (notes.history()?, self.definition.schema.fingerprint_hex());
        let serves = history.contains(&ours) && plan.changes.iter().all(serves_without);
        let is_older = history.last() != Some(&ours);
        if history.contains(&ours) && is_older && !serves {
            return Err(self.mismatch(&notes, plan.changes));
        }
        if serves && (is_older || transaction::is_taken(db).await?) {
            self.epoch.store(notes.epoch(), Ordering::Relaxed);
            return Ok(true);
        }
        Ok(false)
    }

    /// Makes indexes on Postgres without holding up writers, and then notes that all is there.
    pub(super) async fn make_indexes(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        let locked = transaction::lock(db).await?;
        let mut made = online_postgres::behind(self, db).await;
        if made.is_ok() {
            made = self.note_current(db).await;
        }
        let unlocked = transaction::unlock(db, locked).await;
        made.and(unlocked)
    }

    /// None when the database was empty and is no longer: it is to be looked at again.
    async fn ensure_within(
        &self,
        db: &mut dyn SqlExecutor,
        now_ms: i64,
        entropy: &mut dyn Entropy,
        empty: bool,
    ) -> Result<Option<Ensured>> {
        // Somebody else may have done it between the first look and the lock.
        if self.is_current(db).await? {
            return Ok(Some(Ensured { epoch: self.epoch.load(Ordering::Relaxed), indexes_left: false }));
        }
        if empty && has_meta(db).await? {
            return Ok(None);
        }
        let (notes, plan) = self.look(db).await?;
        let (history, ours) = (notes.history()?, self.definition.schema.fingerprint_hex());
        let is_older = history.contains(&ours) && history.last() != Some(&ours);
        let may_add = empty || (self.options().apply_additive && !is_older);
        let fits = |change: &Change| serves_without(change) || (may_add && change.class == Class::Additive);
        if !plan.changes.iter().all(fits) {
            return Err(self.mismatch(&notes, plan.changes));
        }
        if is_older {
            // A younger program has the say over indexes and triggers.
            return Ok(Some(Ensured { epoch: notes.epoch(), indexes_left: false }));
        }
        self.make_server_tables(db, now_ms, entropy).await?;
        self.apply(db, &notes, &plan, Phase::Expand, now_ms, entropy).await?;
        // On Postgres they come behind the transaction.
        let indexes_left = !empty && db.dialect() == Dialect::Postgres;
        match indexes_left {
            true => note(db, "fingerprint", String::new()).await?,
            false => self.note_current(db).await?,
        }
        Ok(Some(Ensured { epoch: epoch(db).await?, indexes_left }))
    }

    /// What the database notes, and the way from there to this program, without written steps.
    async fn look(&self, db: &mut dyn SqlExecutor) -> Result<(Notes, Plan)> {
        let notes = if has_meta(db).await? { Notes::read(db).await? } else { Notes::default() };
        let declared = Shape::declared(&self.definition.schema, db.dialect());
        let found = inspect(db, &notes.shape()?, &declared).await?;
        let plan = Plan::new(found, declared, &[], &BTreeMap::new(), db.dialect())?;
        Ok((notes, plan))
    }

    /// Runs a phase inside a transaction, and notes what it did. True: older positions are void.
    pub(super) async fn apply(
        &self,
        db: &mut dyn SqlExecutor,
        notes: &Notes,
        plan: &Plan,
        phase: Phase,
        now_ms: i64,
        entropy: &mut dyn Entropy,
    ) -> Result<bool> {
        let images = notes.images()?;
        let mut apply = Apply { engine: self, db, plan, phase, images, restate: false };
        let shape = match apply.db.dialect() {
            Dialect::Sqlite => apply.run().await?,
            Dialect::Postgres => apply.run_postgres().await?,
        };
        let Apply { mut images, restate, .. } = apply;
        if restate {
            void_positions(db, now_ms, random_mark(entropy)).await?;
            images = BTreeMap::new();
        }
        note(db, "shape", to_json(&shape)?).await?;
        note(db, "images", to_json::<BTreeMap<String, Image>>(&images)?).await?;
        if !plan.changes.is_empty() {
            note(db, EPOCH, (notes.epoch() + 1).to_string()).await?;
        }
        let mut history = notes.history()?;
        let ours = self.definition.schema.fingerprint_hex();
        if history.last() != Some(&ours) {
            history.push(ours);
            note(db, "history", to_json(&history)?).await?;
        }
        Ok(restate)
    }

    /// Notes that the database is what this program declares.
    pub(super) async fn note_current(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        let schema = &self.definition.schema;
        note(db, "schema_version", schema.version.to_owned()).await?;
        note(db, "fingerprint", schema.fingerprint_hex()).await?;
        let revision = self.revision_of(db).await?;
        note(db, "triggers", revision).await
    }

    /// Tells what of the database the fingerprint does not.
    async fn revision_of(&self, db: &mut dyn SqlExecutor) -> Result<String> {
        match db.dialect() {
            Dialect::Sqlite => Ok(self.revision()),
            Dialect::Postgres => Ok(self.revision_postgres(&current_schema(db).await?)),
        }
    }

    /// Whether the database holds exactly this schema with these triggers and indexes: one look.
    pub(super) async fn is_current(&self, db: &mut dyn SqlExecutor) -> Result<bool> {
        if !has_meta(db).await? {
            return Ok(false);
        }
        let notes = Notes::read(db).await?;
        let schema = &self.definition.schema;
        let current = notes.get("fingerprint") == Some(&*schema.fingerprint_hex())
            && notes.get("schema_version") == Some(schema.version)
            && notes.get("triggers") == Some(&*self.revision_of(db).await?);
        if current {
            self.epoch.store(notes.epoch(), Ordering::Relaxed);
        }
        Ok(current)
    }

    /// Whether the tables are still such that this program can work on them. Asked inside every transaction: one read,
    /// and a look at the tables when somebody has changed them.
    ///
    /// # Errors
    /// [`SchemaMismatch`](ErrorKind::SchemaMismatch) when they are not.
    pub(in crate::server) async fn still_fits(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        let epoch = epoch(db).await?;
        self.fits_at(db, epoch).await
    }

    /// [`still_fits`](Self::still_fits), with the epoch read already.
    pub(in crate::server) async fn fits_at(&self, db: &mut dyn SqlExecutor, epoch: i64) -> Result<()> {
        if epoch == self.epoch.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (notes, plan) = self.look(db).await?;
        let fits = |change: &Change| {
            change.is_left_over()
                || matches!(change.what, What::NewIndex { .. } | What::NewCheck { .. } | What::Triggers)
        };
        if !plan.changes.iter().all(fits) {
            return Err(self.mismatch(&notes, plan.changes));
        }
        self.epoch.store(epoch, Ordering::Relaxed);
        Ok(())
    }

    fn mismatch(&self, notes: &Notes, changes: Vec<Change>) -> Error {
        let diff = self.schema_diff(notes, changes, Vec::new());
        let found = notes.get("fingerprint").unwrap_or("none");
        let ours = self.definition.schema.fingerprint_hex();
        let message = format!(
            "the database (fingerprint {found}) does not fit this program (fingerprint {ours}): migrate it, start the \
             program that fits, or open another database\n{diff}"
        );
        let error = Error::new(ErrorKind::SchemaMismatch, message);
        match serde_json::to_value(&diff) {
            Ok(diff) => error.with_data(diff),
            Err(_) => error,
        }
    }

    pub(super) fn schema_diff(&self, notes: &Notes, changes: Vec<Change>, steps: Vec<String>) -> SchemaDiff {
        let schema = &self.definition.schema;
        SchemaDiff {
            schema: schema.name.to_owned(),
            from: notes.get("schema_version").map(str::to_owned),
            to: schema.version.to_owned(),
            changes,
            steps,
        }
    }
}

/// Whether a server need not wait for the change.
fn serves_without(change: &Change) -> bool {
    let adds = matches!(change.what, What::NewTable | What::NewColumn { .. });
    change.is_left_over() || (change.class == Class::Additive && !adds)
}

/// Whether the database was made by this library.
pub(super) async fn has_meta(db: &mut dyn SqlExecutor) -> Result<bool> {
    has_table(db, "_plasma_meta").await
}

/// Whether there is such a table.
pub(super) async fn has_table(db: &mut dyn SqlExecutor, name: &str) -> Result<bool> {
    let sql = match db.dialect() {
        Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?",
        Dialect::Postgres => {
            "SELECT count(*) FROM pg_class WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relname = ?"
        }
    };
    Ok(first_int(&db.query(sql, &[Value::from(name)], &[Kind::BigInt]).await?) != Some(0))
}

/// Reads the number of changes of the tables; its parameter is [`EPOCH`]. No row is 0.
pub(in crate::server) const READ_EPOCH: &str = "SELECT CAST(value AS BIGINT) FROM _plasma_meta WHERE key = ?";

async fn epoch(db: &mut dyn SqlExecutor) -> Result<i64> {
    Ok(first_int(&db.query(READ_EPOCH, &[Value::from(EPOCH)], &[Kind::BigInt]).await?).unwrap_or(0))
}

/// Whoever asks from before this point is told everything anew: an entry that marks the point, and the bound below which
/// positions are void.
async fn void_positions(db: &mut dyn SqlExecutor, now_ms: i64, mark: i64) -> Result<()> {
    if db.dialect() == Dialect::Postgres {
        return apply_postgres::void_positions(db, now_ms, mark).await;
    }
    const ENTRY: &str =
        "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, mark) VALUES ('', '', 'begin', ?, ?)";
    db.execute(ENTRY, &[Value::Int(now_ms), Value::Int(mark)]).await?;
    let head = unit::head(db).await?;
    Horizon::void_below(db, head.cast_unsigned()).await
}
