//! Random histories: several users write, several readers pull at random pages and pauses.

use super::world::{Random, Reader, World, id, user};
use crate::error::panic_message;
use crate::server::ServerOptions;

pub(super) const USERS: [&str; 3] = ["alice", "bob", "carol"];

/// How many histories the normal run has. `PLASMA_PULL_HISTORIES` asks for another number.
fn histories() -> u64 {
    std::env::var("PLASMA_PULL_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(600)
}

fn name(random: &mut Random, letter: &str, most: u64) -> String {
    id(&format!("{letter}{}", random.below(most)))
}

pub(super) fn statement(random: &mut Random, nth: u64) -> String {
    let list = name(random, "L", 4);
    let other = name(random, "L", 4);
    let todo = name(random, "T", 6);
    let share = name(random, "S", 4);
    let tag = name(random, "G", 3);
    let block = name(random, "B", 3);
    let (who, bit) = (*random.of(&USERS), random.below(2));
    match random.below(22) {
        0..=2 => format!("INSERT INTO lists VALUES ('{list}', 'list {nth}', '{who}')"),
        3 => format!("UPDATE lists SET name = 'list {nth}' WHERE id = '{list}'"),
        4 => format!("UPDATE lists SET owner = '{who}' WHERE id = '{list}'"),
        5 => format!("DELETE FROM lists WHERE id = '{list}'"),
        6..=8 => format!("INSERT INTO todos VALUES ('{todo}', '{list}', 'todo {nth}', {bit}, NULL, {nth})"),
        9 => format!("UPDATE todos SET title = 'todo {nth}' WHERE id = '{todo}'"),
        10 => format!("UPDATE todos SET list_id = '{list}', done = {bit} WHERE list_id = '{other}'"),
        11 => format!("DELETE FROM todos WHERE id = '{todo}'"),
        12 | 13 => format!("INSERT OR REPLACE INTO shares VALUES ('{share}', '{list}', '{who}')"),
        14 | 15 => format!("DELETE FROM shares WHERE id = '{share}'"),
        16 => format!("INSERT OR REPLACE INTO tags VALUES ('{tag}', '{list}', 'tag {nth}')"),
        17 => format!("INSERT INTO blocks VALUES ('{block}', '{list}', '{who}')"),
        18 => format!("DELETE FROM blocks WHERE id = '{block}'"),
        19 => format!("INSERT OR REPLACE INTO reports VALUES ('{}', 'report {nth}')", name(random, "R", 2)),
        20 => format!("INSERT OR REPLACE INTO switches VALUES ('{}', {bit})", id("W")),
        _ if nth.is_multiple_of(3) => format!("DELETE FROM notes WHERE id = '{}'", name(random, "N", 2)),
        _ => format!(
            "INSERT OR REPLACE INTO notes VALUES ('{}', x'00ff{nth:04x}', {nth}.25e{nth}, {nth}000000000000, -{nth}, {bit}, '[{nth}]')",
            name(random, "N", 2)
        ),
    }
}

/// A statement on tables that no rule reads: pages of a long log are served from its beginning.
fn calm_statement(random: &mut Random, nth: u64) -> String {
    loop {
        let statement = statement(random, nth);
        if [" todos", " notes", " reports"].iter().any(|table| statement.contains(table)) {
            return statement;
        }
    }
}

fn history(seed: u64) {
    let mut random = Random(seed);
    let calm = seed % 3 == 1;
    let mut options = ServerOptions::default();
    if random.below(8) == 0 {
        options.limits.page_bytes = 700;
    }
    let mut world = World::with(options, seed ^ 0xabcd);
    let mut readers: Vec<Reader> = USERS.iter().map(|name| Reader::new(user(name))).collect();
    let mut nth = 0;
    for round in 0..18 {
        let statement = if calm && round > 5 { calm_statement } else { statement };
        for _ in 0..random.below(if calm { 9 } else { 4 }) {
            let statements: Vec<String> = (0..1 + random.below(3) * random.below(3))
                .map(|_| {
                    nth += 1;
                    statement(&mut random, nth)
                })
                .collect();
            let who = *random.of(&USERS);
            let client = format!("client-{who}");
            match random.below(10) {
                0..=2 => world.write(None, &statements),
                3 => world.write(Some((who, &client)), &[]),
                _ => world.write(Some((who, &client)), &statements),
            }
        }
        for reader in &mut readers {
            reader.ctx.token += 1;
            if random.below(40) == 0 {
                reader.ctx.admin = !reader.ctx.admin;
            }
            match random.below(6) {
                0 | 1 => {}
                2 | 3 => {
                    reader.pull(&mut world, *random.of(&[1, 1, 2, 3, 5, 1000]));
                }
                4 => {
                    for _ in 0..random.below(6) {
                        reader.pull(&mut world, 1 + random.below(2));
                    }
                }
                _ => {
                    reader.catch_up(&mut world, *random.of(&[1, 2, 7, 1000]));
                }
            }
        }
    }
    for reader in &mut readers {
        reader.catch_up(&mut world, *random.of(&[1, 3, 1000]));
    }
}

/// `PLASMA_PULL_SEED=N` runs one history again.
#[test]
fn one_random_history() {
    history(std::env::var("PLASMA_PULL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0));
}

/// Every fourth history, from `first` on.
fn quarter(first: u64) {
    histories_of((first..histories()).step_by(4));
}

fn histories_of(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| history(seed)) {
            panic!(
                "history {seed} failed (PLASMA_PULL_SEED={seed} runs it again): {}",
                panic_message(&*panic).unwrap_or("")
            );
        }
    }
}

// Four tests, so that they run side by side.
#[test]
fn random_histories_0() {
    quarter(0);
}
#[test]
fn random_histories_1() {
    quarter(1);
}
#[test]
fn random_histories_2() {
    quarter(2);
}
#[test]
fn random_histories_3() {
    quarter(3);
}

/// Fewer, as every one of them is thousands of round trips.
fn on_postgres(first: u64) {
    #[cfg(feature = "postgres")]
    super::database::on_postgres(|| histories_of((first..histories().div_ceil(10)).step_by(2)));
    let _ = first;
}

#[test]
fn random_histories_on_postgres_0() {
    on_postgres(0);
}
#[test]
fn random_histories_on_postgres_1() {
    on_postgres(1);
}
