//! Runs a mutator's statements over the client's store.
//!
//! Writes are performed row by row through [`Writer::apply`]; reads are recorded in a [`Footprint`]. Foreign keys point
//! at rows a policy may hide, so a missing parent is no error here; what a delete does to the rows that reference it is
//! performed by [`on_delete`](super::on_delete).

mod policy;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::bases::Bases;
use super::footprint::Footprint;
use super::on_delete::{self, Kept};
use super::rows::Writer;
use crate::error::{Error, ErrorKind, Result, panic_message};
use crate::future::{BoxFuture, poll_once, ready};
use crate::mutate::{Access, Effects, ErasedCtx, Executor, MutatorDef, TableRules, TxMeta};
use crate::query::ir::{Change, Expr, Query, Select, Write};
use crate::query::lower::Dialect;
use crate::schema::{Definition, TableDef};
use crate::store::query::Reading;
use crate::value::{Row, Value};

/// What a run may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The first run of a mutation: all tables.
    First,
    /// A later run: tables that sync. Writes of `local_only` tables were final and are left out.
    Replay,
    /// A local write: `local_only` tables and nothing else.
    Local,
}

/// The client's [`Executor`].
pub(crate) struct ClientExecutor<'w, 's> {
    pub(crate) writer: &'w mut Writer<'s>,
    definition: &'w Definition,
    ctx: &'w ErasedCtx,
    mode: Mode,
    /// What was read so far.
    pub(crate) reads: Footprint,
    /// The rows changed by a first run, as they were before it.
    pub(crate) bases: Bases,
    /// A table that syncs was written to, be it without a matching row.
    pub(crate) wrote_synced: bool,
    /// A `local_only` table was written to.
    pub(crate) wrote_local: bool,
    rules: BTreeMap<&'static str, Option<TableRules>>,
    /// The rows of the statement that runs, when it is asked for them.
    returned: Option<Vec<Row>>,
    /// Rows whose new image a rule must allow at the end: whether they existed before the mutation.
    to_check: BTreeMap<(&'static str, String), bool>,
}

impl<'w, 's> ClientExecutor<'w, 's> {
    pub(crate) fn new(writer: &'w mut Writer<'s>, definition: &'w Definition, ctx: &'w ErasedCtx, mode: Mode) -> Self {
        ClientExecutor {
            writer,
            definition,
            ctx,
            mode,
            reads: Footprint::default(),
            bases: Bases::default(),
            wrote_synced: false,
            wrote_local: false,
            rules: BTreeMap::new(),
            returned: None,
            to_check: BTreeMap::new(),
        }
    }

    /// Runs a mutator to its end, panics and foreign awaits turned into errors; returns what it was told and wrote.
    pub(crate) fn run(&mut self, mutator: &MutatorDef, meta: &TxMeta, args: &str) -> Result<Option<Effects>> {
        meta.begin_record(&self.definition.schema, mutator.name);
        let ctx = self.ctx;
        self.guarded(|executor| poll_once(mutator.start(executor, meta, ctx, args)))?;
        Ok(meta.effects())
    }

    /// Runs anything that may panic or await, then the checks at the end.
    pub(crate) fn guarded(&mut self, run: impl FnOnce(&mut Self) -> Option<Result<()>>) -> Result<()> {
        match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(Some(result)) => result?,
            Ok(None) => {
                return Err(Error::new(
                    ErrorKind::ForeignAwait,
                    "a local write awaited something other than its transaction: it runs inside one and may only await `tx`",
                ));
            }
            Err(panic) => {
                return Err(Error::new(
                    ErrorKind::Panic,
                    format!("the mutator panicked: {}", panic_message(&*panic).unwrap_or("no message")),
                ));
            }
        }
        self.check_new_images()
    }

    fn run_query(&mut self, query: &Query) -> Result<Vec<Row>> {
        self.reads.query(query);
        self.select(query)
    }

    fn select(&mut self, query: &Query) -> Result<Vec<Row>> {
        let mut reading = Reading::new(Dialect::Sqlite, query);
        while let Some(statement) = reading.next() {
            reading.answer(self.writer.query(&statement.sql, &statement.params, &statement.kinds)?)?;
        }
        Ok(reading.finish())
    }

    fn run_write(&mut self, write: Write, access: Access) -> Result<u64> {
        let table = write.table();
        if table.local_only {
            self.wrote_local = true;
        } else if self.mode == Mode::Local {
            return Err(Error::validation(format!(
                "`{}` syncs: a local write may only touch `local_only` tables, use a mutation",
                table.name
            )));
        } else {
            self.wrote_synced = true;
        }
        let checked = access == Access::Checked;
        match write {
            Write::Insert { table, row } => {
                let id = id_of(table, &row)?;
                self.insert(table, &id, row, checked).map(|()| 1)
            }
            Write::Update { table, id, changes } => {
                self.reads.row(table, &id);
                let before = self.need(table, &id)?;
                let after = self.changed(table, &id, &before, &changes)?;
                self.update(table, &id, before, after, checked).map(|()| 1)
            }
            Write::UpdateWhere { table, filter, changes } => {
                let rows = self.matching(table, filter)?;
                let count = rows.len() as u64;
                // What a value reads of other rows it reads before the first is changed.
                let mut images = Vec::with_capacity(rows.len());
                for before in rows {
                    let id = table.row_id(&before).to_owned();
                    let after = self.changed(table, &id, &before, &changes)?;
                    images.push((id, before, after));
                }
                self.all_or_nothing(|executor| {
                    for (id, before, after) in images {
                        executor.update(table, &id, before, after, checked)?;
                    }
                    Ok(count)
                })
            }
            Write::Delete { table, id } => {
                self.reads.row(table, &id);
                let before = self.need(table, &id)?;
                self.returns(&before);
                if self.definition.schema.referencing(table.name).next().is_none() {
                    return self.delete(table, &id, before, checked, &mut Kept::new()).map(|()| 1);
                }
                self.all_or_nothing(|executor| {
                    let mut kept = Kept::new();
                    executor.delete(table, &id, before, checked, &mut kept)?;
                    on_delete::check(executor.writer, &mut executor.reads, kept).map(|()| 1)
                })
            }
            Write::DeleteWhere { table, filter } => {
                let rows = self.matching(table, filter)?;
                let count = rows.len() as u64;
                if let Some(returned) = &mut self.returned {
                    returned.extend(rows.iter().cloned());
                }
                self.all_or_nothing(|executor| {
                    let mut kept = Kept::new();
                    for row in rows {
                        let id = table.row_id(&row).to_owned();
                        // An earlier delete may have cascaded to this row, or changed it.
                        if let Some(before) = executor.writer.read(table, &id)? {
                            executor.delete(table, &id, before, checked, &mut kept)?;
                        }
                    }
                    on_delete::check(executor.writer, &mut executor.reads, kept)?;
                    Ok(count)
                })
            }
        }
    }

    fn insert(&mut self, table: &'static TableDef, id: &str, row: Row, checked: bool) -> Result<()> {
        let asked = self.reads.has_row(table, id);
        self.reads.row(table, id);
        self.unique_reads(table, None, &row);
        if self.written_already(table) {
            let stored = self.writer.read(table, id)?.unwrap_or(row);
            self.returns(&stored);
            return Ok(());
        }
        table.keeps_checks(&row)?;
        self.returns(&row);
        if checked {
            self.to_check.entry((table.name, id.to_owned())).or_insert(false);
        }
        self.writer.apply(table, id, None, Some(row))?;
        if self.mode == Mode::First {
            self.bases.inserted(table, id, asked);
        }
        Ok(())
    }

    fn update(&mut self, table: &'static TableDef, id: &str, before: Row, after: Row, checked: bool) -> Result<()> {
        self.reads.row(table, id);
        self.unique_reads(table, Some(&before), &after);
        if self.written_already(table) {
            self.returns(&before);
            return Ok(());
        }
        table.keeps_checks(&after)?;
        for (index, column) in table.columns.iter().enumerate() {
            if let Some(file) = column.file {
                file.check_change(table, column, &before[index], &after[index])?;
            }
        }
        self.returns(&after);
        if checked {
            self.check_update(table, id, &before, &after)?;
        }
        let merged = self.mode == Mode::First && table.resolve_conflict.is_some();
        let base = merged.then(|| before.clone());
        self.writer.apply(table, id, Some(before), Some(after))?;
        // Also of an update that changes nothing here: on the server it may.
        if let Some(base) = base {
            self.bases.updated(table, id, base);
        }
        Ok(())
    }

    fn delete(
        &mut self,
        table: &'static TableDef,
        id: &str,
        before: Row,
        checked: bool,
        kept: &mut Kept,
    ) -> Result<()> {
        self.reads.row(table, id);
        if self.written_already(table) {
            return Ok(());
        }
        if checked && let Some(rules) = self.rules(table)? {
            self.allow(table, &rules.delete, &before)?;
        }
        self.to_check.remove(&(table.name, id.to_owned()));
        on_delete::delete(self.writer, &self.definition.schema, &mut self.reads, kept, table, id, before)
    }

    /// The row after the changes, whose expressions see the row before.
    fn changed(&mut self, table: &'static TableDef, id: &str, before: &Row, changes: &[Change]) -> Result<Row> {
        let mut after = before.clone();
        let mut computed = Vec::new();
        for change in changes {
            let index = table
                .column_index(change.column)
                .filter(|index| *index != table.id)
                .ok_or_else(|| Error::internal(format!("`{}.{}` cannot be updated", table.name, change.column)))?;
            match &change.value {
                Expr::Literal(value) => after[index] = value.clone(),
                expr => match expr.of_row(table, id) {
                    Some(value) => after[index] = value.clone(),
                    None => {
                        self.reads.expr(expr);
                        computed.push((index, expr.clone()));
                    }
                },
            }
        }
        if !computed.is_empty() {
            let (indexes, exprs): (Vec<usize>, Vec<Expr>) = computed.into_iter().unzip();
            let query = Query { select: Select::Exprs(exprs), ..by_id(table, id) };
            let values = self.select(&query)?.pop().ok_or_else(|| not_found(table, id))?;
            for (index, value) in indexes.into_iter().zip(values) {
                after[index] = value;
            }
        }
        Ok(after)
    }

    fn matching(&mut self, table: &'static TableDef, filter: Expr) -> Result<Vec<Row>> {
        self.run_query(&Query::all(table).filter(filter))
    }

    fn need(&mut self, table: &'static TableDef, id: &str) -> Result<Row> {
        self.writer.read(table, id)?.ok_or_else(|| not_found(table, id))
    }

    /// A constraint reads too: a pulled row with the same unique values changes what this write does.
    fn unique_reads(&mut self, table: &'static TableDef, before: Option<&Row>, after: &Row) {
        for columns in table.unique_sets() {
            let indexes: Vec<usize> = columns.iter().filter_map(|column| table.column_index(column)).collect();
            let changed = before.is_none_or(|before| indexes.iter().any(|index| before[*index] != after[*index]));
            // NULLs never clash.
            if changed && !indexes.iter().any(|index| after[*index].is_null()) {
                let values = indexes.iter().map(|index| &after[*index]);
                self.reads.equal(table, columns.iter().copied().zip(values));
            }
        }
    }

    fn returns(&mut self, row: &Row) {
        if let Some(returned) = &mut self.returned {
            returned.push(row.clone());
        }
    }

    /// `local_only` rows were written by the first run, for good.
    fn written_already(&self, table: &TableDef) -> bool {
        table.local_only && self.mode == Mode::Replay
    }

    fn all_or_nothing<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mark = self.writer.savepoint_begin()?;
        let result = work(self);
        self.writer.savepoint_end(mark, result.is_ok())?;
        result
    }
}

impl Executor for ClientExecutor<'_, '_> {
    fn query<'a>(&'a mut self, query: &'a Query) -> BoxFuture<'a, Result<Vec<Row>>> {
        ready(self.run_query(query))
    }

    fn write(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<u64>> {
        ready(self.run_write(write, access))
    }

    fn write_returning(&mut self, write: Write, access: Access) -> BoxFuture<'_, Result<Vec<Row>>> {
        self.returned = Some(Vec::new());
        let written = self.run_write(write, access);
        let rows = self.returned.take().unwrap_or_default();
        ready(written.map(|_| rows))
    }
}

fn by_id(table: &'static TableDef, id: &str) -> Query {
    let column = Expr::column(table.name, table.columns[table.id].name);
    Query::all(table).filter(Expr::eq(column, Expr::Literal(id.into())))
}

fn id_of(table: &'static TableDef, row: &Row) -> Result<String> {
    match row.get(table.id) {
        Some(Value::Text(id)) if row.len() == table.columns.len() => Ok(id.clone()),
        _ => Err(Error::internal(format!("the new row of `{}` has no id or not all columns", table.name))),
    }
}

fn not_found(table: &TableDef, id: &str) -> Error {
    Error::not_found(format!("`{}` has no row {id}", table.name))
}
