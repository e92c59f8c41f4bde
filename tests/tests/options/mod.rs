//! What the options of tables and columns do, on both sides: indexes, unique sets, checks, times, limits of files,
//! patches.

mod both;
mod indexes;
mod schema;

use plasma::client::{Client, Headers, SqliteStore};
use plasma::prelude::*;
use plasma::server::Auth;
use plasma::store::SqlConnection;
use plasma::store::sqlite::SqliteConnection;
use plasma::value::{Kind, Value};

use crate::place::{Data, Place};

/// A server of a schema in this process.
struct Server<S> {
    server: plasma::server::Server<S>,
    data: Data,
}

async fn authenticate(parts: &http::request::Parts) -> plasma::Result<Auth<()>> {
    let group = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    Ok(Auth::new(group.ok_or_else(|| plasma::Error::unauthorized("which group?"))?, ()))
}

impl<S: Schema<Ctx = ()>> Server<S> {
    /// None where there is no such database.
    async fn new(place: Place) -> Option<Self> {
        Some(Self::over(place.data()?).await)
    }

    /// Opens the server over a database that may have been used before.
    async fn over(data: Data) -> Self {
        let server = plasma::server::Server::<S>::builder(data.database()).auth(authenticate).open().await;
        Server { server: server.expect("opens"), data }
    }

    fn sql(&self, sql: &str) {
        self.data.sql(sql);
    }

    fn integers(&self, sql: &str) -> Vec<i64> {
        self.data.integers(sql)
    }

    async fn client(&self, group: &'static str) -> Client<S> {
        Client::<S>::builder(SqliteStore::in_memory())
            .transport(self.server.transport())
            .auth(move || async move { Ok(Headers::new().with("authorization", group)) })
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
