//! A confined query over all rows answers as the query itself over a database without the hidden ones.

use super::*;
use crate::query::ir::{Aggregate, ArithmeticOp, ColumnRef, CompareOp, Group, Join, Nested, Order, Select};
use crate::schema::ColumnDef;
use crate::store::SqlConnection;
use crate::store::ddl::{Side, create_table};
use crate::store::query::run;
use crate::store::sqlite::SqliteConnection;
use crate::value::{Kind, Row, Value};

const fn col(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
}

static PERSON: TableDef =
    TableDef::new("person", &[col("id", Kind::Id), col("boss", Kind::Id), col("secret", Kind::Int)]);
static SALE: TableDef = TableDef::new("sale", &[col("id", Kind::Id), col("by", Kind::Id), col("n", Kind::BigInt)]);

fn id(n: i64) -> Value {
    Value::Text(format!("00000000-0000-4000-8000-{n:012}"))
}

/// Nine people, each third of them secret, the boss of k being k / 2; of each three sales.
fn all() -> SqliteConnection {
    let mut db = SqliteConnection::in_memory().unwrap();
    SqlConnection::batch(&mut db, &create_table(&PERSON, Side::Client)).unwrap();
    SqlConnection::batch(&mut db, &create_table(&SALE, Side::Client)).unwrap();
    for k in 1..10 {
        let boss = if k == 1 { Value::Null } else { id(k / 2) };
        let row = [id(k), boss, Value::Int(i64::from(k % 3 == 0))];
        SqlConnection::execute(&mut db, "INSERT INTO person VALUES (?, ?, ?)", &row).unwrap();
        for n in 0..3 {
            let row = [id(10 * k + n), id(k), Value::Int(n)];
            SqlConnection::execute(&mut db, "INSERT INTO sale VALUES (?, ?, ?)", &row).unwrap();
        }
    }
    db
}

/// Nobody secret, and the sales above 0 of those who are not.
fn rule(table: &TableDef) -> Result<Option<Expr>> {
    let open = |person: Expr| Expr::eq(person, Expr::Literal(Value::Int(0)));
    if table.name == "person" {
        return Ok(Some(open(c("person", "secret"))));
    }
    let seller = Query::all(&PERSON)
        .filter(Expr::eq(c("person", "id"), outer("sale", "by")))
        .filter(open(c("person", "secret")));
    Ok(Some(positive().and(Expr::Exists(Box::new(seller)))))
}

fn positive() -> Expr {
    Expr::compare(CompareOp::Gt, c("sale", "n"), Expr::Literal(Value::Int(0)))
}

fn c(table: &'static str, column: &'static str) -> Expr {
    Expr::column(table, column)
}

fn outer(table: &'static str, column: &'static str) -> Expr {
    Expr::Column(ColumnRef { level: 1, table, column })
}

fn rows(query: &Query) -> Vec<Row> {
    run(&mut all(), query).unwrap()
}

/// The rows the caller gets, which are those of a database that has no others.
#[track_caller]
fn readable(query: &Query) -> Vec<Row> {
    let mut confined = query.clone();
    to_readable(&mut confined, &rule).unwrap();
    let found = rows(&confined);
    let mut db = all();
    SqlConnection::batch(
        &mut db,
        "DELETE FROM person WHERE secret = 1; DELETE FROM sale WHERE n = 0 OR by NOT IN (SELECT id FROM person)",
    )
    .unwrap();
    assert_eq!(found, run(&mut db, query).unwrap());
    assert_ne!(found, rows(query), "the rules change nothing here");
    found
}

fn select(query: Query, exprs: Vec<Expr>) -> Query {
    Query { select: Select::Exprs(exprs), ..query }
}

fn bosses(left: bool) -> Query {
    let source = Source { name: "b", ..Source::table(&PERSON) };
    let joins = vec![Join { left, source, on: Expr::eq(c("b", "id"), c("person", "boss")) }];
    select(Query { joins, ..Query::all(&PERSON) }, vec![c("person", "id"), c("b", "id")])
}

#[test]
fn a_left_join_keeps_the_row_whose_partner_is_hidden() {
    let found = readable(&bosses(true));
    // 7 is a man of 3, who is secret.
    assert!(found.contains(&vec![id(7), Value::Null]) && found.len() == 6, "{found:?}");
    assert!(!readable(&bosses(false)).iter().any(|row| row[0] == id(7)));
    readable(&bosses(true).filter(Expr::IsNull(Box::new(c("b", "id")))));
}

#[test]
fn aggregates_and_counts_are_of_readable_rows() {
    let counted = Expr::Aggregate { function: Aggregate::Count, expr: None };
    let sum = Expr::Aggregate { function: Aggregate::Sum, expr: Some(Box::new(c("sale", "n"))) };
    let folded = Query { group: Some(Group { keys: vec![], having: None }), ..Query::all(&SALE) };
    assert_eq!(readable(&select(folded, vec![counted.clone(), sum])), [[Value::Int(12), Value::Int(18)]]);
    let by = Query { group: Some(Group { keys: vec![c("sale", "by")], having: None }), ..Query::all(&SALE) };
    assert_eq!(readable(&select(by.clone(), vec![c("sale", "by"), counted])).len(), 6);
    assert_eq!(readable(&Query { select: Select::Count, ..by }), [[Value::Int(6)]]);
    assert_eq!(readable(&Query { select: Select::Count, ..Query::all(&SALE) }), [[Value::Int(12)]]);
    let counted = Query { select: Select::Count, ..Query::all(&SALE) };
    let distinct = Query { distinct: true, ..select(Query::all(&SALE), vec![c("sale", "n")]) };
    assert_eq!(readable(&distinct).len(), 2);
    // As a value beside a row.
    let own = Expr::Scalar(Box::new(counted.filter(Expr::eq(c("sale", "by"), outer("person", "id")))));
    readable(&select(Query::all(&PERSON), vec![own]));
}

#[test]
fn queries_in_the_place_of_tables_are_confined_too() {
    let mut top = select(Query::all(&SALE), vec![c("sale", "by"), c("sale", "n")]);
    top.order.push(Order { expr: c("sale", "n"), descending: false });
    top.limit = Some(4);
    let source = Source { name: "top", rows: Rows::Query(Box::new(top), vec!["by", "n"]) };
    assert_eq!(readable(&Query::of(source.clone())).len(), 4);
    let on = Expr::eq(c("top", "by"), c("person", "id"));
    readable(&Query { joins: vec![Join { left: true, source, on }], ..Query::all(&PERSON) });
    let alias = Source { name: "s", ..Source::table(&SALE) };
    readable(&Query::of(alias));
}

#[test]
fn conditions_of_joins_and_conditions_in_conditions_see_readable_rows_only() {
    let sold = Query::all(&SALE).filter(Expr::eq(c("sale", "by"), outer("b", "id")));
    let mut query = bosses(true);
    query.joins[0].on = query.joins[0].on.clone().and(Expr::Not(Box::new(Expr::Exists(Box::new(sold)))));
    readable(&query);
    let sellers = select(Query::all(&SALE), vec![c("sale", "by")]);
    let none = Expr::InQuery { expr: Box::new(c("person", "id")), query: Box::new(sellers) };
    readable(&Query::all(&PERSON).filter(Expr::Not(Box::new(Expr::Not(Box::new(none))))));
}

#[test]
fn related_rows_obey_the_rules_at_every_depth() {
    let parent = |column| ColumnRef { level: 0, table: "person", column };
    let mut sales = select(Query::all(&SALE), vec![c("sale", "n")]);
    sales.limit = Some(1);
    let mut people = select(Query::all(&PERSON), vec![c("person", "id")]);
    people.nested.push(Nested { parent: parent("id"), column: "by", query: sales.clone() });
    let mut query = select(Query::all(&PERSON), vec![c("person", "id")]);
    query.nested.push(Nested { parent: parent("id"), column: "boss", query: people });
    query.nested.push(Nested { parent: parent("boss"), column: "id", query: Query::all(&PERSON) });
    let found = readable(&query);
    // 1 has 2 and 3 below it, of which 3 is hidden; the first sale of 2 that may be read is that of 1.
    let two = vec![id(2), Value::Rows(vec![vec![Value::Int(1)]])];
    assert_eq!(found[0][1], Value::Rows(vec![two]));
    // A joined table inside of a nested query.
    let mut joined = sales;
    let source = Source { name: "b", ..Source::table(&PERSON) };
    joined.joins.push(Join { left: true, source, on: Expr::eq(c("b", "id"), c("sale", "by")) });
    let mut query = select(Query::all(&PERSON), vec![c("person", "id")]);
    query.nested.push(Nested { parent: parent("id"), column: "by", query: joined });
    readable(&query);
}

/// `9 / (n - 5)` of the column, which fails for a 5.
fn quotient(column: Expr) -> Expr {
    let int = |n| Box::new(Expr::Literal(Value::Int(n)));
    let arithmetic = |op, left, right| Expr::Arithmetic { op, kind: Kind::BigInt, left, right };
    let rest = arithmetic(ArithmeticOp::Sub, Box::new(column), int(5));
    arithmetic(ArithmeticOp::Div, int(9), Box::new(rest))
}

fn positive_quotient(column: Expr) -> Expr {
    Expr::compare(CompareOp::Gt, quotient(column), Expr::Literal(Value::Int(-100)))
}

#[test]
fn a_calculation_never_fails_on_a_row_that_may_not_be_read() {
    // A sale of 5 by 3, who is secret.
    let mut db = all();
    SqlConnection::execute(&mut db, "INSERT INTO sale VALUES (?, ?, ?)", &[id(99), id(3), Value::Int(5)]).unwrap();
    let mut check = |query: Query| {
        let mut confined = query.clone();
        to_readable(&mut confined, &rule).unwrap();
        let found = run(&mut db, &confined).unwrap_or_else(|error| panic!("{error}: {confined:?}"));
        assert!(!found.is_empty());
        assert!(run(&mut db, &query).is_err(), "nothing fails without the rule");
    };
    let n = || positive_quotient(c("sale", "n"));
    check(Query::all(&SALE).filter(n()));
    check(Query::all(&SALE).filter(Expr::Not(Box::new(Expr::Not(Box::new(n()))))));
    check(Query { select: Select::Count, ..Query::all(&SALE).filter(n()) });
    // Joined, in the condition of the join, and under another name.
    let by = || Expr::eq(c("sale", "by"), c("person", "id"));
    let join = |left, on| vec![Join { left, source: Source::table(&SALE), on }];
    check(Query { joins: join(false, by()), ..Query::all(&PERSON) }.filter(n()));
    check(Query { joins: join(true, n().and(by())), ..Query::all(&PERSON) });
    check(Query::of(Source { name: "s", ..Source::table(&SALE) }).filter(positive_quotient(c("s", "n"))));
    // In the place of a table: outside, and inside where it is only selected.
    let source = |query, name| Query::of(Source { name: "d", rows: Rows::Query(Box::new(query), vec![name]) });
    let plain = select(Query::all(&SALE), vec![c("sale", "n")]);
    check(source(plain, "n").filter(positive_quotient(c("d", "n"))));
    let calculated = select(Query::all(&SALE), vec![quotient(c("sale", "n"))]);
    check(source(calculated, "q").filter(Expr::Not(Box::new(Expr::IsNull(Box::new(c("d", "q")))))));
    // In a sub-query.
    let counted = |query| Box::new(Query { select: Select::Count, ..query });
    let some = |query| Expr::compare(CompareOp::Gt, Expr::Scalar(counted(query)), Expr::Literal(Value::Int(0)));
    check(Query::all(&PERSON).filter(some(Query::all(&SALE).filter(n()))));
    check(Query::all(&SALE).filter(some(Query::all(&PERSON).filter(positive_quotient(outer("sale", "n"))))));
}

#[test]
fn beside_a_calculation_other_conditions_are_asked_first() {
    let even = |column| {
        let two = Box::new(Expr::Literal(Value::Int(2)));
        let rest = Expr::Arithmetic { op: ArithmeticOp::Rem, kind: Kind::BigInt, left: Box::new(column), right: two };
        Expr::eq(rest, Expr::Literal(Value::Int(0)))
    };
    let by_two = Expr::eq(c("sale", "by"), Expr::Literal(id(2)));
    let query = Query::all(&SALE).filter(even(c("sale", "n"))).filter(by_two);
    assert_eq!(readable(&query), [vec![id(22), id(2), Value::Int(2)]]);
    let mut confined = query;
    to_readable(&mut confined, &rule).unwrap();
    let Rows::Query(inner, _) = &confined.from.rows else { panic!("{confined:?}") };
    assert!(format!("{:?}", inner.filter).contains("\"by\""), "an index may serve it: {inner:?}");
    // A condition about the row of the query around it stays where that row is seen.
    let sold = Query::all(&SALE).filter(Expr::eq(c("sale", "by"), outer("person", "id"))).filter(even(c("sale", "n")));
    readable(&Query::all(&PERSON).filter(Expr::Exists(Box::new(sold))));
}

#[test]
fn a_rule_that_cannot_be_bound_fails_the_read() {
    let fails = |_: &TableDef| Err(crate::Error::unauthorized("who are you"));
    let mut query = bosses(true);
    assert!(to_readable(&mut query, &fails).is_err());
}
