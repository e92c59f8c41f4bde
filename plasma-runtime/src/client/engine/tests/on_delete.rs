//! The engine's own `on_delete` against SQLite's native actions: random schemas, random rows, the same end or the same
//! refusal.

use super::support::{Seeded, id};
use crate::client::executor::{ClientExecutor, Mode};
use crate::client::footprint::Footprint;
use crate::client::on_delete;
use crate::client::rows::{Texts, Writer};
use crate::error::ErrorKind;
use crate::future::poll_once;
use crate::mutate::{Access, Executor};
use crate::query::ir::{CompareOp, Expr, Write};
use crate::schema::{ColumnDef, OnDelete, SchemaDef, TableDef};
use crate::store::SqlConnection;
use crate::store::ddl::{self, Side};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Row, Value};

const NAMES: [&str; 4] = ["ta", "tb", "tc", "td"];
const COLUMNS: [&str; 3] = ["fk1", "fk2", "fk3"];

/// A schema of one to four tables; every table has up to three references, to itself, to earlier and to later tables.
fn random_schema(rng: &mut Seeded) -> SchemaDef {
    let count = 1 + rng.below(4) as usize;
    let mut tables: Vec<&'static TableDef> = Vec::new();
    for name in &NAMES[..count] {
        let mut columns = vec![ColumnDef { kind: Kind::Id, ..ColumnDef::of::<String>("id") }];
        for column in &COLUMNS[..rng.below(4) as usize] {
            let action = match rng.below(10) {
                0 => OnDelete::NoAction,
                1 => OnDelete::Restrict,
                2..7 => OnDelete::Cascade,
                _ => OnDelete::SetNull,
            };
            columns.push(ColumnDef {
                kind: Kind::Id,
                nullable: rng.below(8) > 0,
                unique: rng.below(8) == 0,
                references: Some(NAMES[rng.below(count as u64) as usize]),
                on_delete: action,
                ..ColumnDef::of::<String>(column)
            });
        }
        // Test schemas are few and small: they live as long as the process.
        tables.push(Box::leak(Box::new(TableDef::new(name, Box::leak(columns.into_boxed_slice())))));
    }
    SchemaDef {
        name: "Random",
        version: "1",
        fingerprint: 0,
        tables: Box::leak(tables.into_boxed_slice()),
        locked: &[],
    }
}

fn open(schema: &SchemaDef, side: Side) -> SqliteConnection {
    let mut store = SqliteConnection::in_memory().unwrap();
    store.batch("PRAGMA foreign_keys = ON").unwrap();
    for table in schema.tables {
        store.batch(&ddl::create_table(table, side)).unwrap();
    }
    store
}

fn rows(store: &mut SqliteConnection, schema: &SchemaDef) -> Vec<Vec<Row>> {
    let all = |table: &&TableDef| {
        let kinds: Vec<Kind> = table.columns.iter().map(|column| column.kind).collect();
        store.query(&format!("SELECT * FROM {} ORDER BY id", table.name), &[], &kinds).unwrap()
    };
    schema.tables.iter().map(all).collect()
}

#[test]
fn equals_the_native_actions() {
    let (mut deleted, mut refused, mut set_null, mut cascaded) = (0, 0, 0, 0);
    for seed in 0..400 {
        let mut rng = Seeded(seed);
        let schema = random_schema(&mut rng);
        let texts = Texts::new(&schema);
        let mut native = open(&schema, Side::Server);
        let mut ours = open(&schema, Side::Client);
        // Rows in any order, references into what is there; those the native keys refuse are nowhere.
        let mut ids: Vec<(usize, String)> = Vec::new();
        for n in 0..(4 + rng.below(20) as u32) {
            let at = rng.below(schema.tables.len() as u64) as usize;
            let table = schema.tables[at];
            let mut row: Row = vec![id(n).into()];
            for column in &table.columns[1..] {
                let targets: Vec<&String> =
                    ids.iter().filter(|(t, _)| Some(NAMES[*t]) == column.references).map(|(_, id)| id).collect();
                let own = column.references == Some(table.name) && rng.below(10) == 0;
                row.push(match (rng.below(5), targets.is_empty()) {
                    _ if own => id(n).into(),
                    (0, _) | (_, true) => Value::Null,
                    _ => targets[rng.below(targets.len() as u64) as usize].as_str().into(),
                });
            }
            let places: Vec<&str> = row.iter().map(|_| "?").collect();
            let sql = format!("INSERT INTO {} VALUES ({})", table.name, places.join(", "));
            if native.execute(&sql, &row).is_ok() {
                ours.execute(&sql, &row).unwrap();
                ids.push((at, id(n)));
            }
        }
        assert_eq!(rows(&mut native, &schema), rows(&mut ours, &schema));
        while !ids.is_empty() {
            let (at, victim) = ids.swap_remove(rng.below(ids.len() as u64) as usize);
            let table = schema.tables[at];
            let expected =
                native.execute(&format!("DELETE FROM {} WHERE id = ?", table.name), &[victim.as_str().into()]);
            ours.batch("BEGIN").unwrap();
            let mut writer = Writer::new(&mut ours, &texts);
            let Some(before) = writer.read(table, &victim).unwrap() else {
                assert_eq!(expected.unwrap(), 0, "seed {seed}");
                ours.batch("COMMIT").unwrap();
                continue;
            };
            let mut reads = Footprint::default();
            let result = writer.savepoint(|writer| {
                let mut kept = on_delete::Kept::new();
                on_delete::delete(writer, &schema, &mut reads, &mut kept, table, &victim, before)?;
                on_delete::check(writer, &mut reads, kept)
            });
            set_null += writer.journal.iter().filter(|change| change.after.is_some()).count();
            cascaded += writer.journal.iter().filter(|change| change.after.is_none()).count().saturating_sub(1);
            assert!(!writer.failed);
            ours.batch("COMMIT").unwrap();
            match (&expected, &result) {
                (Ok(_), Ok(())) => deleted += 1,
                (Err(_), Err(error)) => {
                    assert_eq!(error.kind(), ErrorKind::Conflict);
                    refused += 1;
                }
                _ => panic!("seed {seed}: native {expected:?}, ours {result:?}, {schema:?}"),
            }
            assert_eq!(rows(&mut native, &schema), rows(&mut ours, &schema), "seed {seed}, {} {victim}", table.name);
        }
    }
    assert!(
        deleted > 1_000 && refused > 300 && set_null > 100 && cascaded > 500,
        "{deleted} {refused} {set_null} {cascaded}"
    );
}

#[test]
fn a_chain_too_deep_for_sqlite_is_too_deep_here() {
    static CHAIN: TableDef = TableDef::new(
        "chain",
        &[
            ColumnDef { kind: Kind::Id, ..ColumnDef::of::<String>("id") },
            ColumnDef {
                kind: Kind::Id,
                nullable: true,
                references: Some("chain"),
                on_delete: OnDelete::Cascade,
                ..ColumnDef::of::<String>("parent")
            },
        ],
    );
    static TABLES: [&TableDef; 1] = [&CHAIN];
    let schema = SchemaDef { name: "Chain", version: "1", fingerprint: 0, tables: &TABLES, locked: &[] };
    let texts = Texts::new(&schema);
    for (length, fits) in [(900, true), (1_100, false)] {
        let mut native = open(&schema, Side::Server);
        let mut ours = open(&schema, Side::Client);
        for n in 0..length {
            let parent = if n == 0 { Value::Null } else { id(n - 1).into() };
            for store in [&mut native, &mut ours] {
                store.execute("INSERT INTO chain VALUES (?, ?)", &[id(n).into(), parent.clone()]).unwrap();
            }
        }
        assert_eq!(native.execute("DELETE FROM chain WHERE id = ?", &[id(0).into()]).is_ok(), fits);
        let mut writer = Writer::new(&mut ours, &texts);
        let before = writer.read(&CHAIN, &id(0)).unwrap().unwrap();
        let result =
            on_delete::delete(&mut writer, &schema, &mut Footprint::default(), &mut Vec::new(), &CHAIN, &id(0), before);
        assert_eq!(result.is_ok(), fits, "{result:?}");
    }
}

#[test]
fn one_statement_may_delete_a_row_and_what_references_it_in_any_order() {
    static TREE: TableDef = TableDef::new(
        "tree",
        &[
            ColumnDef { kind: Kind::Id, ..ColumnDef::of::<String>("id") },
            ColumnDef { kind: Kind::Id, nullable: true, references: Some("tree"), ..ColumnDef::of::<String>("parent") },
        ],
    );
    static TABLES: [&TableDef; 1] = [&TREE];
    let schema = SchemaDef { name: "Tree", version: "1", fingerprint: 0, tables: &TABLES, locked: &[] };
    let texts = Texts::new(&schema);
    let definition = crate::schema::Definition { schema, mutators: Vec::new(), policies: Vec::new() };
    for (limit, fits) in [(9, true), (1, false)] {
        let mut native = open(&schema, Side::Server);
        let mut ours = open(&schema, Side::Client);
        for n in 0..3 {
            let parent = if n == 0 { Value::Null } else { id(n - 1).into() };
            for store in [&mut native, &mut ours] {
                store.execute("INSERT INTO tree VALUES (?, ?)", &[id(n).into(), parent.clone()]).unwrap();
            }
        }
        assert_eq!(native.execute("DELETE FROM tree WHERE id < ?", &[id(limit).into()]).is_ok(), fits);
        let mut writer = Writer::new(&mut ours, &texts);
        let mut executor = ClientExecutor::new(&mut writer, &definition, &(), Mode::First);
        let filter = Expr::compare(CompareOp::Lt, Expr::column("tree", "id"), Expr::Literal(id(limit).into()));
        let write = Write::DeleteWhere { table: &TREE, filter };
        let result = poll_once(executor.write(write, Access::Checked)).unwrap();
        assert_eq!(result.is_ok(), fits, "{result:?}");
        assert_eq!(rows(&mut native, &schema), rows(&mut ours, &schema));
    }
}
