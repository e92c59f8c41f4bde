//! The one primitive that writes the application's tables.
//!
//! Every write of a visible row, by a mutator, an undo, a patch or a replay, passes [`Writer::apply`], which knows the
//! old and the new row. Effects, undo and live queries come from its journal: no triggers, no hooks.

use std::collections::BTreeMap;

use super::at_rest;
use super::event::RowChange;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnDef, SchemaDef, TableDef};
use crate::store::ddl::quote;
use crate::store::{SqlConnection, checks};
use crate::value::{Kind, Row, Value};

/// The statements of one table, written once.
#[derive(Debug)]
pub(crate) struct TableTexts {
    pub(crate) table: &'static TableDef,
    /// Whether two rows could clash in a column other than `id`.
    pub(crate) has_unique: bool,
    pub(crate) kinds: Vec<Kind>,
    select: String,
    insert: String,
    update: String,
    delete: String,
    pub(crate) delete_all: String,
}

/// The statements of all tables, by SQL name.
#[derive(Debug)]
pub(crate) struct Texts {
    tables: BTreeMap<&'static str, TableTexts>,
}

impl Texts {
    pub(crate) fn new(schema: &SchemaDef) -> Self {
        let tables = schema.tables.iter().map(|table| (table.name, TableTexts::new(table))).collect();
        Texts { tables }
    }

    /// The statements of a table.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when the schema has no such table.
    pub(crate) fn of(&self, table: &str) -> Result<&TableTexts> {
        self.tables.get(table).ok_or_else(|| {
            Error::internal(format!("table `{table}` is not part of the schema the client was opened with"))
        })
    }

    /// The statements of a table that syncs.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when there is no such table, or it never syncs.
    pub(crate) fn synced(&self, table: &str) -> Result<&TableTexts> {
        match self.tables.get(table) {
            Some(texts) if !texts.table.local_only => Ok(texts),
            _ => Err(Error::new(
                ErrorKind::Protocol,
                format!("the server sent rows of `{table}`, which is not a synced table here"),
            )),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TableTexts> {
        self.tables.values()
    }
}

impl TableTexts {
    fn new(table: &'static TableDef) -> Self {
        // Read by its name alone: a view may stand before a table with sealed columns.
        let seen = quote(table.name);
        let name = format!("main.{seen}");
        let columns: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
        let id = &columns[table.id];
        let id_place = &format!("?{}", table.id + 1);
        let places: Vec<String> = table.columns.iter().zip(1..).map(|(column, n)| place(table, column, n)).collect();
        let changes: Vec<String> = columns
            .iter()
            .zip(&places)
            .enumerate()
            .filter(|(index, _)| *index != table.id)
            .map(|(_, (column, place))| format!("{column} = {place}"))
            .collect();
        let update = if changes.is_empty() {
            // A table of ids only: nothing can change.
            format!("UPDATE {name} SET {id} = {id} WHERE {id} = {id_place}")
        } else {
            format!("UPDATE {name} SET {} WHERE {id} = {id_place}", changes.join(", "))
        };
        TableTexts {
            table,
            has_unique: table.unique_sets().next().is_some(),
            kinds: table.columns.iter().map(|column| column.kind).collect(),
            select: format!("SELECT {} FROM {seen} WHERE {id} = ?1", columns.join(", ")),
            insert: format!("INSERT INTO {name} ({}) VALUES ({})", columns.join(", "), places.join(", ")),
            update,
            delete: format!("DELETE FROM {name} WHERE {id} = ?1"),
            delete_all: format!("DELETE FROM {name}"),
        }
    }
}

/// Where the value of a column goes into a statement.
fn place(table: &TableDef, column: &ColumnDef, n: usize) -> String {
    match column.at_rest {
        true => at_rest::sealing(&format!("?{n}"), table.name, column.name, &format!("?{}", table.id + 1)),
        false => format!("?{n}"),
    }
}

/// Writes rows and remembers what it wrote.
pub(crate) struct Writer<'s> {
    pub(crate) store: &'s mut dyn SqlConnection,
    pub(crate) texts: &'s Texts,
    /// The writes of this transaction, in order.
    pub(crate) journal: Vec<RowChange>,
    /// The store itself failed (not a constraint): the transaction must not be committed.
    pub(crate) failed: bool,
}

impl<'s> Writer<'s> {
    pub(crate) fn new(store: &'s mut dyn SqlConnection, texts: &'s Texts) -> Self {
        Writer { store, texts, journal: Vec::new(), failed: false }
    }

    /// The row with this id.
    pub(crate) fn read(&mut self, table: &TableDef, id: &str) -> Result<Option<Row>> {
        let texts = self.texts.of(table.name)?;
        let rows = self.store.query(&texts.select, &[id.into()], &texts.kinds);
        self.note(rows).map(|mut rows| rows.pop())
    }

    /// Runs a query, noting a failure of the store.
    pub(crate) fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        let rows = self.store.query(sql, params, kinds);
        self.note(rows)
    }

    /// Runs a statement, noting a failure of the store.
    pub(crate) fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        let changed = self.store.execute(sql, params);
        self.note(changed)
    }

    /// Replaces the row `before` by `after`; either may be none. `before` must be what the table holds.
    ///
    /// # Errors
    /// [`Conflict`](ErrorKind::Conflict) when a constraint refuses the row: nothing is written then.
    pub(crate) fn apply(
        &mut self,
        table: &'static TableDef,
        id: &str,
        before: Option<Row>,
        after: Option<Row>,
    ) -> Result<()> {
        let texts = self.texts.of(table.name)?;
        let changed = match (&before, &after) {
            (None, None) => return Ok(()),
            (None, Some(row)) => checks::check(table, row).and_then(|()| self.store.execute(&texts.insert, row)),
            (Some(_), None) => self.store.execute(&texts.delete, &[id.into()]),
            (Some(old), Some(new)) if old == new => return Ok(()),
            (Some(_), Some(row)) => checks::check(table, row).and_then(|()| self.store.execute(&texts.update, row)),
        };
        if self.note(changed).map_err(|error| error.in_table(table.name))? != 1 {
            return Err(Error::internal(format!("row {id} of `{}` is not what the client took it for", table.name)));
        }
        self.journal.push(RowChange { table: table.name, id: id.to_owned(), before, after });
        Ok(())
    }

    /// Inserts a row without telling the journal, for pages that replace whole tables; false when a constraint refuses
    /// it.
    pub(crate) fn insert_untold(&mut self, texts: &TableTexts, row: &Row) -> Result<bool> {
        match self.store.execute(&texts.insert, row) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    /// Takes everything in the journal back, newest first, where the transaction holds more than that and must go on.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage): the transaction must not be committed then.
    pub(crate) fn undo(&mut self) -> Result<()> {
        for change in std::mem::take(&mut self.journal).into_iter().rev() {
            let texts = self.texts.of(change.table)?;
            let changed = match (change.after, change.before) {
                (Some(_), None) => self.store.execute(&texts.delete, &[change.id.into()]),
                (None, Some(row)) => self.store.execute(&texts.insert, &row),
                (_, Some(row)) => self.store.execute(&texts.update, &row),
                (None, None) => Ok(1),
            };
            if changed? != 1 {
                return Err(Error::new(ErrorKind::Storage, "what a failed mutation wrote could not be taken back"));
            }
        }
        Ok(())
    }

    /// Runs `work` so that an error leaves no trace of it, neither in the store nor in the journal.
    pub(crate) fn savepoint<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let mark = self.savepoint_begin()?;
        let result = work(self);
        self.savepoint_end(mark, result.is_ok())?;
        result
    }

    /// Opens a savepoint; hand the mark to [`savepoint_end`](Self::savepoint_end).
    pub(crate) fn savepoint_begin(&mut self) -> Result<usize> {
        self.execute("SAVEPOINT plasma", &[])?;
        Ok(self.journal.len())
    }

    /// Keeps or undoes what was written since the mark.
    pub(crate) fn savepoint_end(&mut self, mark: usize, keep: bool) -> Result<()> {
        if !keep {
            self.journal.truncate(mark);
            if !self.store.in_transaction() {
                // SQLite rolled everything back (disk full, I/O error): there is no savepoint any more.
                self.failed = true;
                return Ok(());
            }
            self.execute("ROLLBACK TO plasma", &[])?;
        }
        self.execute("RELEASE plasma", &[])?;
        Ok(())
    }

    /// Refuses to go on when the store failed, be it that a mutator kept the error to itself.
    pub(crate) fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::new(ErrorKind::Storage, "the store failed while the mutation ran"));
        }
        Ok(())
    }

    fn note<T>(&mut self, result: Result<T>) -> Result<T> {
        if result.as_ref().is_err_and(is_the_machine) {
            self.failed = true;
        }
        result
    }
}

/// Whether the store itself failed (disk, memory, locks), so that nothing is known of the transaction. A constraint or
/// a statement that SQLite cannot run is the fault of whoever made it, and leaves the transaction as it was.
fn is_the_machine(error: &Error) -> bool {
    if error.kind() != ErrorKind::Storage {
        return false;
    }
    // SQLITE_ERROR, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE: <https://sqlite.org/rescode.html>.
    #[cfg(feature = "sqlite")]
    if let Some(code) = crate::store::sqlite::error::sqlite_code(error) {
        return !matches!(code & 0xff, 1 | 18 | 20 | 25);
    }
    true
}

/// The net of a journal: one entry a row, in order of table and id; rows that end as they began are left out.
pub(crate) fn fold(mut journal: Vec<RowChange>) -> Vec<RowChange> {
    // Stable: of one row, the first change stays the first.
    journal.sort_by(|a, b| (a.table, &a.id).cmp(&(b.table, &b.id)));
    let mut net: Vec<RowChange> = Vec::with_capacity(journal.len());
    for change in journal {
        match net.last_mut() {
            Some(last) if last.table == change.table && last.id == change.id => last.after = change.after,
            _ => net.push(change),
        }
    }
    net.retain(|change| change.before != change.after);
    net
}

/// Runs `work` in one transaction that holds the write lock from its start.
///
/// # Errors
/// `work`'s error, or that of `COMMIT`; nothing is written then.
pub(crate) fn transaction<T>(
    store: &mut dyn SqlConnection,
    work: impl FnOnce(&mut dyn SqlConnection) -> Result<T>,
) -> Result<T> {
    store.execute("BEGIN IMMEDIATE", &[])?;
    let counted = work(store).and_then(|value| at_rest::count(store).map(|()| value));
    let result = counted.and_then(|value| store.execute("COMMIT", &[]).map(|_| value));
    if result.is_err() && store.in_transaction() {
        store.execute("ROLLBACK", &[])?;
    }
    result
}
