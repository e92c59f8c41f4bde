//! How a new base gets under the pending mutations.
//!
//! Let B be the base, K the mutations a pull acknowledges, B' the new base, and *rest* the pending mutations after K.
//! What the rest saw was B with K's effects. D is every row where B' differs from that.
//!
//! - *Fast*: D meets no row the rest wrote, read, or read implicitly (unique values, references of deleted rows). Then
//!   the rest, run again, would see and do the same, so only D is written: nothing at all when the server did exactly
//!   what K did here (the *confirm* path), the pulled rows when K is empty (the *disjoint* path).
//! - *Full*: undo all effects, put the pulled rows into the base, drop K, run the rest again in order, each in a
//!   savepoint. A mutation that fails now leaves no effect, stays queued, and the server decides.
//! - *Clear*: like full, but tables are emptied and the pages streamed, so that memory does not grow with the store.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::effects::{self, RowMap};
use super::executor::{ClientExecutor, Mode};
use super::footprint::Footprint;
use super::identity::Meta;
use super::image;
use super::inbox;
use super::outbox::{self, QueuedMutation, Run, id_value};
use super::rows::{Writer, fold};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::{ErasedCtx, Location, Reason, TxMeta};
use crate::protocol::{PatchOp, PullResponse};
use crate::schema::{Definition, TableDef};
use crate::value::{Kind, Row, Value, json};

/// Bytes of staged pages from which on a set is applied page by page, as if it emptied tables: listeners look at
/// everything anew, and no more than a page is in memory.
const LARGE_SET: i64 = 8 << 20;

/// How often each way was taken since the engine was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pulls that only confirmed what was there, or changed rows no pending mutation had seen.
    pub confirmed: u64,
    /// Pulls without an acknowledgement whose rows no pending mutation had seen.
    pub disjoint: u64,
    /// Pulls that took all effects back and ran the pending mutations again.
    pub replayed: u64,
    /// Pulls that emptied tables.
    pub cleared: u64,
    /// Runs of pending mutations in all of these.
    pub replays: u64,
    /// Canonical runs that read what ours had read, so that their writes were compared with ours.
    pub compared: u64,
}

/// One rebase, inside one transaction.
pub(crate) struct Rebase<'s> {
    pub(crate) writer: Writer<'s>,
    pub(crate) definition: &'s Definition,
    pub(crate) ctx: &'s ErasedCtx,
    pub(crate) stats: Stats,
    /// Mutations whose replay failed, and had not failed before.
    pub(crate) failing: Vec<(Uuid, Error)>,
    /// More changed than was written down.
    pub(crate) all: bool,
}

impl<'s> Rebase<'s> {
    pub(crate) fn new(writer: Writer<'s>, definition: &'s Definition, ctx: &'s ErasedCtx) -> Self {
        Rebase { writer, definition, ctx, stats: Stats::default(), failing: Vec::new(), all: false }
    }

    /// Applies the staged pages and `page`, the end of the set, and drops the mutations up to `last`.
    pub(crate) fn apply(&mut self, meta: &mut Meta, page: &PullResponse, last: u64, always_replay: bool) -> Result<()> {
        let staged = inbox::state(self.writer.store)?;
        // Without a cookie there is no base: whatever the tables hold is not of this history.
        if meta.cookie.is_none() || staged.clears || inbox::clears(page) {
            self.stats.cleared += 1;
            return self.stream(meta, page, last);
        }
        // A large set is not held in memory.
        if staged.bytes > LARGE_SET {
            self.stats.replayed += 1;
            return self.stream(meta, page, last);
        }
        let mut rows = BTreeMap::new();
        if staged.any {
            let mut position = 0;
            while let Some((seq, page)) = inbox::next(self.writer.store, position)? {
                self.collect(&page.patch, &mut rows)?;
                position = seq;
            }
        }
        self.collect(&page.patch, &mut rows)?;
        let acknowledges = !outbox::up_to(self.writer.store, last)?.is_empty();
        if rows.is_empty() && !acknowledges {
            return Ok(());
        }
        if !always_replay && self.fast(&rows, last)? {
            outbox::remove_up_to(self.writer.store, meta, last)?;
            if acknowledges {
                self.stats.confirmed += 1;
            } else {
                self.stats.disjoint += 1;
            }
            return Ok(());
        }
        self.stats.replayed += 1;
        effects::undo_all(&mut self.writer)?;
        let mut changes = Vec::new();
        for ((table, id), after) in rows {
            let table = self.writer.texts.of(table)?.table;
            let before = self.writer.read(table, &id)?;
            changes.push(Difference { table, id, before, after });
        }
        put_rows(&mut self.writer, changes).map_err(bad_base)?;
        outbox::remove_up_to(self.writer.store, meta, last)?;
        self.replay()
    }

    /// Takes all effects back and runs everything that is pending again, over the base as it is.
    pub(crate) fn anew(&mut self) -> Result<()> {
        effects::undo_all(&mut self.writer)?;
        self.replay()
    }

    /// Empties the base and runs everything that is pending again over nothing.
    pub(crate) fn over_nothing(&mut self) -> Result<()> {
        self.all = true;
        effects::undo_all(&mut self.writer)?;
        Stream { writer: &mut self.writer, deferred: BTreeMap::new() }.clear(None)?;
        self.replay()
    }

    /// The rows of a patch, the last word on each.
    fn collect(&self, patch: &[PatchOp], rows: &mut RowMap<Option<Row>>) -> Result<()> {
        for op in patch {
            match op {
                PatchOp::Put { table, id, value } => {
                    let table = self.writer.texts.synced(table)?.table;
                    rows.insert((table.name, id.clone()), Some(row_of(table, id, value.get())?));
                }
                PatchOp::Del { table, id } => {
                    let table = self.writer.texts.synced(table)?.table;
                    rows.insert((table.name, id.clone()), None);
                }
                PatchOp::Clear { .. } => return Err(Error::internal("a patch with a clear is streamed")),
            }
        }
        Ok(())
    }

    /// Writes D if the rest does not meet it; false when it does, with nothing changed.
    fn fast(&mut self, rows: &RowMap<Option<Row>>, last: u64) -> Result<bool> {
        let Some((rest, reads)) = self.rest(last)? else { return Ok(false) };
        let acknowledged = effects::up_to(self.writer.store, self.writer.texts, last)?;
        let keys: BTreeSet<&(&'static str, String)> = rows.keys().chain(acknowledged.keys()).collect();
        let mut changes = Vec::new();
        for key in keys {
            let table = self.writer.texts.of(key.0)?.table;
            let id = &key.1;
            let later = if rest { effects::before_later(self.writer.store, table, id, last)? } else { None };
            let written_later = later.is_some();
            let (base, seen) = match (acknowledged.get(key), later) {
                (Some(images), _) => (images.before.clone(), images.after.clone()),
                (None, Some(before)) => (before.clone(), before),
                (None, None) => {
                    let visible = self.writer.read(table, id)?;
                    (visible.clone(), visible)
                }
            };
            let now = match rows.get(key) {
                Some(row) => row.clone(),
                None => base,
            };
            if now == seen {
                continue;
            }
            if rest && (written_later || reads.meets(table, id, &[seen.as_deref(), now.as_deref()])) {
                return Ok(false);
            }
            changes.push(Difference { table, id: id.clone(), before: seen, after: now });
        }
        match self.writer.savepoint(|writer| put_rows(writer, changes)) {
            Ok(()) => Ok(true),
            // A constraint between base and optimistic rows, or a row another program wrote to: the full way puts the
            // base down first, and looks at what is there.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Internal) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether mutations are pending after `last`, and all they read; none when that cannot be told.
    fn rest(&mut self, last: u64) -> Result<Option<(bool, Footprint)>> {
        let sql = "SELECT reads FROM _plasma_outbox WHERE id > ?1";
        let rows = self.writer.query(sql, &[id_value(last)], &[Kind::Text])?;
        let mut reads = Footprint::default();
        let rest = !rows.is_empty();
        for row in rows {
            match row.first().and_then(Value::as_text).and_then(Footprint::from_json) {
                Some(footprint) => reads.merge(footprint),
                None => return Ok(None),
            }
        }
        Ok(Some((rest, reads)))
    }

    /// Runs everything in the outbox again, in order, over the base. The effects are rewritten.
    pub(crate) fn replay(&mut self) -> Result<()> {
        self.writer.execute("DELETE FROM _plasma_effects", &[])?;
        let (client_id, _) = outbox::issued(self.writer.store)?;
        for entry in outbox::after(self.writer.store, 0)? {
            self.replay_one(&client_id, &entry)?;
        }
        Ok(())
    }

    fn replay_one(&mut self, client_id: &str, entry: &QueuedMutation) -> Result<()> {
        let mutator = match self.definition.mutator(&entry.name) {
            _ if entry.skip.is_some() => return outbox::set_run(self.writer.store, entry.id, &Run::default(), None),
            Some(mutator) if mutator.server_only => return Ok(()),
            Some(mutator) => mutator,
            None => {
                let error = Error::new(ErrorKind::UnknownMutator, format!("there is no mutator `{}`", entry.name));
                return self.failed(entry, error, Footprint::default());
            }
        };
        let version = self.definition.schema.version;
        let args = match mutator.upgraded(version, entry.made_by.as_deref(), &entry.args) {
            Ok(args) => args,
            Err(error) => return self.failed(entry, error, Footprint::default()),
        };
        self.stats.replays += 1;
        let mut envelope = TxMeta::new(Location::Client, Reason::Rebase, entry.key, entry.timestamp_ms);
        envelope.client_id = Some(client_id.to_owned());
        envelope.mutation_id = Some(entry.id);
        let mark = self.writer.savepoint_begin()?;
        let mut executor = ClientExecutor::new(&mut self.writer, self.definition, self.ctx, Mode::Replay);
        let result = executor.run(mutator, &envelope, &args);
        let reads = std::mem::take(&mut executor.reads);
        if self.writer.failed {
            return Err(result.err().unwrap_or_else(|| Error::new(ErrorKind::Storage, "the store failed in a replay")));
        }
        self.writer.savepoint_end(mark, result.is_ok())?;
        match result {
            Ok(effects) => {
                let net = fold(self.writer.journal[mark..].to_vec());
                effects::save(self.writer.store, self.writer.texts, entry.id, &net)?;
                outbox::set_run(self.writer.store, entry.id, &Run { reads, effects, ..Run::default() }, None)
            }
            Err(error) => self.failed(entry, error, reads),
        }
    }

    fn failed(&mut self, entry: &QueuedMutation, error: Error, reads: Footprint) -> Result<()> {
        let why = format!("{}: {}", error.code(), error.message());
        outbox::set_run(self.writer.store, entry.id, &Run { reads, ..Run::default() }, Some(&why))?;
        if entry.failing.is_none() {
            self.failing.push((entry.key, error));
        }
        Ok(())
    }

    /// Applies a set that empties tables, or is large, page by page.
    fn stream(&mut self, meta: &mut Meta, page: &PullResponse, last: u64) -> Result<()> {
        self.all = true;
        effects::undo_all(&mut self.writer)?;
        let mut stream = Stream { writer: &mut self.writer, deferred: BTreeMap::new() };
        if meta.cookie.is_none() {
            stream.clear(None)?;
        }
        let mut position = 0;
        while let Some((seq, page, image)) = inbox::next_with_image(stream.writer.store, position)? {
            stream.page(&page.patch)?;
            if image {
                stream.image()?;
            }
            position = seq;
        }
        stream.page(&page.patch)?;
        stream.finish()?;
        outbox::remove_up_to(self.writer.store, meta, last)?;
        self.replay()?;
        self.writer.journal.clear();
        Ok(())
    }
}

/// A row to be written.
struct Difference {
    table: &'static TableDef,
    id: String,
    before: Option<Row>,
    after: Option<Row>,
}

/// Writes rows of one cut. Where unique values could meet on the way, everything old goes before anything new comes.
fn put_rows(writer: &mut Writer<'_>, mut changes: Vec<Difference>) -> Result<()> {
    for change in &mut changes {
        let first = change.after.is_none() || writer.texts.of(change.table.name)?.has_unique;
        if first && change.before != change.after {
            writer.apply(change.table, &change.id, change.before.take(), None)?;
        }
    }
    for change in changes {
        writer.apply(change.table, &change.id, change.before, change.after)?;
    }
    Ok(())
}

/// Reads the row of a `put` and checks that it is the row it says.
fn row_of(table: &'static TableDef, id: &str, value: &str) -> Result<Row> {
    let row = json::decode_row(table, value)?;
    if table.row_id(&row) != id {
        return Err(Error::new(
            ErrorKind::Protocol,
            format!("the server sent a row of `{}` under the id {id} that has another", table.name),
        ));
    }
    Ok(row)
}

/// A base whose own rows break a constraint is the server's mistake.
fn bad_base(error: Error) -> Error {
    if error.kind() == ErrorKind::Conflict {
        return Error::new(ErrorKind::Protocol, "the rows the server sent break a constraint of the schema")
            .with_source(error);
    }
    error
}

/// Puts pages into the base, one after the other.
struct Stream<'w, 's> {
    writer: &'w mut Writer<'s>,
    /// Rows whose unique value another row still holds: a later page takes it from that row.
    deferred: RowMap<Row>,
}

impl Stream<'_, '_> {
    fn page(&mut self, patch: &[PatchOp]) -> Result<()> {
        for op in patch {
            match op {
                PatchOp::Clear { table } => self.clear(table.as_deref())?,
                PatchOp::Put { table, id, value } => {
                    let table = self.writer.texts.synced(table)?.table;
                    self.put(table, id, row_of(table, id, value.get())?)?;
                }
                PatchOp::Del { table, id } => {
                    let table = self.writer.texts.synced(table)?.table;
                    self.deferred.remove(&(table.name, id.clone()));
                    let before = self.writer.read(table, id)?;
                    self.writer.apply(table, id, before, None)?;
                }
            }
        }
        // The listeners are told to look at everything: the single changes need no memory.
        self.writer.journal.clear();
        Ok(())
    }

    /// The rows of the attached image, into tables that are empty. They have to pass the store's constraints.
    fn image(&mut self) -> Result<()> {
        let texts = self.writer.texts;
        for table in texts.iter().filter(|texts| !texts.table.local_only) {
            self.writer.store.execute(&image::copy(table.table), &[]).map_err(bad_base)?;
        }
        Ok(())
    }

    fn clear(&mut self, table: Option<&str>) -> Result<()> {
        let texts = self.writer.texts;
        match table {
            Some(name) => {
                let table = texts.synced(name)?;
                self.deferred.retain(|(other, _), _| *other != name);
                self.writer.execute(&table.delete_all, &[])?;
            }
            None => {
                self.deferred.clear();
                for table in texts.iter().filter(|texts| !texts.table.local_only) {
                    self.writer.execute(&table.delete_all, &[])?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, table: &'static TableDef, id: &str, row: Row) -> Result<()> {
        if !self.deferred.is_empty() {
            self.deferred.remove(&(table.name, id.to_owned()));
        }
        let texts = self.writer.texts.of(table.name)?;
        // Most rows are new: an insert that succeeds saves the look.
        if self.writer.insert_untold(texts, &row)? {
            return Ok(());
        }
        if let Some(before) = self.writer.read(table, id)? {
            self.writer.apply(table, id, Some(before), None)?;
            if self.writer.insert_untold(texts, &row)? {
                return Ok(());
            }
        }
        self.deferred.insert((table.name, id.to_owned()), row);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        for ((table, id), row) in self.deferred {
            let table = self.writer.texts.of(table)?.table;
            self.writer.apply(table, &id, None, Some(row)).map_err(bad_base)?;
        }
        Ok(())
    }
}
