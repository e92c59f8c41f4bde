//! What the comparison has found, each as the smallest case that shows it.

use super::coverage::Tally;
use super::steps::Bug;
use super::watch::Watched;
use super::world::{End, World};
use crate::query::eval::tests::generate::{TABLES, row_id};
use crate::query::ir::{ArithmeticOp, ColumnRef, Expr, Join, Nested, Order, Query, Rows, Select, Source};
use crate::schema::TableDef;
use crate::value::{Kind, Row, Value};

const SOME: &TableDef = TABLES[1];
/// Its columns are id, ref, bool.
const FEW: &TableDef = TABLES[2];

fn few(n: usize, of: usize, bool: bool) -> Row {
    vec![row_id(n).into(), row_id(of).into(), Value::Bool(bool)]
}

fn some(n: usize, of: usize) -> Row {
    let mut row = vec![Value::Null; SOME.columns.len()];
    (row[0], row[1]) = (row_id(n).into(), row_id(of).into());
    row
}

fn column(name: &'static str) -> Expr {
    Expr::column(FEW.name, name)
}

fn by_bool(select: Select) -> Query {
    let order = vec![Order { expr: column("bool"), descending: true }];
    Query { select, order, ..Query::all(FEW) }
}

fn id() -> Select {
    Select::Exprs(vec![column("id")])
}

/// The rows of `table` whose `ref` is that of the row.
fn related(parent: &'static str, name: &'static str, table: &'static TableDef) -> Nested {
    let parent = ColumnRef { level: 0, table: parent, column: name };
    Nested { parent, column: "ref", query: Query::all(table) }
}

/// A row that is put or removed.
type Write = (&'static TableDef, usize, Option<Row>);

/// Opens the query over the rows and looks at it after each transaction.
fn assert_followed(query: Query, few_rows: Vec<Row>, some_rows: Vec<Row>, transactions: &[&[Write]]) {
    let mut world = World::new(vec![(TABLES[0], Vec::new()), (SOME, some_rows), (FEW, few_rows)]);
    let mut watched = Watched::open(&world, query, Bug::NONE.rewrite);
    let mut tally = Tally::default();
    let mut look = |world: &World, at: usize| {
        if let Err(wrong) = watched.look(world, &mut tally) {
            panic!("after transaction {at}: {wrong}");
        }
    };
    look(&world, 0);
    for (at, writes) in transactions.iter().enumerate() {
        let was = world.tables.clone();
        let journal = writes.iter().map(|(table, n, row)| world.set(table, &row_id(*n), row.clone())).collect();
        world.end(was, journal, End::Committed, Bug::NONE.spoil);
        look(&world, at + 1);
    }
}

/// Its one row came with the first row that was counted.
#[test]
fn a_count_of_nothing_stands_as_a_table() {
    let count = Query { select: Select::Count, ..Query::all(FEW) };
    let query = Query::of(Source { name: "counted", rows: Rows::Query(Box::new(count), vec!["id"]) });
    assert_followed(query, vec![], vec![], &[&[(FEW, 0, Some(few(0, 0, true)))], &[(FEW, 0, None)]]);
}

/// Related rows were put where the row had been sorted before.
#[test]
fn a_row_with_related_rows_is_sorted_by_another_value_and_stays_where_it_is() {
    let query = Query { nested: vec![related(FEW.name, "ref", SOME)], ..by_bool(id()) };
    let resorted: &[Write] = &[(FEW, 0, Some(few(0, 0, true)))];
    assert_followed(query, vec![few(0, 0, false)], vec![], &[resorted, &[(SOME, 0, Some(some(0, 0)))]]);
}

/// It was told as a change.
#[test]
fn a_row_whose_tie_changes_from_no_related_rows_to_none_does_not_change() {
    let query = Query { nested: vec![related(FEW.name, "ref", SOME)], ..by_bool(id()) };
    // Another row comes, so that something is said at all.
    let steps: &[&[Write]] = &[&[(FEW, 0, Some(few(0, 1, true))), (FEW, 1, Some(few(1, 2, false)))]];
    assert_followed(query, vec![few(0, 0, true)], vec![], steps);
}

/// It was told as a move.
#[test]
fn a_row_that_passes_only_what_leaves_the_window_does_not_move() {
    let query = Query { offset: Some(1), ..by_bool(id()) };
    let rows = vec![few(0, 0, true), few(1, 0, true), few(2, 0, true)];
    let steps: &[&[Write]] = &[&[(FEW, 0, None), (FEW, 1, Some(few(1, 0, false)))]];
    assert_followed(query, rows, vec![], steps);
}

/// The copy came with the related rows of before.
#[test]
fn a_copy_of_a_row_comes_while_its_related_rows_change() {
    let bools = Query { select: Select::Exprs(vec![column("bool")]), ..Query::all(FEW) };
    let from = Source { name: "bools", rows: Rows::Query(Box::new(bools), vec!["is"]) };
    let on = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::column(SOME.name, "id")))));
    let query = Query {
        joins: vec![Join { left: false, source: Source::table(SOME), on }],
        select: Select::Exprs(vec![Expr::column(SOME.name, "id")]),
        nested: vec![related(SOME.name, "id", FEW)],
        ..Query::of(from)
    };
    let steps: &[&[Write]] = &[&[(FEW, 1, Some(few(1, 0, true)))], &[(FEW, 0, None)]];
    assert_followed(query, vec![few(0, 0, true)], vec![some(0, 0)], steps);
}

/// A row came whose list was in order already when its related rows could not be calculated: it was taken for one that had
/// been there.
#[test]
fn a_row_comes_while_related_rows_of_nobody_overflow() {
    let sum = Expr::Arithmetic {
        op: ArithmeticOp::Add,
        kind: Kind::BigInt,
        left: Box::new(Expr::column(SOME.name, "bigint")),
        right: Box::new(Expr::Literal(Value::Int(i64::MAX))),
    };
    let mut nested = related(FEW.name, "id", SOME);
    nested.query.order = vec![Order { expr: sum, descending: false }];
    let query = Query { nested: vec![nested], ..by_bool(id()) };
    let mut overflows = some(0, 9);
    overflows[4] = Value::Int(1);
    let steps: &[&[Write]] = &[&[(FEW, 1, Some(few(1, 0, true))), (SOME, 0, Some(overflows))]];
    assert_followed(query, vec![few(0, 0, true)], vec![], steps);
}
