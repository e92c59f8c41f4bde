//! Compaction in steps that stay small, and pulls that stay small, whatever somebody wrote.

use super::compaction::{bob, keep};
use super::database::also_on_postgres;
use super::named::ops;
use super::schema;
use super::world::{World, id, user};
use crate::query::lower::Dialect;
use crate::schema::TableDef;
use crate::server::ServerOptions;

/// A transaction larger than a step is gone through in parts, wherever the process dies.
#[test]
fn every_part_of_a_large_unit_leaves_the_log_true() {
    for (most, deletes) in [(2, i64::MAX / 2), (5, i64::MAX / 2), (3, i64::MIN / 2)] {
        let mut world = World::new();
        let rows: Vec<String> = (0..12)
            .flat_map(|n| {
                let (list, note) = (id(&format!("L{n}")), id(&format!("N{n}")));
                [
                    format!("INSERT INTO lists VALUES ('{list}', 'l', 'bob')"),
                    format!("INSERT INTO notes (id, small) VALUES ('{note}', {n})"),
                ]
            })
            .collect();
        world.write(None, &rows);
        let early = bob(&mut world);
        // Of one row several entries, in different parts.
        world.write(
            None,
            &[
                "UPDATE notes SET small = small + 1".to_owned(),
                "UPDATE lists SET name = 'm'".to_owned(),
                "UPDATE notes SET small = small + 1 WHERE small < 9".to_owned(),
                "DELETE FROM notes WHERE small = 5".to_owned(),
                "UPDATE lists SET owner = 'alice' WHERE id < '00004c35'".to_owned(),
            ],
        );
        let middle = bob(&mut world);
        world.unit(&["UPDATE notes SET small = 100 WHERE small = 6"]);
        world.unit(&["UPDATE lists SET name = 'n' WHERE id = {L7}"]);
        let options = || keep(1).keep_deletes_ms(deletes);
        let mut steps = 0;
        loop {
            // A new process begins anew.
            let mut compaction = crate::server::Compaction::new(options());
            let begun = world.db.run(|db| Box::pin(world.engine.compact_step(db, 0, &mut compaction, most)));
            assert!(begun.unwrap());
            let entries = |world: &mut World| world.entries("table_name <> ''");
            let before = entries(&mut world);
            let more = world.db.run(|db| Box::pin(world.engine.compact_step(db, 0, &mut compaction, most))).unwrap();
            (world.bound, world.floor) = (compaction.result().bound, compaction.result().floor);
            let gone = before - entries(&mut world);
            if world.db.dialect() == Dialect::Postgres {
                assert!(gone <= most as i64, "{gone} entries went in a step of {most}");
            }
            for reader in [&early, &middle] {
                reader.clone().catch_up(&mut world, 2);
                reader.clone().catch_up(&mut world, 1000);
            }
            if !more {
                break;
            }
            steps += 1;
            assert!(steps < 1_000, "it never ends");
        }
        assert!(steps > 10, "{steps} steps");
        let done = world.compact(options());
        assert_eq!((done.scanned, done.removed), (0, 0), "nothing is left to do");
    }
}

/// A server of an older version does not know a table, and cannot fold it. Who reads it through a newer one is told.
#[test]
fn a_table_that_a_server_does_not_know_is_stated_anew() {
    static OLDER: &[&TableDef] = &[&schema::LISTS, &schema::TODOS, &schema::SHARES, &schema::TAGS, &schema::REPORTS];
    let mut world = World::new();
    world.unit(&["INSERT INTO notes (id, small) VALUES ({M}, 1)", "INSERT INTO notes (id, small) VALUES ({N}, 1)"]);
    let mut early = bob(&mut world);
    world.unit(&["DELETE FROM notes WHERE id = {M}"]);
    world.unit(&["UPDATE notes SET small = 2 WHERE id = {N}"]);
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'bob')"]);
    let mut definition = schema::definition();
    definition.schema.tables = OLDER;
    let older = crate::server::ServerEngine::new(definition, ServerOptions::default()).unwrap();
    let done = world.db.run(|db| Box::pin(older.compact_change_log(db, 0, keep(0)))).unwrap();
    (world.bound, world.floor) = (done.bound, done.floor);
    assert!(ops(&early.catch_up(&mut world, 1000)).contains(&"clear notes".to_owned()));
    assert_eq!(early.held.get("notes", &id("M")), None);
    assert_eq!(early.held.get("notes", &id("N")).unwrap()["small"], 2);
}

/// One row that is written again and again: a step takes as long as for as many rows.
#[test]
#[expect(clippy::disallowed_methods, reason = "two times are compared")]
fn a_row_that_is_written_often_does_not_make_a_step_long() {
    let time = |hot: bool| {
        let mut world = World::new();
        let id = if hot {
            "'0000004e-0000-4000-8000-000000000000'"
        } else {
            "printf('%08x-0000-4000-8000-000000000000', n)"
        };
        world.db.batch(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4096) \
             INSERT INTO _plasma_changes (table_name, row_id, op, value, created_at, mark) \
             SELECT 'notes', {id}, 'put', '{{}}', 0, n FROM n"
        ));
        let mut compaction = crate::server::Compaction::new(keep(0));
        let mut step =
            |world: &mut World| world.db.run(|db| Box::pin(world.engine.compact_step(db, 0, &mut compaction, 4_096)));
        assert!(step(&mut world).unwrap());
        let started = std::time::Instant::now();
        assert!(step(&mut world).unwrap());
        started.elapsed()
    };
    let (rows, row) = (time(false), time(true));
    assert!(row < rows * 10, "{row:?} for one row, {rows:?} for as many as entries");
}

/// The part of the log that a difference reads is bounded in bytes, not only in number: all of it is in memory.
#[test]
fn a_difference_of_large_images_is_everything_anew() {
    let mut world = World::new();
    world.unit(&["INSERT INTO notes (id, data) VALUES ({N}, zeroblob(300000))"]);
    let early = bob(&mut world).cookie;
    let told = |world: &mut World, updates: usize| {
        let updates = "UPDATE notes SET small = coalesce(small, 0) + 1;".repeat(updates);
        world.db.batch(&format!("BEGIN; {updates} COMMIT"));
        ops(&[world.pull(&user("bob"), "client-bob", early.as_deref(), 1000).response])
    };
    assert_eq!(told(&mut world, 30), ["put notes N"]);
    // 130 of them have 150 MB.
    assert_eq!(told(&mut world, 100), ["clear", "put notes N"]);
}

also_on_postgres!(every_part_of_a_large_unit_leaves_the_log_true, a_table_that_a_server_does_not_know_is_stated_anew,);

/// What came together while nobody sequenced is placed in several runs.
#[test]
#[cfg(feature = "postgres")]
fn any_number_of_units_is_placed() {
    super::database::on_postgres(|| {
        let mut world = World::new();
        let head = world.head();
        world.db.batch(
            "INSERT INTO _plasma_commits (unit, last_seq, created_at) \
             SELECT nextval('_plasma_seq'), nextval('_plasma_seq'), 5 FROM generate_series(1, 250000)",
        );
        assert!(world.db.run(|db| Box::pin(world.engine.sequence(db))).unwrap());
        assert_eq!(world.head(), head + 250_000);
        assert!(!world.db.run(|db| Box::pin(world.engine.sequence(db))).unwrap());
    });
}
