//! A store with rows, transactions over it, and what SQLite says of a query now.

use std::sync::Arc;

use super::super::{Bench, lock};
use crate::client::event::{Batch, RowChange};
use crate::client::rows::fold;
use crate::error::Result;
use crate::query::eval::select;
use crate::query::eval::tests::backend::Memory;
use crate::query::eval::tests::generate::{TABLES, Tables};
use crate::query::ir::{Query, Rows, Select, Source};
use crate::query::lower::{self, Dialect, Lowered};
use crate::query::typed;
use crate::schema::{SchemaDef, TableDef};
use crate::store::ddl::quote;
use crate::store::{self, SqlConnection};
use crate::value::{Row, Value};

/// Changes that can be undone.
const PAST: usize = 12;

/// A client and the rows of its store.
pub(super) struct World {
    pub bench: Arc<Bench>,
    /// What the store holds.
    pub tables: Tables,
    /// The newest changes, oldest first.
    pub past: Vec<RowChange>,
    version: u64,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Committed; the live queries hear of every change.
    Committed,
    /// Committed by somebody else; the live queries hear that something happened.
    Foreign,
    /// Rolled back; nobody hears of it.
    RolledBack,
}

impl World {
    pub(super) fn new(mut tables: Tables) -> Self {
        let schema = SchemaDef { name: "Fuzz", version: "1", fingerprint: 0, tables: &TABLES, locked: &[] };
        let bench = Bench::over(schema);
        let mut store = lock(&bench.store);
        store.batch("BEGIN").expect("begun");
        for (table, rows) in &mut tables {
            for row in rows {
                storable(row);
                insert(&mut *store, table, row);
            }
        }
        store.batch("COMMIT").expect("committed");
        drop(store);
        World { bench, tables, past: Vec::new(), version: 0 }
    }

    fn rows_mut(&mut self, table: &TableDef) -> &mut Vec<Row> {
        self.tables.iter_mut().find(|(def, _)| def.name == table.name).map(|(_, rows)| rows).expect("a table")
    }

    pub(super) fn rows(&self, table: &TableDef) -> &[Row] {
        self.tables.iter().find(|(def, _)| def.name == table.name).map_or(&[], |(_, rows)| rows)
    }

    pub(super) fn row(&self, table: &'static TableDef, id: &str) -> Option<&Row> {
        self.rows(table).iter().find(|row| row[table.id] == Value::from(id))
    }

    /// Sets a row, or removes it, in the transaction that is being made.
    pub(super) fn set(&mut self, table: &'static TableDef, id: &str, mut after: Option<Row>) -> RowChange {
        after.iter_mut().for_each(storable);
        let rows = self.rows_mut(table);
        let at = rows.iter().position(|row| row[table.id] == Value::from(id));
        let before = at.map(|at| rows.remove(at));
        rows.extend(after.clone());
        RowChange { table: table.name, id: id.to_owned(), before, after }
    }

    /// Ends a transaction whose changes were made with [`set`](Self::set), over `was`; the store follows. `spoil` says
    /// what the live queries are told: the one batch, or a planted bug.
    pub(super) fn end(
        &mut self,
        was: Tables,
        journal: Vec<RowChange>,
        end: End,
        spoil: &dyn Fn(Batch) -> Vec<Batch>,
    ) -> Vec<RowChange> {
        let changes = fold(journal);
        let bench = self.bench.clone();
        let mut store = lock(&bench.store);
        store.batch("BEGIN IMMEDIATE").expect("begun");
        for change in &changes {
            let table = TABLES.iter().find(|table| table.name == change.table).expect("a table");
            let delete = format!("DELETE FROM {} WHERE id = ?", quote(table.name));
            store.execute(&delete, &[Value::from(&*change.id)]).expect("deleted");
            change.after.iter().for_each(|row| insert(&mut *store, table, row));
        }
        store.batch(if end == End::RolledBack { "ROLLBACK" } else { "COMMIT" }).expect("ended");
        self.version += 1;
        let batches = match end {
            End::Committed => spoil(Batch { version: self.version, changes: changes.clone(), all: false }),
            End::Foreign => vec![Batch { version: self.version, changes: Vec::new(), all: true }],
            End::RolledBack => {
                self.tables = was;
                Vec::new()
            }
        };
        for batch in batches {
            bench.router.changed(&batch, &mut *store);
        }
        if end != End::RolledBack {
            self.past.extend(changes.iter().cloned());
            self.past.drain(..self.past.len().saturating_sub(PAST));
        }
        bench.end_of_turn(store);
        changes
    }

    /// What the evaluator says, for queries that SQLite refuses to calculate.
    pub(super) fn evaluated(&self, query: &Query) -> Result<Vec<Row>> {
        select(query, &mut Memory::new(self.tables.clone()))
    }
}

/// What a store gives back: there is no -0.0 in it.
fn storable(row: &mut Row) {
    for value in row {
        if let Value::Float(float) = value {
            *float += 0.0;
        }
    }
}

fn insert(store: &mut dyn SqlConnection, table: &TableDef, row: &Row) {
    let marks = vec!["?"; row.len()].join(", ");
    store.execute(&format!("INSERT INTO {} VALUES ({marks})", quote(table.name)), row).expect("inserted");
}

/// A query as applications have it, its rows left as they are.
#[derive(Clone)]
pub(super) struct Raw(pub Query);

impl typed::Query for Raw {
    type Row = Row;
    fn ir(&self) -> Result<&Query> {
        Ok(&self.0)
    }
    fn decode(&self, row: Row) -> Result<Row> {
        Ok(row)
    }
}

/// A query that SQLite is asked afresh, as it is, and once more with what tells its rows apart.
pub(super) struct Asked {
    pub query: Query,
    plain: Statement,
    keyed: Statement,
    /// Where the keys are in the rows of `keyed`, if they are known.
    keys: Option<std::ops::Range<usize>>,
}

struct Statement {
    query: Query,
    lowered: Option<Lowered>,
}

/// A result and its keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub rows: Vec<Row>,
    pub keys: Option<Vec<Row>>,
}

impl Statement {
    fn new(query: Query) -> Self {
        let lowered = query.nested.is_empty().then(|| lower::select(Dialect::Sqlite, &query));
        Statement { query, lowered }
    }

    fn run(&self, store: &mut dyn SqlConnection) -> Result<Vec<Row>> {
        match &self.lowered {
            Some(lowered) => store.query(&lowered.sql, &lowered.params, &lowered.kinds),
            None => store::query::run(store, &self.query),
        }
    }
}

impl Asked {
    pub(super) fn new(query: Query) -> Self {
        let width = query.width();
        let mut keyed = query.clone();
        // Rows of a derived table may be there several times, some of them out of sight.
        let copied = |source: &Source| match &source.rows {
            Rows::Query(query, _) => query.plain_table().is_none() || query.select != Select::Row,
            _ => false,
        };
        let copies = query.group.is_none() && !query.distinct && query.sources().any(copied);
        let keys = match std::mem::replace(&mut keyed.select, Select::Count) {
            Select::Count => Some(0..0),
            // Whole rows that are distinct are told apart by their ids or by all they have, as is best.
            Select::Row if query.distinct => {
                keyed.select = Select::Row;
                None
            }
            select if query.distinct => {
                keyed.select = select;
                Some(0..width)
            }
            select => {
                let mut exprs = if let Select::Exprs(exprs) = select { exprs } else { query.columns() };
                exprs.extend(query.identity());
                let end = exprs.len();
                keyed.select = Select::Exprs(exprs);
                Some(width..end)
            }
        };
        let keys = keys.filter(|_| !copies);
        Asked { plain: Statement::new(query.clone()), keyed: Statement::new(keyed), keys, query }
    }

    pub(super) fn answer(&self, world: &World) -> Result<Answer> {
        let mut store = lock(&world.bench.store);
        let rows = self.plain.run(&mut store.db)?;
        let Some(places) = &self.keys else { return Ok(Answer { rows, keys: None }) };
        let keyed = self.keyed.run(&mut store.db)?;
        Ok(Answer { rows, keys: Some(keyed.into_iter().map(|row| row[places.clone()].to_vec()).collect()) })
    }
}
