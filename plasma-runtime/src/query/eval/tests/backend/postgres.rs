//! Postgres, asked the same.

use super::super::generate::{TABLES, Tables};
use super::Backend;
use crate::Result;
use crate::future::BoxFuture;
use crate::query::ir::{Expr, Query};
use crate::query::lower::{self, Dialect};
use crate::schema::TableDef;
use crate::store::ddl::{postgres as ddl, quote};
use crate::store::postgres::{PostgresConnection, PostgresOptions, PostgresPool};
use crate::store::{self, SqlExecutor};
use crate::value::{Kind, Row, Value};

/// Postgres, a server's store.
pub(in super::super) struct Postgres {
    runtime: tokio::runtime::Runtime,
    pool: PostgresPool,
    db: PostgresConnection,
    loads: usize,
    pub(in super::super) spoil: fn(String) -> String,
}

impl Postgres {
    /// None where there is no Postgres.
    pub(in super::super) fn new() -> Option<Self> {
        let database = plasma_test_postgres::database()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pool = PostgresPool::new(PostgresOptions::new(&database.url)).unwrap();
        let db = runtime.block_on(async {
            let mut db = pool.get().await.unwrap();
            db.batch(&ddl::functions("public")).await.unwrap();
            for table in TABLES {
                db.batch(&ddl::create_table(table)).await.unwrap();
            }
            db
        });
        Some(Postgres { runtime, pool, db, loads: 0, spoil: |sql| sql })
    }
}

impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn load(&mut self, tables: &Tables) -> Result<()> {
        self.loads += 1;
        let db = &mut self.db;
        self.runtime.block_on(async {
            if self.loads.is_multiple_of(100) {
                // Every query is a text of its own: the connection goes back and forgets them.
                *db = self.pool.get_own().await?;
            }
            db.batch("BEGIN").await?;
            for (table, rows) in tables {
                db.execute(&format!("DELETE FROM {}", quote(table.name)), &[]).await?;
                if rows.is_empty() {
                    continue;
                }
                let marks = format!("({})", vec!["?"; table.columns.len()].join(", "));
                let all = vec![marks; rows.len()].join(", ");
                let insert = format!("INSERT INTO {} VALUES {all}", quote(table.name));
                db.execute(&insert, &rows.concat()).await?;
            }
            db.batch("COMMIT").await
        })
    }

    fn run(&mut self, query: &Query) -> Result<Vec<Row>> {
        let mut spoiled = SpoiledExecutor(&mut self.db, self.spoil);
        self.runtime.block_on(store::query::run_on(&mut spoiled, query))
    }

    fn explain(&self, query: &Query) -> String {
        let lowered = lower::select(Dialect::Postgres, query);
        format!("{}\n{:?}", (self.spoil)(lowered.sql), lowered.params)
    }

    fn matching(&mut self, table: &'static TableDef, filter: &Expr) -> Result<Vec<Row>> {
        let (condition, params) =
            lower::condition(Dialect::Postgres, table, "relation", filter, &|name| name.to_owned());
        let sql = format!("SELECT id FROM {} AS relation WHERE {condition} ORDER BY id", quote(table.name));
        self.runtime.block_on(self.db.query(&(self.spoil)(sql), &params, &[Kind::Id]))
    }
}

/// An executor whose queries are changed on their way.
struct SpoiledExecutor<'c>(&'c mut PostgresConnection, fn(String) -> String);

impl SqlExecutor for SpoiledExecutor<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        self.0.execute(sql, params)
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        Box::pin(async move { self.0.query(&(self.1)(sql.to_owned()), params, kinds).await })
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        self.0.batch(sql)
    }

    fn in_transaction(&self) -> bool {
        self.0.in_transaction()
    }
}
