//! The cases that broke earlier designs, each under its name.

use super::world::{Reader, World, user};
use crate::protocol::cookie::Position;
use crate::protocol::{PatchOp, PullResponse};

/// The operations of pages, short: `put todos T1`, `del lists L`, `clear`. In the order they were sent.
pub(super) fn ops(pages: &[PullResponse]) -> Vec<String> {
    let name = |id: &str| {
        let hex = id.split('-').next().unwrap_or_default().trim_start_matches("00");
        let bytes = (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap());
        String::from_utf8(bytes.collect()).unwrap()
    };
    let op = |op: &PatchOp| match op {
        PatchOp::Clear { table: None } => "clear".to_owned(),
        PatchOp::Clear { table: Some(table) } => format!("clear {table}"),
        PatchOp::Put { table, id, .. } => format!("put {table} {}", name(id)),
        PatchOp::Del { table, id } => format!("del {table} {}", name(id)),
    };
    pages.iter().flat_map(|page| page.patch.iter().map(op)).collect()
}

fn todo(name: &str, list: &str, title: &str) -> String {
    format!("INSERT INTO todos VALUES ({{{name}}}, {{{list}}}, '{title}', 0, NULL, 1)")
}

/// Alice has L, shared with Bob, with T1 and T2, and M, private, with M1; Bob has pulled.
fn shared_list() -> (World, Reader) {
    let mut world = World::new();
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'alice')", "INSERT INTO lists VALUES ({M}, 'm', 'alice')"]);
    world.unit(&["INSERT INTO shares VALUES ({S1}, {L}, 'bob')"]);
    world.unit(&[&todo("T1", "L", "t1"), &todo("T2", "L", "t2"), &todo("M1", "M", "secret")]);
    let mut bob = Reader::new(user("bob"));
    let pages = bob.catch_up(&mut world, 1000);
    assert_eq!(ops(&pages), ["clear", "put lists L", "put shares S1", "put todos T1", "put todos T2"]);
    (world, bob)
}

fn nasty_units(world: &mut World) {
    world.unit(&["UPDATE todos SET title = 'edited' WHERE id = {T1}"]);
    world.unit(&["UPDATE todos SET list_id = {M} WHERE id = {T2}"]);
    world.unit(&["DELETE FROM shares WHERE id = {S1}"]);
    world.unit(&[&todo("T3", "L", "secret")]);
    world.unit(&["INSERT INTO shares VALUES ({S2}, {M}, 'bob')"]);
}

#[test]
fn the_nasty_case_in_one_page() {
    let (mut world, mut bob) = shared_list();
    nasty_units(&mut world);
    let pages = bob.catch_up(&mut world, 1000);
    assert_eq!(pages.len(), 1);
    let expected = [
        "del lists L",
        "put lists M",
        "del shares S1",
        "put shares S2",
        "put todos M1",
        "del todos T1",
        "put todos T2",
    ];
    assert_eq!(ops(&pages), expected, "T3 was never visible: its id must not appear");
}

#[test]
fn the_nasty_case_with_pages_of_one_operation() {
    let (mut world, mut bob) = shared_list();
    nasty_units(&mut world);
    // Each unit ends a set: what is not readable now goes with the first, M comes with the last.
    let mut sets = Vec::new();
    for _ in 0..6 {
        let page = bob.pull(&mut world, 1);
        sets.push((ops(std::slice::from_ref(&page))[0].clone(), page.partial));
    }
    let expected = [
        ("del lists L", true),
        ("del todos T1", false),
        ("del todos T2", false),
        ("del shares S1", false),
        ("put lists M", true),
        ("put shares S2", true),
    ];
    assert_eq!(sets, expected.map(|(op, partial)| (op.to_owned(), partial)));
    // Alice unshares M in the middle of the set: what was not walked yet is skipped, and the next pull takes it back.
    world.unit(&["DELETE FROM shares WHERE id = {S2}"]);
    let before = bob.held.clone();
    let rest = bob.pull(&mut world, 1);
    assert_eq!(ops(&[rest]), [""; 0], "M1 and T2 are not readable any more");
    assert_ne!(bob.held, before, "the set is whole");
    let last = bob.catch_up(&mut world, 1000);
    assert_eq!(ops(&last), ["del lists M", "del shares S2", "del todos M1", "del todos T2"]);
}

/// With `was` as of the position alone, the row that was withheld would be missing for ever.
#[test]
fn withheld_and_granted_again() {
    for limit in [1, 1000] {
        let (mut world, mut bob) = shared_list();
        world.unit(&["UPDATE todos SET title = 'edited' WHERE id = {T1}"]);
        world.unit(&["DELETE FROM shares WHERE id = {S1}"]);
        if limit == 1 {
            let pages: Vec<PullResponse> = (0..3).map(|_| bob.pull(&mut world, 1)).collect();
            let expected = ["del lists L", "del todos T1", "del todos T2"];
            assert_eq!(ops(&pages), expected, "held, and not readable now");
            let position = Position::decode(bob.cookie.as_deref().unwrap()).unwrap();
            assert!(position.walk.is_none() && position.at < world.head(), "still before the revocation");
        }
        world.unit(&["INSERT INTO shares VALUES ({S3}, {L}, 'bob')"]);
        let pages = bob.catch_up(&mut world, limit);
        assert!(ops(&pages).contains(&"put todos T1".to_owned()), "{:?}", ops(&pages));
        assert!(bob.held.get("todos", &super::world::id("T1")).is_some());
    }
}

/// Pages were made at different heads: one saw the row, one did not. It must arrive all the same.
#[test]
fn withheld_by_one_page_of_a_set_and_granted_again() {
    let mut world = World::new();
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'alice')", "INSERT INTO shares VALUES ({S1}, {L}, 'bob')"]);
    world.unit(&[&todo("T1", "L", "1"), &todo("T2", "L", "2"), &todo("T3", "L", "3")]);
    let mut bob = Reader::new(user("bob"));
    for _ in 0..4 {
        assert!(bob.pull(&mut world, 1).partial);
    }
    // `clear`, the list, the share and T1 are staged. T2 is withheld, T3 is granted again.
    world.unit(&["DELETE FROM shares WHERE id = {S1}"]);
    let withheld = bob.pull(&mut world, 1);
    assert_eq!(ops(std::slice::from_ref(&withheld)), [""; 0], "the rest is not readable");
    world.unit(&["INSERT INTO shares VALUES ({S1}, {L}, 'bob')"]);
    bob.catch_up(&mut world, 1000);
    assert_eq!(bob.held.0["todos"].len(), 3);
}

/// The page that withheld the row stands between two that would not have.
#[test]
fn withheld_in_the_middle_of_a_set_and_granted_again() {
    let mut world = World::new();
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'alice')", "INSERT INTO shares VALUES ({S1}, {L}, 'bob')"]);
    world.unit(&["INSERT INTO lists VALUES ({K}, 'k', 'bob')"]);
    world.unit(&[&todo("T1", "L", "1"), &todo("T2", "L", "2"), &todo("T3", "K", "3"), &todo("T4", "K", "4")]);
    let mut bob = Reader::new(user("bob"));
    let pages: Vec<PullResponse> = (0..5).map(|_| bob.pull(&mut world, 1)).collect();
    assert_eq!(ops(&pages).last().unwrap(), "put todos T1");
    world.unit(&["DELETE FROM shares WHERE id = {S1}"]);
    let withheld = bob.pull(&mut world, 1);
    assert_eq!((ops(std::slice::from_ref(&withheld)), withheld.partial), (vec!["put todos T3".to_owned()], true));
    world.unit(&["INSERT INTO shares VALUES ({S1}, {L}, 'bob')"]);
    assert!(!bob.pull(&mut world, 1).partial);
    assert!(bob.held.get("todos", &super::world::id("T2")).is_none(), "it was withheld");
    bob.catch_up(&mut world, 1000);
    assert_eq!(bob.held.0["todos"].len(), 4);
}

#[test]
fn the_table_of_visibility() {
    let cases: [(&str, &[&str], &[&str]); 9] = [
        ("held and changed", &["UPDATE todos SET title = 'x' WHERE id = {T1}"], &["put todos T1"]),
        ("held and moved away", &["UPDATE todos SET list_id = {M} WHERE id = {T1}"], &["del todos T1"]),
        ("held and deleted", &["DELETE FROM todos WHERE id = {T1}"], &["del todos T1"]),
        ("not held, and moved here", &["UPDATE todos SET list_id = {L} WHERE id = {M1}"], &["put todos M1"]),
        ("not held, changed unseen", &["UPDATE todos SET title = 'y' WHERE id = {M1}"], &[]),
        ("not held, deleted unseen", &["DELETE FROM todos WHERE id = {M1}"], &[]),
        (
            "changed back",
            &["UPDATE todos SET done = 1 WHERE id = {T1}", "UPDATE todos SET done = 0 WHERE id = {T1}"],
            &[],
        ),
        (
            "deleted and made again, the same",
            &["DELETE FROM shares WHERE id = {S1}", "INSERT INTO shares VALUES ({S1}, {L}, 'bob')"],
            &[],
        ),
        ("owner changes", &["UPDATE lists SET owner = 'bob' WHERE id = {M}"], &["put lists M", "put todos M1"]),
    ];
    for (name, statements, expected) in cases {
        let (mut world, mut bob) = shared_list();
        world.unit(statements);
        assert_eq!(ops(&bob.catch_up(&mut world, 1000)), expected, "{name}");
    }
}

/// Nobody hears of what others share among themselves.
#[test]
fn the_uninvolved_get_nothing() {
    let (mut world, _) = shared_list();
    let mut carol = Reader::new(user("carol"));
    carol.catch_up(&mut world, 1000);
    let cookie = carol.cookie.clone();
    nasty_units(&mut world);
    world.unit(&["DELETE FROM lists WHERE id = {L}"]);
    let pulled = world.pull(&carol.ctx, "client-carol", cookie.as_deref(), 1000);
    assert!(pulled.empty && pulled.response.patch.is_empty() && !pulled.response.has_more);
    assert!(pulled.response.last_mutation_ids.is_empty() && pulled.response.results.is_empty());
    carol.catch_up(&mut world, 1000);
}

/// A value that was overwritten before the row became readable is never sent.
#[test]
fn no_value_from_before_the_row_was_readable() {
    for limit in [1, 1000] {
        let (mut world, mut bob) = shared_list();
        world.unit(&[&todo("P", "M", "secret draft")]);
        world.unit(&["UPDATE todos SET title = 'public' WHERE id = {P}"]);
        world.unit(&["INSERT INTO shares VALUES ({S2}, {M}, 'bob')"]);
        let pages = bob.catch_up(&mut world, limit);
        let all = serde_json::to_string(&pages).unwrap();
        assert!(all.contains("public") && !all.contains("draft"), "{all}");
    }
}

/// A list and all that hangs on it go in one unit: rows deleted later count as readable by what went with them.
#[test]
fn a_cascade_is_no_revocation() {
    let (mut world, mut bob) = shared_list();
    world.unit(&["UPDATE todos SET title = 'edited' WHERE id = {T1}"]);
    world.unit(&["DELETE FROM lists WHERE id = {L}"]);
    let first = bob.pull(&mut world, 1);
    assert_eq!(ops(&[first]), ["put todos T1"], "the cut before the cascade still has the row");
    let rest = bob.catch_up(&mut world, 1000);
    assert_eq!(ops(&rest), ["del lists L", "del shares S1", "del todos T1", "del todos T2"]);
}

/// A mutation's rows arrive together, whatever the page size.
#[test]
fn a_page_never_splits_a_unit() {
    let (mut world, mut bob) = shared_list();
    for n in 0..20 {
        let statements: Vec<String> = (0..3).map(|k| todo(&format!("A{k}{n}"), "L", "x")).collect();
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        world.unit(&statements);
    }
    for limit in [1, 2, 3, 4, 5, 7, 50] {
        let mut reader = bob.clone();
        while reader.pull(&mut world, limit).has_more {
            assert_eq!((reader.held.0["todos"].len() - 2) % 3, 0, "limit {limit}");
        }
        assert_eq!(reader.held.0["todos"].len(), 62);
    }
    assert!(bob.catch_up(&mut world, 50).iter().all(|page| !page.partial), "units that fit make no sets");
}

/// A changed role states the tables it concerns anew, and only those.
#[test]
fn a_changed_policy_restates_its_table() {
    for limit in [1, 1000] {
        let (mut world, mut bob) = shared_list();
        bob.ctx.token = 7;
        assert_eq!(ops(&bob.catch_up(&mut world, limit)), [""; 0], "the context changed, no policy did");
        bob.ctx.admin = true;
        let pages = bob.catch_up(&mut world, limit);
        let expected = [
            "clear lists",
            "put lists L",
            "put lists M",
            "clear todos",
            "put todos M1",
            "put todos T1",
            "put todos T2",
        ];
        assert_eq!(ops(&pages), expected);
        bob.ctx.admin = false;
        let pages = bob.catch_up(&mut world, limit);
        assert_eq!(ops(&pages).len(), 5, "{:?}", ops(&pages));
    }
}

/// A rule that no equality ties to its rows: every row is looked at, and only what changed is sent.
#[test]
fn a_policy_that_cannot_be_followed() {
    let mut world = World::new();
    world.unit(&["INSERT INTO reports VALUES ({R1}, 'a')", "INSERT INTO reports VALUES ({R2}, 'b')"]);
    let mut bob = Reader::new(user("bob"));
    assert_eq!(ops(&bob.catch_up(&mut world, 1000)), ["clear"]);
    world.unit(&["INSERT INTO switches VALUES ({W}, 1)"]);
    assert_eq!(ops(&bob.catch_up(&mut world, 1)), ["put reports R1", "put reports R2"]);
    world.unit(&["UPDATE switches SET is_on = 0"]);
    assert_eq!(ops(&bob.catch_up(&mut world, 1000)), ["del reports R1", "del reports R2"]);
}

/// What was granted after the snapshot's position belongs to the difference that follows, not to the snapshot.
#[test]
fn granted_while_a_snapshot_is_walked() {
    let mut world = World::new();
    world.unit(&["INSERT INTO lists VALUES ({L}, 'l', 'alice')", "INSERT INTO lists VALUES ({K}, 'k', 'bob')"]);
    world.unit(&[&todo("T1", "K", "1"), &todo("T2", "L", "2"), &todo("T3", "K", "3")]);
    let mut bob = Reader::new(user("bob"));
    let first: Vec<PullResponse> = (0..2).map(|_| bob.pull(&mut world, 1)).collect();
    assert_eq!(ops(&first), ["clear", "put lists K"]);
    world.unit(&["INSERT INTO shares VALUES ({S1}, {L}, 'bob')", "UPDATE todos SET title = 'x' WHERE id = {T3}"]);
    let snapshot = bob.pull(&mut world, 1000);
    assert_eq!(
        (ops(std::slice::from_ref(&snapshot)), snapshot.partial),
        (vec!["put todos T1".to_owned(), "put todos T3".to_owned()], false)
    );
    assert_eq!(bob.held.get("todos", &super::world::id("T3")).unwrap()["title"], "3");
    let rest = ops(&bob.catch_up(&mut world, 1000));
    assert_eq!(rest, ["put lists L", "put shares S1", "put todos T2", "put todos T3"]);
}

super::database::also_on_postgres!(
    the_nasty_case_in_one_page,
    the_nasty_case_with_pages_of_one_operation,
    withheld_and_granted_again,
    withheld_by_one_page_of_a_set_and_granted_again,
    withheld_in_the_middle_of_a_set_and_granted_again,
    the_table_of_visibility,
    the_uninvolved_get_nothing,
    no_value_from_before_the_row_was_readable,
    a_cascade_is_no_revocation,
    a_page_never_splits_a_unit,
    a_changed_policy_restates_its_table,
    a_policy_that_cannot_be_followed,
    granted_while_a_snapshot_is_walked,
);
