//! Live queries over a real store, with turns of the writer under the test's control.

mod deltas;
mod fuzz;
mod incremental;
mod queries;

use std::sync::{Arc, Mutex, MutexGuard, TryLockError, Weak};
use std::task::{Context, Poll, Waker};

use super::handle::LiveQuery;
use super::router::Router;
use super::rows::Output;
use super::typed::Host;
use crate::client::event::{Batch, RowChange};
use crate::client::runtime::dispatch::{Dispatcher, lock};
use crate::error::Result;
use crate::future::{BoxFuture, ready};
use crate::query::typed::Query;
use crate::schema::samples::{App, Org, Todo, User};
use crate::schema::{Schema, SchemaDef, Table, TableDef};
use crate::store::SqlConnection;
use crate::store::ddl::{Side, create_table};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Row, Value};

/// A store that counts its queries.
struct Store {
    db: SqliteConnection,
    queries: usize,
    /// Queries fail while this is set.
    broken: bool,
}

impl SqlConnection for Store {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        SqlConnection::execute(&mut self.db, sql, params)
    }
    fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        self.queries += 1;
        if self.broken {
            return Err(crate::Error::new(crate::ErrorKind::Storage, "the disk is gone"));
        }
        SqlConnection::query(&mut self.db, sql, params, kinds)
    }
    fn batch(&mut self, sql: &str) -> Result<()> {
        SqlConnection::batch(&mut self.db, sql)
    }
    fn in_transaction(&self) -> bool {
        SqlConnection::in_transaction(&self.db)
    }
    fn for_each(
        &mut self,
        sql: &str,
        params: &[Value],
        kinds: &[Kind],
        each: &mut dyn FnMut(Row) -> Result<bool>,
    ) -> Result<()> {
        self.db.for_each(sql, params, kinds, each)
    }
}

/// A client as live queries see it.
struct Bench {
    store: Mutex<Store>,
    router: Router,
    dispatcher: Arc<Dispatcher>,
    schema: SchemaDef,
    me: Weak<Bench>,
}

impl Bench {
    fn new() -> Arc<Self> {
        Self::over(App::DEF)
    }

    /// A client with other tables.
    fn over(schema: SchemaDef) -> Arc<Self> {
        let mut db = SqliteConnection::in_memory().expect("memory");
        for table in schema.tables {
            db.batch(&create_table(table, Side::Client)).expect("the tables are made");
        }
        Arc::new_cyclic(|me| Bench {
            store: Mutex::new(Store { db, queries: 0, broken: false }),
            router: Router::default(),
            dispatcher: Arc::default(),
            schema,
            me: me.clone(),
        })
    }

    fn live<Q: Query>(&self, query: Q) -> LiveQuery<Q::Row>
    where
        Q::Row: Output,
    {
        let host: Weak<dyn Host> = self.me.clone();
        LiveQuery::open(host, self.dispatcher.clone(), self.schema, query)
    }

    fn end_of_turn(&self, mut store: MutexGuard<'_, Store>) {
        self.router.admit(&mut *store);
        drop(store);
        self.tell();
    }

    fn tell(&self) {
        self.dispatcher.drain(&|panic| panic!("a callback panicked: {panic}"));
    }

    /// One transaction: stores or removes rows, then the turn ends.
    fn write(&self, changes: Vec<(&'static TableDef, &str, Option<Row>)>) {
        let mut store = lock(&self.store);
        store.batch("BEGIN IMMEDIATE").expect("begun");
        let mut batch = Batch::default();
        for (table, id, row) in changes {
            let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
            let old = format!("SELECT {} FROM {} WHERE id = ?", columns.join(", "), table.name);
            let before = store.db.query(&old, &[Value::from(id)], &kinds).expect("read").pop();
            store.execute(&format!("DELETE FROM {} WHERE id = ?", table.name), &[Value::from(id)]).expect("deleted");
            if let Some(row) = &row {
                let places = vec!["?"; row.len()].join(", ");
                store.execute(&format!("INSERT INTO {} VALUES ({places})", table.name), row).expect("inserted");
            }
            batch.changes.push(RowChange { table: table.name, id: id.to_owned(), before, after: row });
        }
        store.batch("COMMIT").expect("committed");
        self.router.changed(&batch, &mut *store);
        self.end_of_turn(store);
    }

    /// Another process has written, nobody knows what.
    fn foreign(&self) {
        let mut store = lock(&self.store);
        self.router.changed(&Batch { all: true, ..Batch::default() }, &mut *store);
        self.end_of_turn(store);
    }

    fn put(&self, todo: Todo) {
        let id = todo.id.to_string();
        self.write(vec![(Todo::DEF, &id, Some(encode(todo)))]);
    }

    fn remove(&self, number: u128) {
        self.write(vec![(Todo::DEF, &todo(number, 0, false).id.to_string(), None)]);
    }

    fn queries(&self) -> usize {
        lock(&self.store).queries
    }
}

impl Host for Bench {
    fn router(&self) -> &Router {
        &self.router
    }
    fn kick(&self) {
        match self.store.try_lock() {
            Ok(store) => self.end_of_turn(store),
            Err(TryLockError::WouldBlock) => self.tell(),
            Err(TryLockError::Poisoned(poisoned)) => self.end_of_turn(poisoned.into_inner()),
        }
    }
    fn turn(&self) -> BoxFuture<'_, ()> {
        self.kick();
        ready(())
    }
}

fn encode<T: Table>(row: T) -> Row {
    let mut writer = crate::schema::RowWriter::default();
    (T::CODEC.encode)(row, &mut writer);
    writer.finish().expect("a row that can be stored")
}

fn id<T>(number: u128) -> crate::Id<T> {
    crate::Id::from_uuid(uuid::Uuid::from_u128(number))
}

fn todo(number: u128, rank: i64, done: bool) -> Todo {
    Todo {
        id: id(number),
        title: format!("todo {number}"),
        done,
        points: 0,
        rank,
        weight: 1.0,
        note: None,
        due: None,
        flag: None,
        thumb: None,
        meta: crate::Json(vec![]),
        org_id: id::<Org>(1),
        parent_id: None,
        owner_id: None,
    }
}

fn user(number: u128) -> User {
    User { id: id(number), name: format!("user {number}"), admin: false }
}

/// The numbers of todos, in order.
fn numbers(rows: &[Todo]) -> Vec<u128> {
    rows.iter().map(|row| row.id.uuid().as_u128()).collect()
}

/// A place where callbacks leave what they heard.
struct Heard<T>(Arc<Mutex<Vec<T>>>);

impl<T> Heard<T> {
    fn new() -> Self {
        Heard(Arc::default())
    }
    fn by(&self) -> impl Fn(T) + use<T> {
        let heard = self.0.clone();
        move |news| lock(&heard).push(news)
    }
    fn take(&self) -> Vec<T> {
        std::mem::take(&mut *lock(&self.0))
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
