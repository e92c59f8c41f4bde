mod connection;
mod errors;
mod pool;
mod tls;
mod values;

use std::time::Duration;

use plasma_test_postgres::Database;

use super::error::*;
use super::*;

/// Runs a test on a fresh database; not at all where there is no Postgres.
pub(crate) fn on_postgres<F: Future<Output = ()>>(test: impl FnOnce(PostgresPool, Database) -> F) {
    let Some(database) = plasma_test_postgres::database() else { return };
    block_on(async {
        let pool = PostgresPool::new(PostgresOptions::new(&database.url)).unwrap();
        test(pool, database).await;
    });
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test ends") })
}

/// One value by one query.
async fn one(db: &mut PostgresConnection, sql: &str, params: &[Value], kind: Kind) -> Result<Value> {
    Ok(db.query(sql, params, &[kind]).await?.remove(0).remove(0))
}
