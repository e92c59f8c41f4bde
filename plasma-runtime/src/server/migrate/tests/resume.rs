//! Runs that are cut off, and runs at once.

use std::process::{Command, Stdio};

use super::super::ensure::has_table;
use super::*;
use crate::error::ErrorKind;

/// A migration with all there is: renames, conversions, drops, a backfill, and SQL that must run exactly once.
fn second() -> Vec<TableDef> {
    let columns = [
        id("todos"),
        reference("list_id", "lists", OnDelete::Cascade),
        ColumnDef::new("name", Kind::Text),
        ColumnDef::new("n", Kind::BigInt).default_value(|| Value::Int(7)),
        ColumnDef::new("done", Kind::Bool).default_value(|| Value::Bool(false)),
        ColumnDef::new("words", Kind::Text),
    ];
    vec![first()[0], table("todos", &columns), table("tags", &[id("tags")])]
}

fn written() -> Vec<Named> {
    steps(&[
        ("title is name", Step::rename_column("todos", "title", "name")),
        ("n is larger", Step::change_type("todos", "n", "n * 100")),
        ("words", Step::backfill("todos").set("words", "name || coalesce(note, '')").batch(2)),
        ("once", Step::sql("UPDATE lists SET name = name || '!'")),
        ("note goes", Step::drop_column("todos", "note")),
    ])
}

fn check(place: &Place, db: &mut dyn SqlExecutor) {
    let new = engine("2", &second());
    assert_eq!(anatomy(&new, db), anatomy(&new, &mut *place.fresh(&new)));
    assert_eq!(texts(db, "SELECT DISTINCT substr(name, length(name)) || length(name) FROM lists"), ["!7"]);
    assert_eq!(texts(db, "SELECT CAST(sum(n) AS TEXT) FROM todos"), ["2100"]);
    assert_eq!(texts(db, "SELECT words FROM todos WHERE n < 300 ORDER BY id"), ["Todo 1note 1", "Todo 2"]);
    let mut done: Vec<String> = states(db).into_iter().map(|(name, state)| format!("{name} {state}")).collect();
    done.sort();
    assert_eq!(done, ["n is larger done", "note goes done", "once done", "title is name done", "words done"]);
}

#[test]
fn a_step_that_has_run_must_stay_what_it_was() {
    let mut db = sqlite();
    filled(&mut db);
    let new = engine("2", &second());
    run(&new, &mut db, &written()).unwrap();
    let mut other = written();
    other[3] = steps(&[("once", Step::sql("UPDATE lists SET name = name || '?'"))]).remove(0);
    let error = run(&new, &mut db, &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MigrationRefused);
    assert_eq!(error.data().unwrap()["step"], "once");
    // Larger batches are the same step.
    other[3] = written().remove(3);
    other[2] =
        steps(&[("words", Step::backfill("todos").set("words", "name || coalesce(note, '')").batch(9))]).remove(0);
    run(&new, &mut db, &other).unwrap();
    other.push(other[3].clone());
    assert!(run(&new, &mut db, &other).unwrap_err().message().contains("\"once\" is there twice"));
    check(&Place::Sqlite, &mut db);
}

#[test]
fn in_a_database_that_the_run_makes_no_step_has_anything_to_do() {
    let (mut db, new) = (sqlite(), engine("2", &second()));
    let migrated = run(&new, &mut db, &written()).unwrap();
    assert_eq!((migrated.diff.from, migrated.steps.len()), (None, 0));
    assert!(states(&mut db).iter().all(|(_, state)| state == "skipped"));
    assert_eq!(anatomy(&new, &mut db), anatomy(&new, &mut fresh(&new)));
    assert!(run(&new, &mut db, &written()).unwrap().diff.is_empty());
}

#[test]
fn two_runs_at_once_do_everything_once() {
    for place in Place::all() {
        let home = place.home();
        filled(&mut *home.connect());
        let ran: Vec<Migrated> = std::thread::scope(|scope| {
            let one = || scope.spawn(|| run(&engine("2", &second()), &mut *home.connect(), &written()).unwrap());
            let both = [one(), one()];
            both.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(ran.iter().map(|migrated| migrated.rows).sum::<u64>(), 6);
        assert_eq!(ran.iter().map(|migrated| migrated.steps.len()).sum::<usize>(), 5, "{ran:?}");
        check(&place, &mut *home.connect());
    }
}

/// Set for the process that is to be killed: the database.
const VICTIM: &str = "PLASMA_TEST_MIGRATION_OF";
const VICTIM_TEST: &str = "server::migrate::tests::resume::killed_at_any_time_it_is_gone_on_with";
/// Rows of its backfill, one a transaction.
const ROWS: u32 = 400;

#[test]
fn killed_at_any_time_it_is_gone_on_with() {
    if let Ok(address) = std::env::var(VICTIM) {
        run(&words(), &mut *home::connect(&address), &words_steps()).unwrap();
        return;
    }
    for place in Place::all() {
        killed(&place);
    }
}

fn words() -> ServerEngine {
    let mut columns = first()[1].columns.to_vec();
    columns[1] = ColumnDef::new("words", Kind::Text);
    engine("2", &[first()[0], table("todos", &columns)])
}

fn words_steps() -> Vec<Named> {
    steps(&[
        ("words", Step::backfill("todos").set("words", "title || '.'").batch(1)),
        ("no lists", Step::drop_column("todos", "list_id")),
    ])
}

fn killed(place: &Place) {
    let home = place.home();
    let mut db = home.connect();
    open(&engine("1", &first()), &mut *db).unwrap();
    let values: Vec<String> = (0..ROWS).map(|n| format!("('{}', 'Todo {n}')", uuid(n))).collect();
    batch(&mut *db, &format!("INSERT INTO todos (id, title) VALUES {}", values.join(", ")));
    let mut kills = 0;
    for goal in (0..ROWS).step_by(60) {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", VICTIM_TEST])
            .env(VICTIM, &home.address)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut reached = || -> bool {
            if !wait(has_table(&mut *db, "_plasma_migrations")).unwrap() {
                return false;
            }
            let known = wait(records(&mut *db)).unwrap();
            let goal = uuid(goal);
            known.values().any(|record| record.is_over() || record.progress.as_ref().is_some_and(|at| *at >= goal))
        };
        while victim.try_wait().unwrap().is_none() && !reached() {
            std::thread::yield_now();
        }
        if victim.try_wait().unwrap().is_none() {
            victim.kill().unwrap();
            kills += 1;
        }
        victim.wait().unwrap();
    }
    assert!(kills >= 3, "killed {kills} times");
    let new = words();
    run(&new, &mut *db, &words_steps()).unwrap();
    assert_eq!(anatomy(&new, &mut *db), anatomy(&new, &mut *place.fresh(&new)));
    let right = "SELECT CAST(count(*) AS TEXT) FROM todos WHERE words = title || '.'";
    assert_eq!(texts(&mut *db, right), [ROWS.to_string()]);
    // Every row was written once: what was committed was not done again.
    let entries = "SELECT CAST(count(*) AS TEXT) FROM _plasma_changes WHERE prior IS NOT NULL";
    assert_eq!(texts(&mut *db, entries), [ROWS.to_string()]);
}

/// Servers of the former version insert rows while a backfill is over and the column still takes NULL.
#[test]
fn rows_that_come_between_the_backfill_and_the_end_are_filled_too() {
    let mut db = sqlite();
    filled(&mut db);
    let new = engine("2", &second());
    // The end of it fails: the rows are in the way of nothing but the last part.
    batch(
        &mut db,
        "CREATE TABLE strangers (todo TEXT); CREATE TRIGGER no_more BEFORE INSERT ON strangers BEGIN SELECT 1; END",
    );
    batch(&mut db, "CREATE INDEX mine ON todos (note)");
    let error = run(&new, &mut db, &written()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MigrationRefused, "{error}");
    assert!(error.message().contains("index or trigger of your own"), "{error}");
    batch(&mut db, &format!("INSERT INTO todos (id, name, n) VALUES ('{}', 'between', 0); DROP INDEX mine", uuid(999)));
    run(&new, &mut db, &written()).unwrap();
    assert_eq!(texts(&mut db, "SELECT words FROM todos WHERE name = 'between'"), ["between"]);
}
