//! The evaluator against SQLite: the same rows, in the same order, for random queries over random rows.

#![cfg(feature = "sqlite")]

use std::cell::RefCell;

use proptest::prelude::*;

use super::generate::{Choices, TABLES};
use crate::Result;
use crate::query::eval::{RowSource, matches, select};
use crate::query::ir::{Expr, Query, Select};
use crate::query::lower::{self, Dialect};
use crate::schema::TableDef;
use crate::store::SqlConnection as _;
use crate::store::ddl::{Side, create_table, quote};
use crate::store::sqlite::SqliteConnection;
use crate::value::compare::compare;
use crate::value::{Kind, Row, Value};

/// Rows in memory. It uses the hint as an index would: only rows with that very value come back.
struct Memory(Vec<(&'static TableDef, Vec<Row>)>);

impl RowSource for Memory {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        let rows = self.0.iter().find(|(def, _)| *def == table).map(|(_, rows)| rows.clone()).unwrap_or_default();
        let Some((column, value)) = equal else { return Ok(rows) };
        assert!(!value.is_null(), "a hint is never NULL");
        let index = table.column_index(column).unwrap();
        Ok(rows.into_iter().filter(|row| compare(&row[index], value).is_eq()).collect())
    }
}

thread_local! {
    static DATABASE: RefCell<SqliteConnection> = RefCell::new({
        let mut db = SqliteConnection::in_memory().unwrap();
        for table in TABLES {
            db.batch(&create_table(table, Side::Client)).unwrap();
        }
        db
    });
}

/// One case. `spoil` changes the SQL before it runs: the identity, or a planted bug.
fn agree(rows: &[u16], queries: &[u16], spoil: &dyn Fn(String) -> String) -> std::result::Result<(), String> {
    DATABASE.with_borrow_mut(|db| {
        let mut choices = Choices::new(rows);
        let mut memory = Memory(Vec::new());
        for table in TABLES {
            let rows = choices.rows(table);
            db.execute(&format!("DELETE FROM {}", quote(table.name)), &[]).unwrap();
            let marks = vec!["?"; table.columns.len()].join(", ");
            let insert = format!("INSERT INTO {} VALUES ({marks})", quote(table.name));
            for row in &rows {
                db.execute(&insert, row).unwrap();
            }
            // The source promises no order: the worst one.
            memory.0.push((table, rows.into_iter().rev().collect()));
        }
        let mut choices = Choices::new(queries);
        for _ in 0..3 {
            let table = choices.table();
            let query = choices.query(table);
            same_rows(db, &mut memory, &query, spoil)?;
            // A condition's three truth values, for every row, in both forms.
            let filter = choices.filter(table);
            let truths = Query { select: Select::Exprs(vec![filter.clone()]), ..Query::all(table) };
            same_rows(db, &mut memory, &truths, spoil)?;
            same_matches(db, &mut memory, table, &filter, spoil)?;
        }
        Ok(())
    })
}

fn same_rows(
    db: &mut SqliteConnection,
    memory: &mut Memory,
    query: &Query,
    spoil: &dyn Fn(String) -> String,
) -> std::result::Result<(), String> {
    let lowered = lower::select(Dialect::Sqlite, query);
    let sql = spoil(lowered.sql);
    let from_sqlite = db.query(&sql, &lowered.params, &lowered.kinds).map_err(|e| format!("{e}\n{sql}"))?;
    let evaluated = select(query, memory).map_err(|e| e.to_string())?;
    if from_sqlite == evaluated {
        return Ok(());
    }
    Err(format!(
        "sqlite    {from_sqlite:?}\nevaluator {evaluated:?}\n{sql}\n{:?}\n{query:#?}\n{:?}",
        lowered.params, memory.0
    ))
}

fn same_matches(
    db: &mut SqliteConnection,
    memory: &mut Memory,
    table: &'static TableDef,
    filter: &Expr,
    spoil: &dyn Fn(String) -> String,
) -> std::result::Result<(), String> {
    let (condition, params) = lower::condition(Dialect::Sqlite, table, "relation", filter, &|name| name.to_owned());
    let sql = spoil(format!("SELECT id FROM {} AS relation WHERE {condition} ORDER BY id", quote(table.name)));
    let from_sqlite = db.query(&sql, &params, &[Kind::Id]).map_err(|e| format!("{e}\n{sql}"))?;
    let mut evaluated = Vec::new();
    for row in memory.rows(table, None).unwrap() {
        if matches(filter, table, &row, memory).map_err(|e| e.to_string())? == Some(true) {
            evaluated.push(vec![row[table.id].clone()]);
        }
    }
    evaluated.sort_by(|a, b| compare(&a[0], &b[0]));
    if from_sqlite == evaluated {
        Ok(())
    } else {
        Err(format!("sqlite {from_sqlite:?}, evaluator {evaluated:?}\n{sql}\n{params:?}"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, max_shrink_iters: 20_000, ..ProptestConfig::default() })]
    #[test]
    fn the_evaluator_answers_as_sqlite_does(
        rows in prop::collection::vec(any::<u16>(), 0..500),
        queries in prop::collection::vec(any::<u16>(), 0..500),
    ) {
        if let Err(difference) = agree(&rows, &queries, &|sql| sql) {
            prop_assert!(false, "{}", difference);
        }
    }
}

/// The comparison is worth something: each planted bug is found within as many cases as the test above runs.
#[test]
fn planted_bugs_are_found() {
    type Spoil = (&'static str, fn(String) -> String);
    let bugs: [Spoil; 8] = [
        ("NULL last", |sql| sql.replace(" ASC, ", " ASC NULLS LAST, ")),
        ("case-insensitive LIKE", |sql| {
            sql.replace("\" GLOB ?", "\" COLLATE NOCASE GLOB ?").replace(" GLOB ?", " LIKE replace(?, '*', '%')")
        }),
        ("case-insensitive text", |sql| sql.replace("\" = ", "\" COLLATE NOCASE = ")),
        ("IS as equality", |sql| sql.replace(" IS \"", " = \"")),
        ("ties in any order", |sql| sql.replace("\"id\" ASC", "\"id\" DESC")),
        ("unknown is false", |sql| sql.replace("NOT ", "NOT TRUE IS ")),
        ("wrong level", |sql| sql.replace("= \"_plasma_0\".\"id\"", "= \"_plasma_1\".\"id\"")),
        ("no offset", |sql| sql.replace(" OFFSET ?", " OFFSET 0 * ?")),
    ];
    for (name, spoil) in bugs {
        let mut state = 1u64;
        let found = (0..4_000).find(|_| {
            let mut numbers = |count| -> Vec<u16> {
                (0..count)
                    .map(|_| {
                        // Knuth's MMIX generator.
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        (state >> 48) as u16
                    })
                    .collect()
            };
            // A difference in rows, not a statement that SQLite refuses.
            agree(&numbers(400), &numbers(400), &spoil).is_err_and(|difference| difference.starts_with("sqlite"))
        });
        assert!(found.is_some(), "the planted bug `{name}` was not found");
    }
}
