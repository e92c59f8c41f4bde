//! Readers that pull through compactions hold what they would hold without.

use super::database::also_on_postgres;
use super::named::ops;
use super::random::{USERS, statement};
use super::world::{Random, Reader, World, id, request, user};
use crate::error::panic_message;
use crate::protocol::PatchOp;
use crate::protocol::cookie::Position;
use crate::server::{Caller, CompactionOptions, CompactionResult, ServerOptions};
use crate::value::Kind;

/// Never by age, with nothing leased: what stays is said by its number.
pub(super) fn keep(entries: u64) -> CompactionOptions {
    CompactionOptions::default().keep_ms(i64::MAX / 2).keep_entries(entries).lease_ms(0).keep_deletes_ms(i64::MAX / 2)
}

impl World {
    pub(super) fn compact(&mut self, options: CompactionOptions) -> CompactionResult {
        let done = self.db.run(|db| Box::pin(self.engine.compact_change_log(db, 0, options))).unwrap();
        (self.bound, self.floor) = (done.bound, done.floor);
        done
    }

    pub(super) fn entries(&mut self, condition: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM _plasma_changes WHERE {condition}");
        self.db.query(&sql, &[Kind::BigInt])[0][0].as_int().unwrap()
    }
}

pub(super) fn bob(world: &mut World) -> Reader {
    let mut bob = Reader::new(user("bob"));
    bob.catch_up(world, 1000);
    bob
}

#[test]
fn an_open_table_is_folded_and_a_table_with_a_policy_goes() {
    let mut world = World::new();
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'bob')"]);
    let mut early = bob(&mut world);
    for n in 0..5 {
        world.unit(&[&format!("INSERT OR REPLACE INTO notes (id, small) VALUES ({{N}}, {n})")]);
        world.unit(&[&format!("UPDATE lists SET name = 'l{n}' WHERE id = {{L}}")]);
    }
    world.unit(&["INSERT INTO notes (id, small) VALUES ({M}, 1)"]);
    world.unit(&["DELETE FROM notes WHERE id = {M}"]);
    world.unit(&["INSERT INTO notes (id, small) VALUES ({O}, 1)"]);
    let head = world.head();
    let done = world.compact(keep(0));
    assert_eq!((done.bound, done.floor), (head, 0));
    assert_eq!(done.restated_tables.iter().collect::<Vec<_>>(), ["lists"]);
    assert_eq!(world.entries("table_name = 'lists'"), 0);
    // The newest put of N, the delete of M, and the entry at the bound.
    assert_eq!(world.entries("table_name = 'notes'"), 3);
    assert_eq!(world.entries("op = 'del'"), 1);
    assert_eq!(done.removed, head - world.entries("TRUE") as u64);
    let pages = early.catch_up(&mut world, 1000);
    // The rules of shares and todos read lists.
    let restated =
        ["clear lists", "put lists L", "del notes M", "put notes N", "put notes O", "clear shares", "clear todos"];
    assert_eq!(ops(&pages), restated);
}

/// A delete is told to a reader that had the row, and to one that never had: cancelling it against the put leaves a
/// ghost on the device of the first.
#[test]
fn a_delete_is_not_cancelled_by_its_put() {
    let mut world = World::new();
    world.unit(&["INSERT INTO notes (id, small) VALUES ({M}, 1)"]);
    let mut early = bob(&mut world);
    world.unit(&["DELETE FROM notes WHERE id = {M}"]);
    world.unit(&["INSERT INTO notes (id, small) VALUES ({O}, 1)"]);
    world.compact(keep(0));
    assert_eq!(ops(&early.catch_up(&mut world, 1000)), ["del notes M", "put notes O"]);
}

/// The folded range has no cuts: pages of a difference through it are one set.
#[test]
fn a_difference_through_the_fold_is_one_set() {
    let mut world = World::new();
    let mut early = bob(&mut world);
    for n in 0..6 {
        world.unit(&[
            &format!("INSERT INTO notes (id, small) VALUES ({{N{n}}}, {n})"),
            "INSERT OR REPLACE INTO notes (id, small) VALUES ({A}, 1)",
        ]);
    }
    world.compact(keep(2));
    let pages = early.catch_up(&mut world, 2);
    let partial: Vec<bool> = pages.iter().map(|page| page.partial).collect();
    assert_eq!(partial, [true, true, true, false]);
    assert!(!ops(&pages).contains(&"clear".to_owned()));
}

/// Only the tables that lost something are stated anew, and those whose rules read them.
#[test]
fn untouched_tables_are_not_stated_anew() {
    let mut world = World::new();
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'bob')", "INSERT INTO tags VALUES ({G}, {L}, 'g')"]);
    let mut early = bob(&mut world);
    world.unit(&["INSERT INTO blocks VALUES ({B}, {L}, 'bob')"]);
    world.unit(&["UPDATE lists SET name = 'm' WHERE id = {L}"]);
    world.unit(&["UPDATE lists SET name = 'o' WHERE id = {L}"]);
    // What happened to blocks goes; what happened to lists stays.
    world.compact(keep(1));
    world.unit(&["UPDATE lists SET name = 'n' WHERE id = {L}"]);
    assert_eq!(ops(&early.catch_up(&mut world, 1000)), ["put lists L", "clear tags"]);
}

#[test]
fn below_the_floor_everything_is_sent() {
    let mut world = World::new();
    world.unit(&["INSERT INTO notes (id, small) VALUES ({M}, 1)"]);
    let mut early = bob(&mut world);
    let mut late = early.clone();
    world.unit(&["INSERT INTO notes (id, small) VALUES ({O}, 1)"]);
    late.catch_up(&mut world, 1000);
    world.unit(&["INSERT INTO notes (id, small) VALUES ({P}, 1)"]);
    world.unit(&["DELETE FROM notes WHERE id = {M}"]);
    let done = world.compact(keep(1).keep_deletes_ms(i64::MIN / 2));
    assert_eq!(done.floor, done.bound);
    assert_eq!(world.entries("TRUE"), 2);
    assert_eq!(ops(&early.catch_up(&mut world, 1000)), ["clear", "put notes O", "put notes P"]);
    assert_eq!(ops(&late.catch_up(&mut world, 1000)), ["clear", "put notes O", "put notes P"]);
    let mut at_floor = bob(&mut world);
    assert_eq!(ops(&at_floor.catch_up(&mut world, 1000)), Vec::<String>::new());
}

/// The number of folded entries has a limit: what is beyond it is below the floor.
#[test]
fn folded_entries_are_not_kept_without_end() {
    let mut world = World::new();
    for n in 0..50 {
        world.unit(&[&format!("INSERT INTO notes (id, small) VALUES ({{{n:03}}}, {n})")]);
    }
    let done = world.compact(keep(10).keep_folded(10));
    assert_eq!((done.bound, done.floor), (41, 31));
    assert_eq!(world.entries("TRUE"), 21);
    let again = world.compact(keep(10).keep_folded(10));
    assert_eq!((again.bound, again.floor, again.scanned, again.removed), (41, 31, 0, 0), "nothing left to do");
}

/// A set that is being pulled holds the bound back; later it does not.
#[test]
fn the_start_of_a_snapshot_is_leased() {
    let mut world = World::new();
    for n in 0..6 {
        world.unit(&[&format!("INSERT INTO notes (id, small) VALUES ({{{n:03}}}, {n})")]);
    }
    let start = world.head();
    let caller = Caller { group: "bob".to_owned(), ctx: std::sync::Arc::new(user("bob")) };
    let mut cookie: Option<String> = None;
    let mut page_at = |world: &mut World, now: i64| {
        let request = request("bob", "c", cookie.as_deref(), 2);
        let page = world.db.run(|db| Box::pin(world.engine.pull(db, now, &caller, &request))).unwrap();
        cookie = Some(page.response.cookie.clone());
        page.response
    };
    assert!(page_at(&mut world, 1_000_000).partial);
    for n in 6..9 {
        world.unit(&[&format!("INSERT INTO notes (id, small) VALUES ({{{n:03}}}, {n})")]);
    }
    let compact = |world: &mut World, now: i64| {
        // Entries of this world are of the year 1970: the age of the start protects nothing here, the note does.
        let options = keep(0).lease_ms(600_000);
        world.db.run(|db| Box::pin(world.engine.compact_change_log(db, now, options))).unwrap().bound
    };
    assert_eq!(compact(&mut world, 1_500_000), start);
    // Every page renews it.
    let page = page_at(&mut world, 1_590_000);
    assert!(page.partial && !matches!(page.patch.first(), Some(PatchOp::Clear { .. })), "the walk goes on");
    assert_eq!(compact(&mut world, 2_100_000), start);
    let head = world.head();
    assert_eq!(compact(&mut world, 2_190_001), head);
    // Too late: everything anew, from the head of now.
    let page = page_at(&mut world, 2_200_000);
    assert!(matches!(page.patch.first(), Some(PatchOp::Clear { table: None })));
    assert_eq!(Position::decode(&page.cookie).unwrap().at, head);
}

/// What one process serves, another one learns from the database.
#[test]
fn leases_are_known_to_other_processes() {
    let mut world = World::new();
    for n in 0..6 {
        world.unit(&[&format!("INSERT INTO notes (id, small) VALUES ({{{n:03}}}, {n})")]);
    }
    let start = world.head();
    let caller = Caller { group: "bob".to_owned(), ctx: std::sync::Arc::new(user("bob")) };
    let request = request("bob", "c", None, 2);
    world.db.run(|db| Box::pin(world.engine.pull(db, 1_000_000, &caller, &request))).unwrap();
    let publish = |world: &mut World, now| {
        let mut entropy = Random(3);
        world.db.run(|db| Box::pin(world.engine.publish_leases(db, now, &mut entropy))).unwrap();
    };
    publish(&mut world, 1_000_000);
    world.unit(&["INSERT INTO notes (id, small) VALUES ({N}, 0)"]);
    let mut other = crate::server::ServerEngine::new(super::schema::definition(), ServerOptions::default()).unwrap();
    let compact = |engine: &mut crate::server::ServerEngine, world: &mut World, now| {
        let options = keep(0).lease_ms(600_000);
        world.db.run(|db| Box::pin(engine.compact_change_log(db, now, options))).unwrap().bound
    };
    assert_eq!(compact(&mut other, &mut world, 1_500_000), start);
    let head = world.head();
    assert_eq!(compact(&mut other, &mut world, 1_600_000), head);
    publish(&mut world, 1_600_000);
    let notes = world.db.query("SELECT count(*) FROM _plasma_meta WHERE key LIKE 'compaction_lease%'", &[Kind::Int]);
    assert_eq!(notes[0][0].as_int(), Some(0), "what is over is forgotten");
}

/// A process that dies between two steps leaves a log that is true, and the next compaction finishes the work.
#[test]
fn every_step_leaves_the_log_true() {
    for most in [1, 2, 3, 7] {
        let mut world = World::new();
        world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'bob')", "INSERT INTO notes (id, small) VALUES ({N}, 0)"]);
        let early = bob(&mut world);
        for n in 0..4 {
            world.unit(&[&format!("UPDATE lists SET name = 'l{n}' WHERE id = {{L}}")]);
            world.unit(&[
                &format!("UPDATE notes SET small = {n} WHERE id = {{N}}"),
                "DELETE FROM notes WHERE small = 2",
            ]);
        }
        let mut compaction = crate::server::Compaction::new(keep(1));
        loop {
            let more = world.db.run(|db| Box::pin(world.engine.compact_step(db, 0, &mut compaction, most))).unwrap();
            (world.bound, world.floor) = (compaction.result().bound, compaction.result().floor);
            early.clone().catch_up(&mut world, 2);
            early.clone().catch_up(&mut world, 1000);
            if !more {
                break;
            }
            // A new process begins anew.
            compaction = crate::server::Compaction::new(keep(1));
            let begun = world.db.run(|db| Box::pin(world.engine.compact_step(db, 0, &mut compaction, most)));
            assert!(begun.unwrap());
        }
    }
}

fn history(seed: u64) {
    let mut random = Random(seed);
    // With raw writes a reader may stand where no mark is kept, and is sent everything.
    let raw = seed.is_multiple_of(3);
    let mut world = World::with(ServerOptions::default(), seed ^ 0xabcd);
    let mut readers: Vec<Reader> = USERS.iter().map(|name| Reader::new(user(name))).collect();
    let mut nth = 0;
    for _ in 0..18 {
        for _ in 0..random.below(4) {
            let statements: Vec<String> = (0..1 + random.below(3) * random.below(3))
                .map(|_| {
                    nth += 1;
                    statement(&mut random, nth)
                })
                .collect();
            let who = *random.of(&USERS);
            let client = format!("client-{who}");
            match random.below(10) {
                0..=2 if raw => world.write(None, &statements),
                3 => world.write(Some((who, &client)), &[]),
                _ => world.write(Some((who, &client)), &statements),
            }
        }
        if random.below(3) == 0 {
            let deletes = if random.below(6) == 0 { i64::MIN / 2 } else { i64::MAX / 2 };
            world.compact(
                keep(*random.of(&[0, 2, 5, 10])).keep_deletes_ms(deletes).keep_folded(*random.of(&[5, 1000, 1000])),
            );
        }
        for reader in &mut readers {
            reader.ctx.token += 1;
            if random.below(40) == 0 {
                reader.ctx.admin = !reader.ctx.admin;
            }
            // A finished position at or above the floor is never sent everything.
            let stands = reader.cookie.as_deref().map(|cookie| Position::decode(cookie).unwrap());
            let known = stands.is_some_and(|at| at.walk.is_none() && at.at >= world.floor) && !raw;
            let reset = |page: &crate::protocol::PullResponse| {
                matches!(page.patch.first(), Some(PatchOp::Clear { table: None }))
            };
            match random.below(6) {
                0 | 1 => {}
                2 | 3 => {
                    let page = reader.pull(&mut world, *random.of(&[1, 1, 2, 3, 5, 1000]));
                    assert!(!(known && reset(&page)), "sent everything");
                }
                4 => {
                    for _ in 0..random.below(6) {
                        reader.pull(&mut world, 1 + random.below(2));
                    }
                }
                _ => {
                    let pages = reader.catch_up(&mut world, *random.of(&[1, 2, 7, 1000]));
                    assert!(!(known && pages.iter().any(reset)), "sent everything");
                }
            }
        }
    }
    for reader in &mut readers {
        reader.catch_up(&mut world, *random.of(&[1, 3, 1000]));
    }
}

fn histories(divided_by: u64) {
    let histories: u64 = std::env::var("PLASMA_PULL_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let one = std::env::var("PLASMA_PULL_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in one.map_or(0..histories.div_ceil(divided_by), |seed: u64| seed..seed + 1) {
        if let Err(panic) = std::panic::catch_unwind(|| history(seed)) {
            panic!("history {seed} failed (PLASMA_PULL_SEED={seed}): {}", panic_message(&*panic).unwrap_or(""));
        }
    }
}

#[test]
fn random_histories_through_compactions() {
    histories(1);
}

/// Fewer, as every one of them is thousands of round trips.
#[test]
#[cfg(feature = "postgres")]
fn random_histories_through_compactions_on_postgres() {
    super::database::on_postgres(|| histories(6));
}

/// A row that was deleted and made again is the new row, whatever the reader had of the old one.
#[test]
fn a_row_made_again_is_the_new_row() {
    let mut world = World::new();
    world.unit(&["INSERT INTO notes (id, small) VALUES ({N}, 1)"]);
    let mut early = bob(&mut world);
    world.unit(&["DELETE FROM notes WHERE id = {N}"]);
    world.unit(&["INSERT INTO notes (id, small) VALUES ({N}, 2)"]);
    world.unit(&["INSERT INTO notes (id, small) VALUES ({O}, 2)"]);
    world.compact(keep(0));
    early.catch_up(&mut world, 1000);
    assert_eq!(early.held.get("notes", &id("N")).unwrap()["small"], 2);
}

also_on_postgres!(
    a_delete_is_not_cancelled_by_its_put,
    every_step_leaves_the_log_true,
    a_row_made_again_is_the_new_row,
    the_start_of_a_snapshot_is_leased,
    leases_are_known_to_other_processes,
);
