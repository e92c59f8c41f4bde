//! What pulls cost. The normal run counts statements and rows; `PLASMA_PULL_ROWS=100000` in a release build prints rates.

use super::world::{Reader, World, id, user};
use crate::error::Result;
use crate::future::BoxFuture;
use crate::query::lower::Dialect;
use crate::server::Caller;
use crate::store::SqlExecutor;
use crate::value::{Kind, Row, Value};

/// Counts what is asked of a connection.
struct Counting<'c> {
    db: &'c mut dyn SqlExecutor,
    statements: usize,
}

impl SqlExecutor for Counting<'_> {
    fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    fn execute<'a>(&'a mut self, sql: &'a str, params: &'a [Value]) -> BoxFuture<'a, Result<u64>> {
        self.statements += 1;
        self.db.execute(sql, params)
    }

    fn query<'a>(
        &'a mut self,
        sql: &'a str,
        params: &'a [Value],
        kinds: &'a [Kind],
    ) -> BoxFuture<'a, Result<Vec<Row>>> {
        self.statements += 1;
        self.db.query(sql, params, kinds)
    }

    fn batch<'a>(&'a mut self, sql: &'a str) -> BoxFuture<'a, Result<()>> {
        self.statements += 1;
        self.db.batch(sql)
    }

    fn in_transaction(&self) -> bool {
        self.db.in_transaction()
    }
}

/// Pulls once; how many statements it took.
fn statements(world: &mut World, reader: &mut Reader) -> usize {
    let caller = Caller { group: reader.ctx.user.clone(), ctx: std::sync::Arc::new(reader.ctx.clone()) };
    let request = super::world::request(&reader.ctx.user, "phone", reader.cookie.as_deref(), 1000);
    let engine = &world.engine;
    let (page, statements) = world.db.run(|db| {
        Box::pin(async {
            let mut db = Counting { db, statements: 0 };
            let page = engine.pull(&mut db, 0, &caller, &request).await.unwrap();
            (page, db.statements)
        })
    });
    reader.take(page.response);
    statements
}

#[test]
fn a_small_difference_is_a_handful_of_statements() {
    let mut world = World::new();
    for n in 0..50 {
        let list = id(&format!("L{n:02}"));
        let lists = format!("INSERT INTO lists VALUES ('{list}', 'l', 'alice')");
        let shares = format!("INSERT INTO shares VALUES ('{}', '{list}', 'bob')", id(&format!("S{n:02}")));
        let todos = (0..10).map(|k| {
            let todo = id(&format!("T{n:02}{k}")).replace("-4000-", &format!("-40{n:02}-"));
            format!("INSERT INTO todos VALUES ('{todo}', '{list}', 't', 0, NULL, 1)")
        });
        world.write(None, &[lists, shares].into_iter().chain(todos).collect::<Vec<_>>());
    }
    let mut bob = Reader::new(user("bob"));
    let mut carol = Reader::new(user("carol"));
    bob.catch_up(&mut world, 1000);
    carol.catch_up(&mut world, 1000);
    assert_eq!(statements(&mut world, &mut bob), 6, "nothing happened");
    world.unit(&["UPDATE todos SET title = 'x' WHERE list_id = {L07}"]);
    let mut before = bob.clone();
    assert!(statements(&mut world, &mut bob) <= 9, "ten rows of one list, by a policy of two hops");
    assert!(statements(&mut world, &mut carol.clone()) <= 9, "and nobody else's");
    world.unit(&["UPDATE todos SET title = 'y'"]);
    // One more asks for the size of so many.
    assert!(statements(&mut world, &mut before) <= 11, "five hundred rows: not one statement more a row");
    world.unit(&["DELETE FROM shares WHERE id = {S08}"]);
    bob.catch_up(&mut world, 1000);
    let both = statements(&mut world, &mut carol);
    assert!(both <= 13, "both at once: {both}");
}

/// Bootstrap of one user's rows among others', and a catch-up by differences.
#[test]
fn rates() {
    let asked: Option<usize> = std::env::var("PLASMA_PULL_ROWS").ok().and_then(|n| n.parse().ok());
    let rows = asked.unwrap_or(300);
    let mut world = World::new();
    let bulk = |world: &mut World, sql: &str| world.db.batch(sql);
    let uuid = |letter: &str, n: &str| format!("printf('{letter}%07x-0000-4000-8000-000000000000', {n})");
    let lists = rows.div_ceil(100);
    bulk(
        &mut world,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {lists})
             INSERT INTO lists SELECT {}, 'list', 'alice' FROM n;
             INSERT INTO shares SELECT replace(id, '-4000-', '-4001-'), id, 'bob' FROM lists;
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
             INSERT INTO todos SELECT {}, {}, 'buy some milk and bread', i % 2, NULL, 1730000000000000 + i FROM n;
             WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
             INSERT INTO notes (id, small) SELECT {}, i FROM n;",
            uuid("a", "i"),
            uuid("b", "i"),
            uuid("a", "i / 100"),
            uuid("c", "i"),
        ),
    );
    let mut bob = Reader::new(user("bob"));
    let run = |world: &mut World, bob: &mut Reader, what: &str, limit: u64| {
        #[expect(clippy::disallowed_methods, reason = "a measurement")]
        let start = std::time::Instant::now();
        let (mut served, mut pages) = (0, 0);
        loop {
            let page = world.pull(&bob.ctx, "phone", bob.cookie.as_deref(), limit).response;
            served += page.patch.len();
            pages += 1;
            bob.cookie = Some(page.cookie);
            if !page.has_more {
                break;
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        if asked.is_some() {
            #[expect(clippy::print_stdout, reason = "a measurement")]
            {
                println!(
                    "{what}, pages of {limit}: {served} rows in {pages} pages, {:.0} rows/s",
                    served as f64 / seconds
                );
            }
        }
        served
    };
    for limit in [1000, 10_000] {
        bob.cookie = None;
        assert_eq!(run(&mut world, &mut bob, "bootstrap", limit), 2 * rows + 2 * lists + 1);
    }
    let caught_up = bob.cookie.clone();
    let some = rows.min(20_000);
    bulk(&mut world, &format!("UPDATE todos SET done = 1 - done WHERE id < {}", uuid("b", &some.to_string())));
    for limit in [1000, 10_000] {
        bob.cookie = caught_up.clone();
        assert_eq!(run(&mut world, &mut bob, "one unit", limit), some);
    }
    let caught_up = bob.cookie.clone();
    world.db.batch("UPDATE _plasma_origin SET client_id = 'x', mutation_id = 1");
    bulk(&mut world, &format!("UPDATE todos SET done = 1 - done WHERE id < {}", uuid("b", &some.to_string())));
    let units = "UPDATE _plasma_changes SET mutation_id = row_version WHERE client_id = 'x'";
    bulk(&mut world, units);
    for limit in [1000, 10_000] {
        bob.cookie = caught_up.clone();
        assert_eq!(run(&mut world, &mut bob, "small units", limit), some);
    }
    bulk(&mut world, "UPDATE todos SET done = 1 - done WHERE id < 'b000000a'");
    assert_eq!(run(&mut world, &mut bob, "a small difference", 1000), 10);
}
