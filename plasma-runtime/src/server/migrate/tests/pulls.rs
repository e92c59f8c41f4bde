//! What clients are told after a migration: a reader that goes on from its cookie ends with the rows that one has that
//! begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::protocol::{PROTOCOL_VERSION, PatchOp, PullRequest};
use crate::server::Caller;

/// What a client holds.
#[derive(Default)]
struct Reader {
    cookie: Option<String>,
    /// By table and id: the row as JSON, with its members in order.
    rows: BTreeMap<(String, String), BTreeMap<String, String>>,
    /// How often it was told to begin anew.
    clears: u32,
}

impl Reader {
    /// Pulls to the end, as a client with the schema of `own`.
    fn pull(&mut self, own: &ServerEngine, engine: &ServerEngine, db: &mut dyn SqlExecutor, limit: u64) {
        while self.page(own, engine, db, limit) {}
    }

    /// Pulls one page. True when there is more.
    fn page(&mut self, own: &ServerEngine, engine: &ServerEngine, db: &mut dyn SqlExecutor, limit: u64) -> bool {
        let caller = Caller { group: "g".to_owned(), ctx: Arc::new(()) };
        let request = PullRequest {
            protocol_version: PROTOCOL_VERSION,
            schema_version: own.definition.schema.version.to_owned(),
            fingerprint: Some(own.definition.schema.fingerprint_hex()),
            client_group_id: "g".to_owned(),
            client_id: "c".to_owned(),
            cookie: self.cookie.clone(),
            limit: Some(limit),
            settled: None,
            wait: None,
        };
        let pulled = wait(engine.pull(db, 0, &caller, &request)).unwrap().response;
        for op in pulled.patch {
            self.apply(own, op);
        }
        self.cookie = Some(pulled.cookie);
        pulled.has_more
    }

    fn apply(&mut self, own: &ServerEngine, op: PatchOp) {
        match op {
            PatchOp::Clear { table } => {
                self.clears += 1;
                self.rows.retain(|(of, _), _| table.as_ref().is_some_and(|table| table != of));
            }
            PatchOp::Put { table, id, value } => {
                // As a client of this version reads it: images may be older than a column.
                let def = own.definition.schema.table(&table).unwrap();
                let row = crate::value::json::decode_row(def, value.get()).unwrap();
                let text = crate::value::json::encode_row(def, &row);
                let members: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
                let members = members.into_iter().map(|(name, value)| (name, value.to_string())).collect();
                self.rows.insert((table, id), members);
            }
            PatchOp::Del { table, id } => drop(self.rows.remove(&(table, id))),
        }
    }
}

/// A database of [`first`] with a log, and readers that stand at its beginning, in its middle and at its end.
fn before(db: &mut dyn SqlExecutor) -> Vec<Reader> {
    let old = engine("1", &first());
    filled(db);
    let mut readers = Vec::new();
    for write in ["", "UPDATE todos SET n = n + 10 WHERE n < 3", "DELETE FROM todos WHERE n = 4"] {
        batch(db, write);
        let mut reader = Reader::default();
        reader.pull(&old, &old, db, 1_000);
        readers.push(reader);
    }
    readers
}

/// All readers go on with the schema of `own`, and each ends with what one holds that begins anew. True when they had to
/// begin anew themselves.
fn go_on(own: &ServerEngine, server: &ServerEngine, db: &mut dyn SqlExecutor, readers: &mut [Reader]) -> bool {
    go_on_by(3, own, server, db, readers)
}

/// [`go_on`], by pages of so many operations.
fn go_on_by(
    limit: u64,
    own: &ServerEngine,
    server: &ServerEngine,
    db: &mut dyn SqlExecutor,
    readers: &mut [Reader],
) -> bool {
    let mut anew = Reader::default();
    anew.pull(own, server, db, 1_000);
    let mut restated = Vec::new();
    for (index, reader) in readers.iter_mut().enumerate() {
        let clears = reader.clears;
        reader.pull(own, server, db, limit);
        assert_eq!(reader.rows, anew.rows, "reader {index}");
        restated.push(reader.clears > clears);
    }
    assert!(restated.iter().all(|one| *one == restated[0]), "{restated:?}");
    restated[0]
}

/// The version after [`first`], which its clients are served by, too.
fn next(tables: &[TableDef]) -> ServerEngine {
    engine_after("2", tables, ServerOptions::default(), &[locked(&engine("1", &first()))])
}

fn todos_with(column: ColumnDef) -> Vec<TableDef> {
    vec![first()[0], table("todos", &[first()[1].columns, &[column]].concat())]
}

const LATE: &str = "UPDATE todos SET title = 'late ' || title WHERE n = 5";

#[test]
fn after_an_addition_readers_go_on() {
    for place in Place::all() {
        let old = engine("1", &first());
        for column in [
            null("due", Kind::Date),
            ColumnDef::new("rank", Kind::BigInt).default_value(|| Value::Int(5)),
            null("state", Kind::Text).default_value(|| Value::from("open")),
        ] {
            let mut db = place.empty();
            let mut readers = before(&mut *db);
            let new = next(&todos_with(column));
            open(&new, &mut *db).unwrap();
            assert!(!go_on(&old, &new, &mut *db, &mut readers), "{}", column.name);
            batch(&mut *db, LATE);
            assert!(!go_on(&old, &new, &mut *db, &mut readers), "{}", column.name);
            // Their next version knows the column: the table is told anew, once.
            assert!(go_on(&new, &new, &mut *db, &mut readers), "{}", column.name);
            batch(&mut *db, LATE);
            assert!(!go_on(&new, &new, &mut *db, &mut readers), "{}", column.name);
        }
    }
}

#[test]
fn a_backfill_reaches_readers_as_writes() {
    for place in Place::all() {
        let mut db = place.empty();
        let mut readers = before(&mut *db);
        let (old, new) = (engine("1", &first()), next(&todos_with(null("upper", Kind::Text))));
        open(&new, &mut *db).unwrap();
        go_on(&new, &new, &mut *db, &mut readers);
        let backfill = Step::backfill("todos").set("upper", "upper(title)").batch(2);
        let migrated = run(&new, &mut *db, &steps(&[("upper", backfill)])).unwrap();
        assert_eq!((migrated.rows, migrated.restated), (5, false));
        assert!(!go_on(&new, &new, &mut *db, &mut readers));
        // A unit for each batch: otherwise all rows were one, as raw writes next to each other are.
        let ends = match db.dialect() {
            Dialect::Sqlite => {
                "SELECT CAST(count(*) AS TEXT) FROM _plasma_changes WHERE client_id = '_plasma_migrations'"
            }
            Dialect::Postgres => {
                "SELECT CAST(count(DISTINCT unit) AS TEXT) FROM _plasma_changes WHERE value LIKE '%\"upper\":\"%'"
            }
        };
        assert_eq!(texts(&mut *db, ends), ["3"]);
        assert!(
            readers[2].rows.values().filter(|row| row.contains_key("upper")).all(|row| row["upper"].contains("TODO"))
        );
        wait(old.still_fits(&mut *db)).unwrap();
    }
}

#[test]
fn after_what_changes_the_shape_of_images_readers_begin_anew() {
    for place in Place::all() {
        let replaced = |name: &str, other: ColumnDef| {
            let columns = first()[1].columns.iter().map(|column| if column.name == name { other } else { *column });
            vec![first()[0], table("todos", &columns.collect::<Vec<_>>())]
        };
        let text = |name| ColumnDef::new(name, Kind::Text);
        let cases: Vec<(Vec<TableDef>, &str, Step)> = vec![
            (
                replaced("title", text("name")),
                "UPDATE todos SET name = name || 'x' WHERE n = 5",
                Step::rename_column("todos", "title", "name"),
            ),
            (
                replaced("n", text("n")),
                "UPDATE todos SET n = n || 'x'",
                Step::change_type("todos", "n", "CAST(n AS TEXT)"),
            ),
            (replaced("note", text("note")), LATE, Step::fill("todos", "note", "''")),
            (todos_with(text("more")), LATE, Step::fill("todos", "more", "title || '+'")),
            (todos_with(ColumnDef::new("made_at", Kind::Timestamp).default_now()), LATE, Step::sql("SELECT 1")),
        ];
        for (tables, late, step) in cases {
            let mut db = place.empty();
            let mut readers = before(&mut *db);
            let new = next(&tables);
            let migrated = run(&new, &mut *db, &steps(&[("it", step.clone())])).unwrap();
            assert!(migrated.restated, "{step:?}");
            assert!(go_on(&new, &new, &mut *db, &mut readers), "{step:?}");
            batch(&mut *db, late);
            assert!(!go_on(&new, &new, &mut *db, &mut readers), "{step:?}");
        }
    }
}

/// The images in the log lack the column: they stand for rows with the default of the time when it came.
#[test]
fn another_default_does_not_change_what_older_images_say() {
    for place in Place::all() {
        let mut db = place.empty();
        let mut readers = before(&mut *db);
        let ranked = |rank: fn() -> Value| next(&todos_with(ColumnDef::new("rank", Kind::BigInt).default_value(rank)));
        let first = ranked(|| Value::Int(5));
        open(&first, &mut *db).unwrap();
        // They are in the middle of hearing of it.
        readers.iter_mut().for_each(|reader| assert!(reader.page(&first, &first, &mut *db, 1)));
        batch(&mut *db, LATE);
        let second = ranked(|| Value::Int(6));
        open(&second, &mut *db).unwrap();
        assert!(go_on(&second, &second, &mut *db, &mut readers));
        assert!(readers[0].rows.values().all(|row| row.get("rank").is_none_or(|rank| rank == "\"5\"")));
        // Once: images hold the column by now.
        let third = ranked(|| Value::Int(7));
        open(&third, &mut *db).unwrap();
        batch(&mut *db, LATE);
        assert!(!go_on(&third, &third, &mut *db, &mut readers));
    }
}

/// The images in the log hold a member of that name.
#[test]
fn a_column_that_was_dropped_and_comes_again_is_a_new_one() {
    for place in Place::all() {
        let mut db = place.empty();
        let mut readers = before(&mut *db);
        let columns: Vec<ColumnDef> =
            first()[1].columns.iter().copied().filter(|column| column.name != "note").collect();
        let without = next(&[first()[0], table("todos", &columns)]);
        let migrated = run(&without, &mut *db, &steps(&[("note goes", Step::drop_column("todos", "note"))])).unwrap();
        assert!(!migrated.restated);
        // The readers still have the version before.
        // A program that was here before does not bring back what is gone just by starting.
        let again = engine("3", &first());
        open(&again, &mut *db).unwrap_err();
        run(&again, &mut *db, &[]).unwrap();
        assert!(go_on(&again, &again, &mut *db, &mut readers));
        assert!(readers[0].rows.values().all(|row| row.get("note").is_none_or(|note| note == "null")));
    }
}

#[test]
fn a_table_that_was_dropped_and_comes_again_is_a_new_one() {
    for place in Place::all() {
        let mut db = place.empty();
        let mut readers = before(&mut *db);
        let without = next(&[first()[0]]);
        run(&without, &mut *db, &steps(&[("todos go", Step::drop_table("todos"))])).unwrap();
        // A program that was here before does not bring back what is gone just by starting.
        let again = engine("3", &first());
        open(&again, &mut *db).unwrap_err();
        run(&again, &mut *db, &[]).unwrap();
        assert!(go_on(&again, &again, &mut *db, &mut readers));
        assert!(readers[0].rows.keys().all(|(table, _)| table == "lists"));
    }
}

#[test]
fn a_server_that_no_longer_fits_answers_nobody() {
    for place in Place::all() {
        let mut db = place.empty();
        let old = engine("1", &first());
        before(&mut *db);
        open(&old, &mut *db).unwrap();
        let columns = first()[1].columns.iter().map(|column| match column.name {
            "n" => ColumnDef::new("n", Kind::Fixed(2)).default_value(|| Value::Int(7)),
            _ => *column,
        });
        let new = engine("2", &[first()[0], table("todos", &columns.collect::<Vec<_>>())]);
        run(&new, &mut *db, &steps(&[("hundredths", Step::change_type("todos", "n", "n * 100"))])).unwrap();
        let caller = Caller { group: "g".to_owned(), ctx: Arc::new(()) };
        let request = serde_json::json!({
            "protocolVersion": PROTOCOL_VERSION, "schemaVersion": "1", "fingerprint": old.definition.schema.fingerprint_hex(),
            "clientGroupID": "g", "clientID": "c", "settled": 0, "mutations": []
        });
        let job = crate::server::PushJob { caller: caller.clone(), request: serde_json::from_value(request).unwrap() };
        let pushed = wait(old.push_group(&mut *db, 0, &mut Counter::default(), &[job])).remove(0);
        assert_eq!(pushed.unwrap_err().status, 503);
        let request = PullRequest {
            protocol_version: PROTOCOL_VERSION,
            schema_version: "1".to_owned(),
            fingerprint: None,
            client_group_id: "g".to_owned(),
            client_id: "c".to_owned(),
            cookie: None,
            limit: None,
            settled: None,
            wait: None,
        };
        assert_eq!(wait(old.pull(&mut *db, 0, &caller, &request)).unwrap_err().status, 503);
    }
}

/// What a program does that knows nothing of migrations: it adds, changes and deletes todos until it is told to stop, and
/// returns what is left of them.
fn write_on(db: &mut dyn SqlExecutor, stop: &AtomicBool) -> BTreeMap<String, String> {
    // Anywhere among the rows that are there. Not for ever: a fill of three rows at a time would run after it.
    let place = |n: u32| uuid(1_000 + n * 7_919 % 90_000);
    let mut left = BTreeMap::new();
    for n in 7u32..2_000 {
        let (id, earlier, gone) = (place(n), place(n - n % 7), place(n - 3));
        batch(db, &format!("INSERT INTO todos (id, title, n) VALUES ('{id}', 'w{n}', {n})"));
        left.insert(id, format!("w{n}"));
        if let Some(title) = left.get_mut(&earlier) {
            batch(db, &format!("UPDATE todos SET title = title || '.' WHERE id = '{earlier}'"));
            title.push('.');
        }
        if n % 5 == 0 && left.remove(&gone).is_some() {
            batch(db, &format!("DELETE FROM todos WHERE id = '{gone}'"));
        }
        if stop.load(Ordering::Relaxed) {
            return left;
        }
    }
    left
}

#[test]
fn nothing_is_lost_of_what_is_written_and_pulled_meanwhile() {
    let columns = [first()[1].columns, &[null("upper", Kind::Text), null("due", Kind::Date)]].concat();
    let new = next(&[first()[0], index(table("todos", &columns), &["n"]), table("tags", &[id("tags")])]);
    let backfill = steps(&[("upper", Step::backfill("todos").set("upper", "upper(title)").batch(3))]);
    for place in Place::all() {
        let (home, old, stop) = (place.home(), engine("1", &first()), AtomicBool::new(false));
        let mut db = home.connect();
        let mut readers = before(&mut *db);
        let more: Vec<String> = (500..560).map(|n| format!("('{}', 'm{n}')", uuid(n))).collect();
        batch(&mut *db, &format!("INSERT INTO todos (id, title) VALUES {}", more.join(", ")));
        let (left, reader, migrated) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_on(&mut *home.connect(), &stop));
            let reader = scope.spawn(|| {
                let (own, mut db, mut reader) = (engine("1", &first()), home.connect(), Reader::default());
                while !stop.load(Ordering::Relaxed) {
                    reader.pull(&own, &own, &mut *db, 40);
                }
                reader
            });
            let migrated = run(&new, &mut *db, &backfill);
            stop.store(true, Ordering::Relaxed);
            (writer.join().unwrap(), reader.join().unwrap(), migrated)
        });
        let migrated = migrated.unwrap();
        assert!(migrated.rows >= 65 && !migrated.restated, "{}", migrated.rows);
        let there = rows(&mut *db, &format!("SELECT id, title FROM todos WHERE id >= '{}'", uuid(1_000)), 2);
        let text = |value: &Value| value.as_text().unwrap().to_owned();
        assert_eq!(there.iter().map(|row| (text(&row[0]), text(&row[1]))).collect::<BTreeMap<_, _>>(), left);
        readers.push(reader);
        go_on_by(100, &old, &new, &mut *db, &mut readers);
        assert!(go_on_by(100, &new, &new, &mut *db, &mut readers), "the column is new to them");
        assert_eq!(anatomy(&new, &mut *db).0, anatomy(&new, &mut *place.fresh(&new)).0);
    }
}
