//! What the options of tables and columns do, on both sides: indexes, unique sets, checks, times, limits of files,
//! patches.

mod both;
mod indexes;
mod schema;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use plasma::client::event::SendFailure;
use plasma::client::{Client, InProcess, OsEntropy, SqliteStore};
use plasma::future::poll_once;
use plasma::prelude::*;
use plasma::server::{Caller, ServerEngine, ServerOptions};
use plasma::store::SqlConnection;
use plasma::store::sqlite::SqliteConnection;
use plasma::value::{Kind, Row, Value};

/// A server of schema `S` in this process.
struct Server {
    engine: ServerEngine,
    db: Mutex<SqliteConnection>,
}

fn lock(mutex: &Mutex<SqliteConnection>) -> MutexGuard<'_, SqliteConnection> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    fn new<S: Schema>() -> Arc<Self> {
        Self::over::<S>(SqliteConnection::in_memory().expect("memory")).expect("the tables are made")
    }

    /// Opens the server over a database that may have been used before.
    fn over<S: Schema>(mut db: SqliteConnection) -> plasma::Result<Arc<Self>> {
        let engine = ServerEngine::new(S::definition(), ServerOptions::default())?;
        poll_once(Box::pin(engine.ensure_schema(&mut db, 1_700_000_000_000, &mut OsEntropy))).expect("at once")?;
        Ok(Arc::new(Server { engine, db: Mutex::new(db) }))
    }

    fn into_db(self: Arc<Self>) -> SqliteConnection {
        let Ok(server) = Arc::try_unwrap(self) else { panic!("a client still has it") };
        server.db.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn sql(&self, sql: &str) {
        lock(&self.db).batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    fn rows(&self, sql: &str, kinds: &[Kind]) -> Vec<Row> {
        SqlConnection::query(&mut *lock(&self.db), sql, &[], kinds).unwrap_or_else(|error| panic!("{error}: {sql}"))
    }

    async fn client<S: Schema<Ctx = ()>>(self: &Arc<Self>, group: &'static str) -> Client<S> {
        let server = Arc::clone(self);
        let transport = InProcess::new(move |request| {
            let server = Arc::clone(&server);
            async move {
                let caller = Caller { group: group.to_owned(), ctx: Arc::new(()) };
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
                let mut db = lock(&server.db);
                let mut entropy = OsEntropy;
                let now = i64::try_from(now.as_millis()).expect("before the year 292,000,000");
                let answer = server.engine.handle(&mut *db, now, &mut entropy, Some(&caller), &request);
                poll_once(Box::pin(answer)).ok_or_else(|| SendFailure::new("SQLite answers at once"))
            }
        });
        Client::<S>::builder(SqliteStore::in_memory())
            .transport(transport)
            .ctx(())
            .group(group)
            .open()
            .await
            .expect("open")
    }
}

/// The names of the library's indexes over a table.
fn indexes(db: &mut SqliteConnection, table: &str) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ? ORDER BY name";
    let rows = SqlConnection::query(db, sql, &[Value::from(table)], &[Kind::Text]).expect("readable");
    rows.into_iter().flatten().filter_map(|name| name.as_text().map(str::to_owned)).collect()
}
