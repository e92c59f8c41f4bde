//! `ensure_schema`: many servers at once, none of whom may find it half done.

use plasma_test_postgres::database;
use tokio::runtime::Builder;

use super::support::Writes;
use crate::inputs::Entropy;
use crate::server::tests::fixture;
use crate::server::{ServerEngine, ServerOptions};
use crate::store::postgres::{PostgresOptions, PostgresPool};

#[derive(Debug)]
struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "servers are tasks")]
fn ten_servers_start_at_once() {
    let Some(database) = database() else { return };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let pool = PostgresPool::new(PostgresOptions::new(database.url.clone())).unwrap();
    let start = |n: u8| {
        let pool = pool.clone();
        async move {
            let mut db = pool.get().await?;
            let engine = ServerEngine::new(fixture::definition(), ServerOptions::default())?;
            engine.ensure_schema(&mut db, 0, &mut Fixed(n)).await
        }
    };
    runtime.block_on(async {
        let servers: Vec<_> = (0..10).map(|n| tokio::spawn(start(n))).collect();
        for server in servers {
            server.await.unwrap().unwrap();
        }
    });
    let mut db = database.connect();
    // Who wrote a row last is in it.
    let made = "SELECT xmin::text || ' ' || key || ' ' || value FROM _plasma_meta ORDER BY 1";
    let begun = "SELECT count(*) FROM _plasma_commits";
    let before = db.texts(made);
    assert_eq!(db.int(begun), 1);
    runtime.block_on(start(77)).unwrap();
    assert_eq!(before, db.texts(made), "a further start changes nothing");
}
