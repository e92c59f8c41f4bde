//! What raw programs do on Postgres.

use plasma_test_postgres::Database;
use tokio_postgres::{Client, NoTls, Statement};

use super::Numbers;
use super::load::{LIST, NOW};

pub async fn connect(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.expect("a connection");
    tokio::spawn(async move {
        // It ends with its client.
        let _ = connection.await;
    });
    client
}

/// What a careful program prepares.
pub struct Statements {
    lock: Statement,
    locked: Statement,
    keys: Statement,
    unit: Statement,
    insert: Statement,
    batch: Statement,
    finish: Statement,
    advance: Statement,
}

impl Statements {
    pub async fn prepare(db: &Client) -> Result<Self, tokio_postgres::Error> {
        Ok(Statements {
            lock: db
                .prepare(
                    "INSERT INTO _plasma_client_mutations (client_id, client_group_id, last_mutation_id, unit, seen_at) \
                     VALUES ($1, 'alice', 0, 0, $2) ON CONFLICT DO NOTHING",
                )
                .await?,
            locked: db
                .prepare("SELECT last_mutation_id FROM _plasma_client_mutations WHERE client_id = $1 FOR UPDATE")
                .await?,
            keys: db
                .prepare("SELECT status FROM _plasma_outcomes WHERE client_group_id = 'alice' AND key = $1")
                .await?,
            unit: db
                .prepare("SELECT set_config('plasma.unit', CAST(nextval('_plasma_seq') AS text), TRUE)")
                .await?,
            insert: db
                .prepare(
                    "INSERT INTO todos (id, list_id, title, done, note, created_at) VALUES ($1, $2, $3, FALSE, NULL, $4)",
                )
                .await?,
            batch: db
                .prepare(
                    "INSERT INTO todos (id, list_id, title, done, note, created_at) \
                     SELECT id, $2, $3, FALSE, NULL, $4 FROM unnest(CAST($1 AS text[])) AS id",
                )
                .await?,
            finish: db
                .prepare(
                    "WITH ended AS (INSERT INTO _plasma_commits (unit, last_seq, created_at, client_group_id, client_id, \
                     mutation_id) VALUES (CAST(current_setting('plasma.unit') AS bigint), nextval('_plasma_seq'), $1, \
                     'alice', $2, $3) RETURNING unit) INSERT INTO _plasma_outcomes (client_id, mutation_id, \
                     client_group_id, key, status, unit, created_at) SELECT $2, $3, 'alice', $4, 'applied', ended.unit, \
                     $1 FROM ended RETURNING unit",
                )
                .await?,
            advance: db
                .prepare(
                    "UPDATE _plasma_client_mutations SET last_mutation_id = $2, unit = $3, seen_at = $4 \
                     WHERE client_id = $1",
                )
                .await?,
        })
    }

    pub async fn mutation(
        &self,
        db: &mut Client,
        client: &str,
        id: i64,
        numbers: &mut Numbers,
    ) -> Result<(), tokio_postgres::Error> {
        let (row, key) = (numbers.id(), numbers.id());
        let tx = db.transaction().await?;
        tx.execute(&self.lock, &[&client, &NOW]).await?;
        tx.query_one(&self.locked, &[&client]).await?;
        tx.query(&self.keys, &[&key]).await?;
        tx.query_one(&self.unit, &[]).await?;
        tx.execute(&self.insert, &[&row, &LIST, &TITLE, &(NOW * 1_000)]).await?;
        let unit: i64 = tx.query_one(&self.finish, &[&NOW, &client, &id, &key]).await?.get(0);
        tx.execute(&self.advance, &[&client, &id, &unit, &NOW]).await?;
        tx.commit().await
    }

    /// So many rows in one statement and transaction.
    pub async fn rows(&self, db: &Client, ids: &[String]) -> Result<(), tokio_postgres::Error> {
        match ids {
            [id] => db.execute(&self.insert, &[id, &LIST, &TITLE, &(NOW * 1_000)]).await.map(drop),
            ids => db.execute(&self.batch, &[&ids, &LIST, &TITLE, &(NOW * 1_000)]).await.map(drop),
        }
    }
}

pub const TITLE: &str = "Buy milk and bread, the good one";
