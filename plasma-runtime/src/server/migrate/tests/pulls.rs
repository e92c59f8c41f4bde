//! What clients are told after a migration: a reader that goes on from its cookie ends with the rows that one has that
//! begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    pages: u32,
}

impl Reader {
    fn pull(&mut self, engine: &ServerEngine, db: &mut dyn SqlExecutor, limit: u64) {
        let caller = Caller { group: "g".to_owned(), ctx: Arc::new(()) };
        loop {
            let request = PullRequest {
                protocol_version: PROTOCOL_VERSION,
                schema_version: engine.definition.schema.version.to_owned(),
                fingerprint: Some(engine.definition.schema.fingerprint_hex()),
                client_group_id: "g".to_owned(),
                client_id: "c".to_owned(),
                cookie: self.cookie.clone(),
                limit: Some(limit),
                settled: None,
                wait: None,
            };
            let pulled = wait(engine.pull(db, 0, &caller, &request)).unwrap().response;
            self.pages += 1;
            for op in pulled.patch {
                self.apply(engine, op);
            }
            self.cookie = Some(pulled.cookie);
            if !pulled.has_more {
                return;
            }
        }
    }

    fn apply(&mut self, engine: &ServerEngine, op: PatchOp) {
        match op {
            PatchOp::Clear { table } => {
                self.clears += 1;
                self.rows.retain(|(of, _), _| table.as_ref().is_some_and(|table| table != of));
            }
            PatchOp::Put { table, id, value } => {
                // As a client of this version reads it: images may be older than a column.
                let def = engine.definition.schema.table(&table).unwrap();
                let row = crate::value::json::decode_row(def, value.get()).unwrap();
                let text = crate::value::json::encode_row(def, &row);
                let members: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
                let members = members.into_iter().map(|(name, value)| (name, value.to_string())).collect();
                self.rows.insert((table, id), members);
            }
            PatchOp::Del { table, id } => drop(self.rows.remove(&(table, id))),
        }
    }

    /// As a client that carries its store to the next version: new columns take their defaults.
    fn carry(&mut self, engine: &ServerEngine) {
        for ((table, _), row) in &mut self.rows {
            let Some(table) = engine.definition.schema.table(table) else { continue };
            row.retain(|name, _| table.column(name).is_some());
            let text: BTreeMap<&String, serde_json::Value> =
                row.iter().map(|(name, value)| (name, serde_json::from_str(value).unwrap())).collect();
            let Ok(whole) = crate::value::json::decode_row(table, &serde_json::to_string(&text).unwrap()) else { continue };
            let members: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(&crate::value::json::encode_row(table, &whole)).unwrap();
            *row = members.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        }
        self.rows.retain(|(table, _), _| engine.definition.schema.table(table).is_some());
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
        reader.pull(&old, db, 1_000);
        readers.push(reader);
    }
    readers
}

/// All readers go on, and each ends with the rows that the tables hold. True when they had to begin anew.
fn go_on(new: &ServerEngine, db: &mut dyn SqlExecutor, readers: &mut [Reader]) -> bool {
    let mut anew = Reader::default();
    anew.pull(new, db, 1_000);
    let mut restated = Vec::new();
    for (index, reader) in readers.iter_mut().enumerate() {
        reader.carry(new);
        let clears = reader.clears;
        reader.pull(new, db, 3);
        assert_eq!(reader.rows, anew.rows, "reader {index}");
        restated.push(reader.clears > clears);
    }
    assert!(restated.iter().all(|one| *one == restated[0]), "{restated:?}");
    restated[0]
}

fn todos_with(column: ColumnDef) -> Vec<TableDef> {
    vec![first()[0], table("todos", &[first()[1].columns, &[column]].concat())]
}

const LATE: &str = "UPDATE todos SET title = 'late ' || title WHERE n = 5";

#[test]
fn after_an_addition_readers_go_on() {
    for column in [
        null("due", Kind::Date),
        ColumnDef::new("rank", Kind::BigInt).default_value(|| Value::Int(5)),
        null("state", Kind::Text).default_value(|| Value::from("open")),
    ] {
        let mut db = sqlite();
        let mut readers = before(&mut db);
        let new = engine("2", &todos_with(column));
        open(&new, &mut db).unwrap();
        assert!(!go_on(&new, &mut db, &mut readers), "{}", column.name);
        batch(&mut db, LATE);
        assert!(!go_on(&new, &mut db, &mut readers), "{}", column.name);
    }
}

#[test]
fn a_backfill_reaches_readers_as_writes() {
    let mut db = sqlite();
    let mut readers = before(&mut db);
    let new = engine("2", &todos_with(null("upper", Kind::Text)));
    let backfill = Step::backfill("todos").set("upper", "upper(title)").batch(2);
    let migrated = run(&new, &mut db, &steps(&[("upper", backfill)])).unwrap();
    assert_eq!((migrated.rows, migrated.restated), (5, false));
    assert!(!go_on(&new, &mut db, &mut readers));
    // A unit for each batch: a page of three operations holds a whole one.
    assert!(readers[2].pages > 2);
    assert!(readers[2].rows.values().filter(|row| row.contains_key("upper")).all(|row| row["upper"].contains("TODO")));
}

#[test]
fn after_what_changes_the_shape_of_images_readers_begin_anew() {
    let replaced = |name: &str, other: ColumnDef| {
        let columns = first()[1].columns.iter().map(|column| if column.name == name { other } else { *column });
        vec![first()[0], table("todos", &columns.collect::<Vec<_>>())]
    };
    let text = |name| ColumnDef::new(name, Kind::Text);
    let cases: Vec<(Vec<TableDef>, &str, Step)> = vec![
        (replaced("title", text("name")), "UPDATE todos SET name = name || 'x' WHERE n = 5", Step::rename_column("todos", "title", "name")),
        (replaced("n", text("n")), "UPDATE todos SET n = n || 'x'", Step::change_type("todos", "n", "CAST(n AS TEXT)")),
        (replaced("note", text("note")), LATE, Step::fill("todos", "note", "''")),
        (todos_with(text("more")), LATE, Step::fill("todos", "more", "title || '+'")),
        (todos_with(ColumnDef::new("made_at", Kind::Timestamp).default_now()), LATE, Step::sql("SELECT 1")),
    ];
    for (tables, late, step) in cases {
        let mut db = sqlite();
        let mut readers = before(&mut db);
        let new = engine("2", &tables);
        let migrated = run(&new, &mut db, &steps(&[("it", step.clone())])).unwrap();
        assert!(migrated.restated, "{step:?}");
        assert!(go_on(&new, &mut db, &mut readers), "{step:?}");
        batch(&mut db, late);
        assert!(!go_on(&new, &mut db, &mut readers), "{step:?}");
    }
}

/// The images in the log lack the column: they stand for rows with the default of the time when it came.
#[test]
fn another_default_does_not_change_what_older_images_say() {
    let mut db = sqlite();
    let mut readers = before(&mut db);
    let ranked = |rank: fn() -> Value| todos_with(ColumnDef::new("rank", Kind::BigInt).default_value(rank));
    open(&engine("2", &ranked(|| Value::Int(5))), &mut db).unwrap();
    let new = engine("2", &ranked(|| Value::Int(6)));
    open(&new, &mut db).unwrap();
    assert!(go_on(&new, &mut db, &mut readers));
    assert!(readers[0].rows.values().all(|row| row.get("rank").is_none_or(|rank| rank == "\"5\"")));
    // Once: images hold the column by now.
    open(&engine("2", &ranked(|| Value::Int(7))), &mut db).unwrap();
    assert!(!go_on(&new, &mut db, &mut readers));
}

/// The images in the log hold a member of that name.
#[test]
fn a_column_that_was_dropped_and_comes_again_is_a_new_one() {
    let mut db = sqlite();
    let mut readers = before(&mut db);
    let columns: Vec<ColumnDef> = first()[1].columns.iter().copied().filter(|column| column.name != "note").collect();
    let without = engine("2", &[first()[0], table("todos", &columns)]);
    let migrated = run(&without, &mut db, &steps(&[("note goes", Step::drop_column("todos", "note"))])).unwrap();
    assert!(!migrated.restated);
    assert!(!go_on(&without, &mut db, &mut readers));
    let again = engine("3", &first());
    open(&again, &mut db).unwrap();
    assert!(go_on(&again, &mut db, &mut readers));
    assert!(readers[0].rows.values().all(|row| row.get("note").is_none_or(|note| note == "null")));
}

#[test]
fn a_table_that_was_dropped_and_comes_again_is_a_new_one() {
    let mut db = sqlite();
    let mut readers = before(&mut db);
    let without = engine("2", &[first()[0]]);
    run(&without, &mut db, &steps(&[("todos go", Step::drop_table("todos"))])).unwrap();
    assert!(!go_on(&without, &mut db, &mut readers));
    let other = engine("3", &[first()[0], table("todos", &[id("todos"), ColumnDef::new("title", Kind::Int)])]);
    open(&other, &mut db).unwrap();
    assert!(go_on(&other, &mut db, &mut readers));
}

#[test]
fn a_server_that_no_longer_fits_answers_nobody() {
    let mut db = sqlite();
    let old = engine("1", &first());
    before(&mut db);
    open(&old, &mut db).unwrap();
    let columns = first()[1].columns.iter().map(|column| match column.name {
        "n" => ColumnDef::new("n", Kind::Fixed(2)).default_value(|| Value::Int(7)),
        _ => *column,
    });
    let new = engine("2", &[first()[0], table("todos", &columns.collect::<Vec<_>>())]);
    run(&new, &mut db, &steps(&[("hundredths", Step::change_type("todos", "n", "n * 100"))])).unwrap();
    let caller = Caller { group: "g".to_owned(), ctx: Arc::new(()) };
    let request = serde_json::json!({
        "protocolVersion": PROTOCOL_VERSION, "schemaVersion": "1", "fingerprint": old.definition.schema.fingerprint_hex(),
        "clientGroupID": "g", "clientID": "c", "settled": 0, "mutations": []
    });
    let job = crate::server::PushJob { caller: caller.clone(), request: serde_json::from_value(request).unwrap() };
    let pushed = wait(old.push_group(&mut db, 0, &mut Counter::default(), &[job])).remove(0);
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
    assert_eq!(wait(old.pull(&mut db, 0, &caller, &request)).unwrap_err().status, 503);
}
