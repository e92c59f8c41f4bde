//! Live queries without a client around them, for benchmarks: what a change costs from the captured batch to the
//! subscriber's callback. Not part of the API.

use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use super::handle::LiveQuery;
use super::router::Router;
use super::rows::Output;
use super::typed::Host;
use crate::client::event::{Batch, RowChange};
use crate::client::runtime::dispatch::{Dispatcher, lock};
use crate::error::Result;
use crate::future::{BoxFuture, ready};
use crate::query::typed::Query;
use crate::schema::{RowWriter, SchemaDef, Table};
use crate::store::SqlConnection as _;
use crate::store::ddl::{Side, create_table};
use crate::store::sqlite::{SqliteConnection, SqliteOptions};
use crate::value::{Row, Value};

/// A store and its live queries; the turns of the writer are the caller's.
#[derive(Debug)]
pub struct Probe {
    schema: SchemaDef,
    store: Mutex<SqliteConnection>,
    router: Router,
    dispatcher: Arc<Dispatcher>,
    me: Weak<Probe>,
}

impl Probe {
    /// An empty store in this file, or in memory.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the file cannot be written.
    pub fn new(schema: SchemaDef, path: Option<&Path>) -> Result<Arc<Probe>> {
        let mut store = match path {
            Some(path) => SqliteConnection::open(path, SqliteOptions::default())?,
            None => SqliteConnection::in_memory()?,
        };
        for table in schema.tables {
            store.batch(&create_table(table, Side::Client))?;
        }
        let (router, dispatcher) = (Router::default(), Arc::default());
        let store = Mutex::new(store);
        Ok(Arc::new_cyclic(|me| Probe { schema, store, router, dispatcher, me: me.clone() }))
    }

    /// A live query, as a client opens it; it is hydrated when this returns.
    pub fn live<Q: Query>(&self, query: Q) -> LiveQuery<Q::Row>
    where
        Q::Row: Output,
    {
        let host: Weak<dyn Host> = self.me.clone();
        LiveQuery::open(host, self.dispatcher.clone(), self.schema, query)
    }

    /// The work on the store itself; live queries do not hear of it.
    pub fn store<T>(&self, work: impl FnOnce(&mut SqliteConnection) -> T) -> T {
        work(&mut lock(&self.store))
    }

    /// Writes the rows of one transaction, as the client's store does before live queries hear of it.
    ///
    /// # Errors
    /// What the store says.
    pub fn write(&self, changes: &[RowChange]) -> Result<()> {
        let mut store = lock(&self.store);
        store.batch("BEGIN IMMEDIATE")?;
        for change in changes {
            let table = self.schema.tables.iter().find(|table| table.name == change.table).expect("a table");
            let columns: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
            match &change.after {
                Some(row) => {
                    let (names, places) = (columns.join(", "), vec!["?"; row.len()].join(", "));
                    let sql = format!("INSERT OR REPLACE INTO \"{}\" ({names}) VALUES ({places})", table.name);
                    store.execute(&sql, row)?;
                }
                None => {
                    let sql = format!("DELETE FROM \"{}\" WHERE {} = ?", table.name, columns[table.id]);
                    store.execute(&sql, &[Value::Text(change.id.clone())])?;
                }
            }
        }
        store.batch("COMMIT")
    }

    /// The turn of a committed batch: the router, the queries it concerns, the subscribers.
    pub fn change(&self, batch: &Batch) {
        let mut store = lock(&self.store);
        self.router.changed(batch, &mut *store);
        self.end_of_turn(&mut store);
        drop(store);
        self.tell();
    }

    fn end_of_turn(&self, store: &mut SqliteConnection) {
        self.router.admit(store);
    }

    fn tell(&self) {
        self.dispatcher.drain(&|panic| panic!("a callback panicked: {panic}"));
    }
}

impl Host for Probe {
    fn router(&self) -> &Router {
        &self.router
    }

    fn kick(&self) {
        // Whoever holds the store admits what waits.
        if let Ok(mut store) = self.store.try_lock() {
            self.end_of_turn(&mut store);
        }
        self.tell();
    }

    fn turn(&self) -> BoxFuture<'_, ()> {
        self.kick();
        ready(())
    }
}

/// A row as the store keeps it.
///
/// # Panics
/// When a value is one that no column can hold.
pub fn encode<T: Table>(row: T) -> Row {
    let mut writer = RowWriter::default();
    (T::CODEC.encode)(row, &mut writer);
    writer.finish().expect("a row that can be stored")
}
