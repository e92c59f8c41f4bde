//! Every node of the representation against SQLite: the answer is written down here, and the evaluator must give it, too.

use super::*;
use crate::error::ErrorKind;
use crate::query::eval::{self, SqlRows};
use crate::query::ir::{Aggregate, ArithmeticOp, ColumnRef, Function, Group, Join, Rows, Source};
use crate::store::query::run as run_nested;

mod folded;
mod joined;
mod values;

static PERSON: TableDef = TableDef::new(
    "person",
    &[col("id", Kind::Id), col("name", Kind::Text), col("boss", Kind::Id), col("age", Kind::Int)],
);
static SALE: TableDef = TableDef::new(
    "sale",
    &[
        col("id", Kind::Id),
        col("by", Kind::Id),
        col("n", Kind::BigInt),
        col("price", Kind::Float),
        col("at", Kind::Timestamp),
    ],
);

fn id(n: u8) -> Value {
    Value::Text(format!("00000000-0000-4000-8000-{n:012}"))
}

fn text(text: &str) -> Value {
    Value::from(text)
}

/// Ann (40) is the boss of Bo (30) and Cy (no age); Dee is alone. Ann sold 1 and 2, Bo 4, nobody 8.
fn shop() -> SqliteConnection {
    let mut db = SqliteConnection::in_memory().unwrap();
    db.batch(&create_table(&PERSON, Side::Client)).unwrap();
    db.batch(&create_table(&SALE, Side::Client)).unwrap();
    for (n, name, boss, age) in [
        (1, "Ann", Value::Null, Value::Int(40)),
        (2, "Bo", id(1), Value::Int(30)),
        (3, "Cy", id(1), Value::Null),
        (4, "Dee", Value::Null, Value::Null),
    ] {
        db.execute("INSERT INTO person VALUES (?, ?, ?, ?)", &[id(n), text(name), boss, age]).unwrap();
    }
    for (n, by, count, price, at) in [
        (1, id(1), 1, 0.5, 0),
        (2, id(1), 2, 0.25, 1),
        (3, id(2), 4, 1e300, -1),
        (4, Value::Null, 8, -1e300, 86_400_000_000),
    ] {
        let row = [id(n), by, Value::Int(count), Value::Float(price), Value::Int(at)];
        db.execute("INSERT INTO sale VALUES (?, ?, ?, ?, ?)", &row).unwrap();
    }
    db
}

/// Both answers, which are the same.
#[track_caller]
fn ask(query: &Query) -> Vec<Vec<Value>> {
    let mut db = shop();
    let rows = run_nested(&mut db, query).unwrap_or_else(|e| panic!("{e}: {}", select(Dialect::Sqlite, query).sql));
    assert_eq!(eval::select(query, &mut SqlRows(&mut db)).unwrap(), rows, "{}", select(Dialect::Sqlite, query).sql);
    rows
}

/// Both fail alike.
#[track_caller]
fn fails(query: &Query) -> (ErrorKind, String) {
    let mut db = shop();
    let error = run_nested(&mut db, query).unwrap_err();
    let evaluated = eval::select(query, &mut SqlRows(&mut db)).unwrap_err();
    assert_eq!((evaluated.kind(), evaluated.message()), (error.kind(), error.message()));
    (error.kind(), error.message().to_owned())
}

fn c(table: &'static str, column: &'static str) -> Expr {
    Expr::column(table, column)
}

fn outer(table: &'static str, column: &'static str) -> Expr {
    Expr::Column(ColumnRef { level: 1, table, column })
}

fn int(n: i64) -> Expr {
    Expr::Literal(Value::Int(n))
}

fn literal(value: impl Into<Value>) -> Expr {
    Expr::Literal(value.into())
}

fn select_of(query: Query, exprs: Vec<Expr>) -> Query {
    Query { select: Select::Exprs(exprs), ..query }
}

/// The values of the first person, Ann.
fn of(exprs: Vec<Expr>) -> Query {
    select_of(Query { limit: Some(1), ..Query::all(&PERSON) }, exprs)
}

fn people_with(left: bool, source: Source, on: Expr) -> Query {
    Query { joins: vec![Join { left, source, on }], ..Query::all(&PERSON) }
}

fn aggregate(function: Aggregate, expr: Expr) -> Expr {
    Expr::Aggregate { function, expr: Some(Box::new(expr)) }
}

fn rows_counted() -> Expr {
    Expr::Aggregate { function: Aggregate::Count, expr: None }
}

fn grouped(table: &'static TableDef, keys: Vec<Expr>, having: Option<Expr>) -> Query {
    Query { group: Some(Group { keys, having }), ..Query::all(table) }
}

fn calculate(op: ArithmeticOp, kind: Kind, left: Expr, right: Expr) -> Expr {
    Expr::Arithmetic { op, kind, left: Box::new(left), right: Box::new(right) }
}

fn function(function: Function, args: Vec<Expr>) -> Expr {
    Expr::Function { function, args }
}

fn is_null(expr: Expr) -> Expr {
    Expr::IsNull(Box::new(expr))
}
