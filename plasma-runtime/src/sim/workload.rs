//! What the simulated clients do, and what must hold of their rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{Release, Rng};
use crate::error::Result;
use crate::mutate::ErasedCtx;
use crate::query::ir::Query;
use crate::schema::{Definition, TableDef};
use crate::store::SqlConnection;
use crate::store::query::run;
use crate::value::Row;

/// Who a client acts for.
#[derive(Clone)]
pub struct Principal {
    /// The client group.
    pub group: String,
    /// The context mutators and policies are given, on both sides.
    pub ctx: Arc<ErasedCtx>,
}

impl std::fmt::Debug for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Principal").field("group", &self.group).finish_non_exhaustive()
    }
}

/// A call of a mutator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Wire name of the mutator.
    pub name: String,
    /// The arguments, as JSON text.
    pub args: String,
    /// The id of the row this mutation adds to the [audit table](Workload::audit); none without one.
    pub audit: Option<Uuid>,
}

/// A table to which every mutation adds one row with an id of its own: proof that it ran, and how often.
#[derive(Debug, Clone, Copy)]
pub struct AuditTable {
    /// The table. Everybody must be able to read all of it.
    pub table: &'static TableDef,
}

/// An application under simulation: its definition, its users, what they do, what must hold.
pub trait Workload: Send + Sync {
    /// The schema with its mutators and policies. Called for every engine.
    fn definition(&self) -> Definition;

    /// The user with this number: 0, 1, 2 ..
    fn principal(&self, user: usize) -> Principal;

    /// The next mutation of a client, after a look at its rows; none when it has nothing to do.
    ///
    /// # Errors
    /// Those of reading.
    fn next(&self, user: usize, rows: &mut Rows<'_>, rng: &mut Rng) -> Result<Option<Call>>;

    /// Rows every run starts with, as statements for the server's database.
    fn seed(&self) -> Vec<String> {
        Vec::new()
    }

    /// The table that proves what ran.
    fn audit(&self) -> Option<AuditTable> {
        None
    }

    /// The next version of the application; none when this is the last. Servers are updated one by one, then clients.
    fn successor(&self) -> Option<Release> {
        None
    }

    /// What must hold of the rows of any one moment, on the server, in a client's base, and in what a client shows. The
    /// error says what does not.
    ///
    /// # Errors
    /// The rule that is broken.
    fn holds(&self, rows: &mut Rows<'_>) -> Result<(), String> {
        let _ = rows;
        Ok(())
    }

    /// What must hold between two bases of one client, the later one second: nothing goes back in time. Not asked
    /// once the server was restored from a backup: that is time going back.
    ///
    /// # Errors
    /// The rule that is broken.
    fn holds_between(&self, before: &mut Rows<'_>, after: &mut Rows<'_>) -> Result<(), String> {
        let _ = (before, after);
        Ok(())
    }
}

/// The rows of one moment: a store, or a copy.
pub struct Rows<'r>(Source<'r>);

enum Source<'r> {
    Store(&'r mut dyn SqlConnection),
    Copy(&'r Tables),
}

/// Rows by table and id.
pub(super) type Tables = BTreeMap<&'static str, BTreeMap<String, Row>>;

impl std::fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Source::Store(_) => "Rows(store)",
            Source::Copy(_) => "Rows(copy)",
        })
    }
}

impl<'r> Rows<'r> {
    pub(super) fn store(store: &'r mut dyn SqlConnection) -> Self {
        Rows(Source::Store(store))
    }

    pub(super) fn copy(tables: &'r Tables) -> Self {
        Rows(Source::Copy(tables))
    }

    /// All rows of a table, by id.
    ///
    /// # Errors
    /// Those of the store.
    pub fn all(&mut self, table: &'static TableDef) -> Result<Vec<Row>> {
        match &mut self.0 {
            Source::Store(store) => run(*store, &Query::all(table)),
            Source::Copy(tables) => {
                Ok(tables.get(table.name).map(|rows| rows.values().cloned().collect()).unwrap_or_default())
            }
        }
    }

    /// A query's rows. A copy knows only whole tables.
    ///
    /// # Errors
    /// Those of the store; [`Internal`](crate::ErrorKind::Internal) over a copy.
    pub fn query(&mut self, query: &Query) -> Result<Vec<Row>> {
        match &mut self.0 {
            Source::Store(store) => run(*store, query),
            Source::Copy(tables) => crate::query::eval::select(query, &mut CopySource(tables)),
        }
    }
}

/// A copy as a source of the evaluator.
struct CopySource<'t>(&'t Tables);

impl crate::query::eval::RowSource for CopySource<'_> {
    fn rows(&mut self, table: &'static TableDef, _: Option<(&str, &crate::value::Value)>) -> Result<Vec<Row>> {
        Ok(self.0.get(table.name).map(|rows| rows.values().cloned().collect()).unwrap_or_default())
    }
}

/// All synced rows of a store, by table and id.
pub(super) fn synced_rows(definition: &Definition, store: &mut dyn SqlConnection) -> Result<Tables> {
    let mut tables = Tables::new();
    for table in definition.schema.synced() {
        let rows = Rows::store(store).all(table)?;
        tables.insert(table.name, rows.into_iter().map(|row| (table.row_id(&row).to_owned(), row)).collect());
    }
    Ok(tables)
}
