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

use std::collections::BTreeMap;

use uuid::Uuid;

use super::effects::{self, Images, RowMap};
use super::executor::{ClientExecutor, Mode};
use super::footprint::Footprint;
use super::identity::Meta;
use super::image;
use super::inbox::{self, Op, StagedPatch};
use super::outbox::{self, QueuedMutation, Run};
use super::pending::Pending;
use super::rows::{Writer, fold};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::{ErasedCtx, Location, Observed, Reason, TxMeta};
use crate::protocol::{PatchOp, PullResponse};
use crate::schema::{Definition, TableDef};
use crate::value::{Row, json};

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
    /// What the pending mutations touch, as far as the engine knows.
    pub(crate) pending: Pending,
}

impl<'s> Rebase<'s> {
    pub(crate) fn new(writer: Writer<'s>, definition: &'s Definition, ctx: &'s ErasedCtx, pending: Pending) -> Self {
        Rebase { writer, definition, ctx, stats: Stats::default(), failing: Vec::new(), all: false, pending }
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
        let rows = self.incoming(staged, page)?;
        let acknowledges = outbox::any_up_to(self.writer.store, last)?;
        if rows.is_empty() && !acknowledges {
            return Ok(());
        }
        if !always_replay && self.fast(rows, meta, last, acknowledges)? {
            if acknowledges {
                outbox::remove_up_to(self.writer.store, meta, last)?;
                self.pending.dropped(last);
                self.stats.confirmed += 1;
            } else {
                self.stats.disjoint += 1;
            }
            return Ok(());
        }
        // The rows are read once more: most pulls never get here.
        let rows = self.incoming(staged, page)?;
        self.stats.replayed += 1;
        effects::undo_all(&mut self.writer)?;
        let mut changes = Vec::with_capacity(rows.len());
        for Incoming { table, id, row } in rows {
            let before = self.writer.read(table, &id)?;
            changes.push(Difference { table, id, before, after: row });
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

    /// The rows of a set, in order of table and id; of a row that comes more than once the last word.
    fn incoming(&mut self, staged: inbox::Pages, page: &PullResponse) -> Result<Vec<Incoming>> {
        let mut rows = Vec::with_capacity(page.patch.len());
        if staged.any {
            let mut position = 0;
            while let Some((seq, page)) = inbox::next(self.writer.store, position)? {
                self.collect(&page.patch, &mut rows)?;
                position = seq;
            }
        }
        self.collect(&page.patch, &mut rows)?;
        rows.sort_by(|a, b| (a.table.name, &a.id).cmp(&(b.table.name, &b.id)));
        rows.dedup_by(|later, first| {
            let same = first.table.name == later.table.name && first.id == later.id;
            if same {
                first.row = later.row.take();
            }
            same
        });
        Ok(rows)
    }

    /// The rows of a patch, in its order.
    fn collect(&self, patch: &[PatchOp], rows: &mut Vec<Incoming>) -> Result<()> {
        for op in patch {
            rows.push(match op {
                PatchOp::Put { table, id, value } => {
                    let table = self.writer.texts.synced(table)?.table;
                    Incoming { table, id: id.clone(), row: Some(row_of(table, id, value.get())?) }
                }
                PatchOp::Del { table, id } => {
                    Incoming { table: self.writer.texts.synced(table)?.table, id: id.clone(), row: None }
                }
                PatchOp::Clear { .. } => return Err(Error::internal("a patch with a clear is streamed")),
            });
        }
        Ok(())
    }

    /// Writes D if the rest does not meet it; false when it does, with nothing changed.
    fn fast(&mut self, rows: Vec<Incoming>, meta: &Meta, last: u64, acknowledges: bool) -> Result<bool> {
        let Some(rest) = self.pending.look(&mut self.writer, meta, last)? else { return Ok(false) };
        let mut acknowledged = match acknowledges {
            true => effects::up_to(self.writer.store, self.writer.texts, last)?,
            false => RowMap::new(),
        };
        let mut changes = Vec::with_capacity(rows.len() + acknowledged.len());
        for Incoming { table, id, row: now } in rows {
            let later = self.before_later(rest, table, &id, last)?;
            let written_later = later.is_some();
            let known = if acknowledged.is_empty() { None } else { acknowledged.remove(&(table.name, id.clone())) };
            let seen = match (known, later) {
                (Some(images), _) => images.after,
                (None, Some(before)) => before,
                (None, None) => self.writer.read(table, &id)?,
            };
            if now == seen {
                continue;
            }
            if rest && (written_later || self.met(meta, last, table, &id, [&seen, &now])?) {
                return Ok(false);
            }
            changes.push(Difference { table, id, before: seen, after: now });
        }
        // Rows that acknowledged mutations changed here and the server did not.
        for ((_, id), Images { table, before, after }) in acknowledged {
            if before == after {
                continue;
            }
            let later = self.before_later(rest, table, &id, last)?;
            if rest && (later.is_some() || self.met(meta, last, table, &id, [&after, &before])?) {
                return Ok(false);
            }
            changes.push(Difference { table, id, before: after, after: before });
        }
        match self.writer.savepoint(|writer| put_rows(writer, changes)) {
            Ok(()) => Ok(true),
            // A constraint between base and optimistic rows, or a row another program wrote to: the full way puts the
            // base down first, and looks at what is there.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Internal) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the first of the rest that changed this row found in it; the outer none when none did.
    fn before_later(
        &mut self,
        rest: bool,
        table: &'static TableDef,
        id: &str,
        last: u64,
    ) -> Result<Option<Option<Row>>> {
        if !rest || !self.pending.touches(table, id) {
            return Ok(None);
        }
        effects::before_later(self.writer.store, table, id, last)
    }

    /// Whether the rest read a row that was one of `images` and becomes the other.
    fn met(
        &mut self,
        meta: &Meta,
        last: u64,
        table: &'static TableDef,
        id: &str,
        images: [&Option<Row>; 2],
    ) -> Result<bool> {
        let images = images.map(|image| image.as_deref());
        if !self.pending.meets(table, id, &images) {
            return Ok(false);
        }
        // It may have been one that is acknowledged by now.
        Ok(!self.pending.narrow(&mut self.writer, meta, last)? || self.pending.meets(table, id, &images))
    }

    /// Runs everything in the outbox again, in order, over the base. The effects are rewritten.
    pub(crate) fn replay(&mut self) -> Result<()> {
        self.pending = Pending::default();
        self.writer.execute("DELETE FROM main._plasma_effects", &[])?;
        let (client_id, _) = outbox::issued(self.writer.store)?;
        for entry in outbox::after(self.writer.store, 0)? {
            self.replay_one(&client_id, &entry)?;
        }
        Ok(())
    }

    fn replay_one(&mut self, client_id: &str, entry: &QueuedMutation) -> Result<()> {
        let mutator = match self.definition.mutator(&entry.name) {
            _ if entry.skip.is_some() => return outbox::set_run(self.writer.store, entry, &Run::default(), None),
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
        if let Some(observed) = &entry.observed {
            envelope.saw(Observed::from_json(observed).map_err(damaged)?);
        }
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
                outbox::set_run(self.writer.store, entry, &Run { reads, effects, ..Run::default() }, None)
            }
            Err(error) => self.failed(entry, error, reads),
        }
    }

    fn failed(&mut self, entry: &QueuedMutation, error: Error, reads: Footprint) -> Result<()> {
        let why = format!("{}: {}", error.code(), error.message());
        outbox::set_run(self.writer.store, entry, &Run { reads, ..Run::default() }, Some(&why))?;
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
        while let Some((seq, body)) = inbox::next_body(stream.writer.store, position)? {
            stream.page(StagedPatch::read(&body)?.ops())?;
            if inbox::is_image(&body) {
                stream.image()?;
            }
            position = seq;
        }
        stream.page(page.patch.iter().map(|op| Ok(Op::from(op))))?;
        stream.finish()?;
        outbox::remove_up_to(self.writer.store, meta, last)?;
        self.replay()?;
        self.writer.journal.clear();
        Ok(())
    }
}

/// A row of a set: none when it is deleted.
struct Incoming {
    table: &'static TableDef,
    id: String,
    row: Option<Row>,
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

/// What this client wrote itself it must be able to read.
fn damaged(error: Error) -> Error {
    Error::new(ErrorKind::Storage, "a row of the outbox is damaged").with_source(error)
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
    fn page<'p>(&mut self, patch: impl Iterator<Item = Result<Op<'p>>>) -> Result<()> {
        for op in patch {
            match op? {
                Op::Clear { table } => self.clear(table)?,
                Op::Put { table, id, value } => {
                    let table = self.writer.texts.synced(table)?.table;
                    self.put(table, id, row_of(table, id, value)?)?;
                }
                Op::Del { table, id } => {
                    let table = self.writer.texts.synced(table)?.table;
                    self.deferred.remove(&(table.name, id.to_owned()));
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
            for statement in image::copy(table.table) {
                self.writer.store.batch(&statement).map_err(bad_base)?;
            }
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
