//! The order of the log, in the interleavings that broke other designs. Each of those is tried too, and has to fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use plasma_test_postgres::postgres::Client;
use plasma_test_postgres::{Durability, Server, skip};

use super::support::{Base, Order, Reader, Writes};

const ALL: [Order; 4] = [Order::Sequenced, Order::Numbers, Order::Transactions, Order::FirstDraws];

/// Runs the case in every order of a database of its own: right in all but `wrong`, which have to fail.
fn in_every_order(wrong: &[Order], case: impl Fn(&Base, &mut Reader)) {
    for order in ALL {
        let Some(base) = Base::new() else { return };
        let mut reader = Reader::new(order);
        case(&base, &mut reader);
        let verdict = reader.verdict(&mut base.connect());
        if order == Order::Transactions && !wrong.contains(&order) {
            // It may be waiting: for a writer of another database, which another test has.
            continue;
        }
        assert_eq!(verdict.is_err(), wrong.contains(&order), "{order:?}: {verdict:?}");
    }
}

#[test]
fn a_lower_number_commits_last() {
    in_every_order(&[Order::Numbers], |base, reader| {
        let (mut a, mut b, mut db) = (base.connect(), base.connect(), base.connect());
        a.run("BEGIN; INSERT INTO rows VALUES ('a', 1)");
        b.run("INSERT INTO rows VALUES ('b', 1)");
        reader.pull(&mut db);
        a.run("COMMIT");
    });
}

#[test]
fn a_lower_transaction_writes_the_same_row_last() {
    in_every_order(&[Order::Transactions, Order::FirstDraws], |base, _| {
        let (mut a, mut b) = (base.connect(), base.connect());
        b.run("INSERT INTO rows VALUES ('r', 0)");
        a.run("BEGIN; INSERT INTO rows VALUES ('q', 1)");
        b.run("UPDATE rows SET n = 2 WHERE id = 'r'");
        a.run("UPDATE rows SET n = 1 WHERE id = 'r'; COMMIT");
    });
}

/// A mutation that reads what another wrote after its own last write comes after it, as its outcome draws last.
#[test]
fn a_mutation_comes_after_what_it_read() {
    let Some(base) = Base::new() else { return };
    let (mut a, mut b) = (base.connect(), base.connect());
    a.run("BEGIN");
    a.begin_mutation();
    a.run("INSERT INTO rows VALUES ('a', 1)");
    b.run("BEGIN");
    b.begin_mutation();
    b.run("INSERT INTO rows VALUES ('b', 1)");
    b.finish_mutation("b", 1);
    b.run("COMMIT");
    assert_eq!(a.int("SELECT n FROM rows WHERE id = 'b'"), 1);
    a.finish_mutation("a", 1);
    a.run("COMMIT");
    assert_eq!(b.sequence(), 2);
    assert_eq!(b.texts("SELECT client_id FROM _plasma_commits WHERE row_version > 1 ORDER BY row_version"), ["b", "a"]);
}

#[test]
fn savepoints() {
    in_every_order(&[], |base, reader| {
        let (mut a, mut db) = (base.connect(), base.connect());
        // The first write is rolled back, and with it the unit: the next makes one of its own.
        a.run("BEGIN; SAVEPOINT s; INSERT INTO rows VALUES ('a', 1); ROLLBACK TO s; INSERT INTO rows VALUES ('b', 1); COMMIT");
        assert_eq!(a.int("SELECT count(*) FROM _plasma_commits"), 2);
        reader.pull(&mut db);
        // A later one is rolled back: what came before stays, and what comes after joins it.
        a.run(
            "BEGIN; UPDATE rows SET n = 2; SAVEPOINT s; UPDATE rows SET n = 3; SAVEPOINT t; DELETE FROM rows; \
             ROLLBACK TO s; UPDATE rows SET n = 4; RELEASE s; INSERT INTO rows VALUES ('c', 1); COMMIT",
        );
        assert_eq!(a.int("SELECT count(*) FROM _plasma_commits"), 3);
        // All of it is rolled back: there is no unit.
        a.run("BEGIN; SAVEPOINT s; UPDATE rows SET n = 9; ROLLBACK TO s; COMMIT");
        a.run("BEGIN; UPDATE rows SET n = 9; ROLLBACK");
        assert_eq!(a.int("SELECT count(*) FROM _plasma_commits"), 3);
        // The unit ends with its transaction: ending it now draws another.
        let last = a.int("SELECT max(unit) FROM _plasma_commits");
        assert!(a.int("SELECT _plasma_end_unit()") > last);
    });
}

/// Mutations in savepoints of one transaction: one fails, the next is applied, the last is a raw task.
#[test]
fn several_units_of_one_transaction() {
    in_every_order(&[], |base, reader| {
        let (mut a, mut db) = (base.connect(), base.connect());
        a.run("BEGIN");
        a.begin_mutation();
        a.run("SAVEPOINT m; INSERT INTO rows VALUES ('a', 1); ROLLBACK TO m; RELEASE m");
        a.finish_mutation("c", 1);
        a.begin_mutation();
        a.run("SAVEPOINT m; INSERT INTO rows VALUES ('a', 2); RELEASE m");
        a.finish_mutation("c", 2);
        // Nothing ran: it was known, or skipped.
        a.finish_mutation("c", 3);
        a.run("INSERT INTO rows VALUES ('b', 1); UPDATE rows SET n = n + 1; COMMIT");
        assert_eq!(a.int("SELECT count(*) FROM _plasma_commits WHERE row_version IS NULL"), 4);
        reader.pull(&mut db);
        let units = "SELECT coalesce(mutation_id, 0) * 10 + count(e.seq) FROM _plasma_commits c \
            LEFT JOIN _plasma_changes e USING (unit) WHERE c.unit > 0 GROUP BY c.unit, mutation_id ORDER BY min(c.unit)";
        let sizes: Vec<i64> = db.query(units, &[]).unwrap().iter().map(|row| row.get(0)).collect();
        assert_eq!(sizes, [10, 21, 30, 3]);
    });
}

/// Whatever is open, what is committed is served: waiting for all that is older would stop every reader.
#[test]
fn a_writer_left_open_and_a_prepared_transaction_hold_nobody_back() {
    in_every_order(&[Order::Numbers, Order::Transactions], |base, reader| {
        let (mut open, mut prepared, mut b, mut db) = (base.connect(), base.connect(), base.connect(), base.connect());
        b.run("INSERT INTO rows VALUES ('r', 0), ('s', 0), ('t', 0)");
        open.run("BEGIN; UPDATE rows SET n = 1 WHERE id = 'r'");
        prepared.run("BEGIN; UPDATE rows SET n = 1 WHERE id = 's'; PREPARE TRANSACTION 'left'");
        for n in 1..=20 {
            b.run(&format!("UPDATE rows SET n = {n} WHERE id = 't'"));
            reader.pull(&mut db);
            let held = reader.rows.get("t").cloned().unwrap_or_default();
            // The one that waits for what is older serves nothing.
            assert_eq!(held.contains(&format!("\"{n}\"")), !is_waiting(reader), "{held}");
        }
        db.run("COMMIT PREPARED 'left'");
        reader.pull(&mut db);
        open.run("UPDATE rows SET n = 21 WHERE id = 't'; COMMIT");
    });
}

fn is_waiting(reader: &Reader) -> bool {
    reader.is(Order::Transactions)
}

#[test]
fn a_lost_sequencer_only_delays() {
    let Some(base) = Base::new() else { return };
    let (mut a, mut lost, mut db) = (base.connect(), base.connect(), base.connect());
    a.run("INSERT INTO rows VALUES ('a', 1)");
    lost.run("BEGIN");
    assert_eq!(lost.sequence(), 1);
    a.run("INSERT INTO rows VALUES ('b', 1)");
    let pid = i64::from(lost.query_one("SELECT pg_backend_pid()", &[]).unwrap().get::<_, i32>(0));
    let waiting = thread::scope(|scope| {
        // It waits for the one that is about to be lost.
        let waiting = scope.spawn(|| base.connect().sequence());
        let blocked = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while db.int(blocked) == 0 {
            thread::yield_now();
        }
        db.run(&format!("SELECT pg_terminate_backend({pid})"));
        waiting.join().unwrap()
    });
    assert_eq!(waiting, 2);
    assert_eq!(
        db.texts("SELECT e.row_id FROM _plasma_commits c JOIN _plasma_changes e USING (unit) ORDER BY row_version"),
        ["a", "b"]
    );
}

#[test]
fn the_sequencer_refuses_a_transaction_it_could_tear() {
    let Some(base) = Base::new() else { return };
    let mut a = base.connect();
    for begin in ["BEGIN; INSERT INTO rows VALUES ('a', 1)", "BEGIN ISOLATION LEVEL REPEATABLE READ"] {
        a.run(begin);
        let error = a.batch_execute("SELECT _plasma_sequence()").unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("25001"), "{error}");
        a.run("ROLLBACK");
    }
}

/// The sequencer does not wait for the disk. After a crash units may be in other places; their marks say so.
#[test]
fn positions_that_a_crash_took_back_are_told_by_their_marks() {
    let Some(mut server) = Server::start(Durability::Full) else { return skip() };
    let process = server.process().expect("it is ours");
    process.stop();
    process.set("wal_writer_delay", "10s");
    process.start_again();
    let base = Base::of(server.database());
    let mut db = base.connect();
    db.run("INSERT INTO rows VALUES ('a', 1)");
    db.sequence();
    let mut open = base.connect();
    open.run("BEGIN; INSERT INTO rows VALUES ('x', 1)");
    db.run("INSERT INTO rows VALUES ('b', 1)");
    open.run("COMMIT");
    // Only their positions are lost: a commit waits for the disk, and for all that was written before it.
    db.sequence();
    let positions = "SELECT row_version || ' ' || mark || ' ' || unit FROM _plasma_commits ORDER BY row_version";
    let before = db.texts(positions);
    assert_eq!(before.len(), 4);
    drop((db, open));
    let process = server.process().expect("it is ours");
    process.kill();
    process.start_again();
    let mut db = base.connect();
    assert_eq!(db.int("SELECT count(*) FROM rows"), 3, "what was committed is there");
    let lost = db.int("SELECT count(*) FROM _plasma_commits WHERE row_version IS NULL");
    assert!(lost > 0, "the crash took nothing back: this tests nothing");
    assert_eq!(db.sequence(), lost);
    let kept = db.texts(positions).iter().filter(|position| before.contains(position)).count();
    assert_eq!(kept as i64, 4 - lost, "a position came back with the mark it had");
}

/// The rows were restored into a cluster whose transaction ids are behind: the next run must not take them for seen.
#[test]
fn rows_from_a_cluster_that_was_ahead_are_sequenced() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    db.run("INSERT INTO rows VALUES ('a', 1)");
    assert_eq!(db.sequence(), 1);
    let ahead = "UPDATE _plasma_commits SET seen = '900000000000:900000000000:' WHERE row_version = \
        (SELECT max(row_version) FROM _plasma_commits)";
    db.run(ahead);
    db.run("INSERT INTO rows VALUES ('b', 1)");
    assert_eq!(db.sequence(), 1);
    db.run(ahead);
    assert_eq!(db.sequence(), 0);
    let behind = "SELECT count(*) FROM _plasma_commits WHERE seen::text LIKE '9000%' AND row_version = \
        (SELECT max(row_version) FROM _plasma_commits)";
    assert_eq!(db.int(behind), 0, "from now on its own transactions count");
    db.run("INSERT INTO rows VALUES ('c', 1)");
    assert_eq!(db.sequence(), 1);
}

/// A long reader keeps the database from forgetting: what the sequencer looks at must not grow with it.
#[test]
fn a_long_reader_does_not_make_the_search_longer() {
    let Some(base) = Base::new() else { return };
    let (mut reader, mut db) = (base.connect(), base.connect());
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM rows");
    for n in 0..300 {
        db.run(&format!("INSERT INTO rows VALUES ('r{n}', 1)"));
        db.sequence();
    }
    db.run("INSERT INTO rows VALUES ('last', 1)");
    let plan = db.texts("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT FROM _plasma_pending()");
    let hit = plan.iter().find_map(|line| line.trim().strip_prefix("Buffers: shared hit=")).expect("buffers");
    let hit: u64 = hit.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(hit < 100, "{hit} pages for one unit: {plan:#?}");
}

/// Many units came together: they are placed in runs, none of them larger than it may be, and the order is the same.
#[test]
fn runs_that_leave_some_place_the_first() {
    batches("p.last_seq < next_unit").unwrap();
}

#[test]
fn runs_that_leave_some_by_their_first_draws_are_found() {
    batches("TRUE").unwrap_err();
}

/// Writers whose units overlap, and a sequencer that never places all; `first` says which of those it looks at come first.
fn batches(first: &str) -> Result<(), String> {
    let rule = "p.last_seq < next_unit";
    let Some(base) = Base::new() else { return if first == rule { Ok(()) } else { Err("skipped".to_owned()) } };
    let mut db = base.connect();
    let source = db.texts("SELECT pg_get_functiondef('_plasma_first_pending'::regproc)").remove(0);
    assert!(source.contains(rule));
    db.run(&source.replace(rule, first));
    db.run("INSERT INTO rows SELECT 'r' || n, 0 FROM generate_series(0, 11) n");
    let mut reader = Reader::new(Order::Sequenced);
    thread::scope(|scope| {
        for seed in 0..12u64 {
            let base = &base;
            scope.spawn(move || writer(&mut base.connect(), seed));
        }
    });
    let pending = "SELECT count(*) FROM _plasma_pending()";
    let all = db.int(pending);
    assert!(all > 60, "{all} units");
    let mut runs = 0;
    loop {
        let left = db.int(pending);
        let given = db.int("SELECT _plasma_sequence(16)");
        // As many as there are writers may reach over the end.
        assert!(given <= 16 && (first != rule || given >= 4 || left <= 16), "{given} of {left}");
        assert_eq!(db.int(pending), left - given, "what it left is found again");
        if given == 0 {
            break;
        }
        runs += 1;
        reader.read(&mut db);
    }
    assert!(runs > 3);
    reader.verdict(&mut db)
}

/// Nothing is searched twice, also when nothing was ever placed, or the last position is one of a migration.
#[test]
fn a_search_that_found_nothing_is_remembered() {
    let Some(base) = Base::new() else { return };
    let mut db = base.connect();
    let unknown = "SELECT count(*) FROM _plasma_commits WHERE seen IS NULL AND row_version = \
        (SELECT max(row_version) FROM _plasma_commits)";
    assert_eq!(db.int(unknown), 1);
    assert_eq!(db.sequence(), 0);
    assert_eq!(db.int(unknown), 0);
    db.run("INSERT INTO rows VALUES ('a', 1)");
    assert_eq!(db.sequence(), 1);
    assert_eq!(db.int(unknown), 0);
}

fn deep() -> u64 {
    std::env::var("PLASMA_LOG_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

/// 12 writers on 12 rows: transactions of several updates, with savepoints and pauses, against a reader that pulls all
/// the time. Deadlocks are the writers' business.
fn twelve_writers(order: Order) -> Result<(), String> {
    let Some(base) = Base::new() else { return skip_as(order) };
    let mut db = base.connect();
    db.run("INSERT INTO rows SELECT 'r' || n, 0 FROM generate_series(0, 11) n");
    let done = AtomicBool::new(false);
    let mut reader = Reader::new(order);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..12u64)
            .map(|seed| {
                scope.spawn({
                    let base = &base;
                    move || writer(&mut base.connect(), seed)
                })
            })
            .collect();
        let pulling = scope.spawn(|| {
            let mut db = base.connect();
            while !done.load(Ordering::Relaxed) {
                reader.pull(&mut db);
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        pulling.join().unwrap();
    });
    reader.verdict(&mut db)
}

fn skip_as(order: Order) -> Result<(), String> {
    if order == Order::Sequenced { Ok(()) } else { Err("skipped".to_owned()) }
}

fn writer(db: &mut Client, seed: u64) {
    let mut random = super::Random(seed);
    db.run("SET deadlock_timeout = '5ms'");
    for round in 0..deep() {
        let mutation = random.below(2) == 0;
        let mut sql = String::new();
        for _ in 0..=random.below(3) {
            let row = random.below(12);
            let update = format!("UPDATE rows SET n = {} WHERE id = 'r{row}';", random.below(1 << 40));
            match random.below(5) {
                0 => sql.push_str(&format!("SAVEPOINT s; {update} ROLLBACK TO s; RELEASE s;")),
                1 => sql.push_str(&format!("SAVEPOINT s; {update} RELEASE s;")),
                _ => sql.push_str(&update),
            }
            if random.below(3) == 0 {
                // Others get in between.
                sql.push_str("SELECT pg_sleep(0.001);");
            }
        }
        db.run("BEGIN");
        if mutation {
            db.begin_mutation();
        }
        match db.batch_execute(&sql) {
            Ok(()) => {
                if mutation {
                    db.finish_mutation(&format!("writer{seed}"), round as i64 + 1);
                }
                db.run("COMMIT");
            }
            Err(error) => {
                assert_eq!(error.code().map(|code| code.code()), Some("40P01"), "{error}");
                db.run("ROLLBACK");
            }
        }
    }
}

#[test]
fn twelve_writers_on_twelve_rows() {
    twelve_writers(Order::Sequenced).unwrap();
}

#[test]
fn twelve_writers_show_that_a_cursor_on_numbers_loses() {
    twelve_writers(Order::Numbers).unwrap_err();
}

#[test]
fn twelve_writers_show_that_transactions_have_no_order() {
    twelve_writers(Order::Transactions).unwrap_err();
}

#[test]
fn twelve_writers_show_that_the_first_draw_is_too_early() {
    twelve_writers(Order::FirstDraws).unwrap_err();
}
