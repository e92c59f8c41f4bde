//! What the comparison has found, each as the smallest query that shows it.

#[cfg(feature = "postgres")]
use super::backend::Postgres;
use super::backend::{Backend as _, Memory, Sqlite};
use super::generate::{TABLES, row_id};
use crate::query::eval::select;
use crate::query::ir::{Aggregate, ColumnRef, Expr, Function, Group, Order, Query, Rows, Select, Source};
use crate::schema::TableDef;
use crate::value::{Row, Value};

const FEW: &TableDef = TABLES[2];

/// Rows (id, ref, bool).
fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|n| vec![row_id(n).into(), row_id(9).into(), Value::Bool(n % 2 == 0)]).collect()
}

fn assert_all(query: &Query, count: usize, expected: &[Row]) {
    let tables = vec![(FEW, rows(count))];
    let mut sqlite = Sqlite::new();
    sqlite.load(&tables).unwrap();
    assert_eq!(sqlite.run(query).unwrap(), expected, "sqlite: {}", sqlite.explain(query));
    #[cfg(feature = "postgres")]
    if let Some(mut postgres) = Postgres::new() {
        postgres.load(&tables).unwrap();
        assert_eq!(postgres.run(query).unwrap(), expected, "postgres: {}", postgres.explain(query));
    }
    assert_eq!(select(query, &mut Memory::new(tables)).unwrap(), expected, "the evaluator");
}

fn column(name: &'static str) -> Expr {
    Expr::column("few", name)
}

fn count(expr: Option<Expr>) -> Expr {
    Expr::Aggregate { function: Aggregate::Count, expr: expr.map(Box::new) }
}

fn grouped(keys: Vec<Expr>, select: Vec<Expr>) -> Query {
    Query { group: Some(Group { keys, having: None }), select: Select::Exprs(select), ..Query::all(FEW) }
}

fn chosen(exprs: Vec<Expr>) -> Query {
    Query { select: Select::Exprs(exprs), ..Query::all(FEW) }
}

/// SQLite drops the DISTINCT of an EXISTS, so that its offset counted repetitions.
#[test]
fn an_offset_counts_distinct_rows_inside_of_exists() {
    for (offset, expected) in [(0, true), (1, false)] {
        let inner = Query { distinct: true, offset: Some(offset), ..chosen(vec![column("ref")]) };
        let outer = Query { limit: Some(1), ..chosen(vec![Expr::Exists(Box::new(inner))]) };
        assert_all(&outer, 3, &[vec![Value::Bool(expected)]]);
    }
}

/// The limit of such a query was ordered by positions that were not selected.
#[test]
fn a_distinct_query_with_a_limit_inside_of_exists() {
    let inner = Query {
        distinct: true,
        limit: Some(1),
        order: vec![Order { expr: column("bool"), descending: true }],
        ..chosen(vec![column("ref"), column("bool")])
    };
    assert_all(&Query::all(FEW).filter(Expr::Exists(Box::new(inner))), 1, &rows(1));
}

/// `x IN ()` is rendered without its `x`: with it the aggregate went, and the one group with the aggregate.
#[test]
fn an_aggregate_in_nothing_still_folds() {
    let none = Expr::In { expr: Box::new(count(None)), list: Vec::new() };
    assert_all(&grouped(Vec::new(), vec![none]), 0, &[vec![Value::Bool(false)]]);
}

/// A sub-query of NULL was taken for text, and with it what stood beside it.
#[test]
fn the_kind_of_nothing_is_that_of_the_alternative() {
    let nothing = chosen(vec![Expr::Literal(Value::Null)]);
    let or =
        |expr, other: Value| Expr::Function { function: Function::Coalesce, args: vec![expr, Expr::Literal(other)] };
    let scalar = or(Expr::Scalar(Box::new(nothing.clone())), Value::Blob(vec![7]));
    assert_all(&chosen(vec![scalar]), 1, &[vec![Value::Blob(vec![7])]]);
    let derived = Source { name: "d", rows: Rows::Query(Box::new(nothing), vec!["c"]) };
    let column = or(Expr::column("d", "c"), Value::Bool(true));
    assert_all(&Query { select: Select::Exprs(vec![column]), ..Query::of(derived) }, 1, &[vec![Value::Bool(true)]]);
}

/// SQL takes an aggregate of outer columns for one of the outer query; a column of its own in a sub-query whose values
/// do not matter is not in the SQL.
#[test]
fn an_aggregate_of_outer_columns_is_of_its_own_query() {
    let outer = |level| Expr::Column(ColumnRef { level, table: "few", column: "ref" });
    let inner = grouped(Vec::new(), vec![count(Some(outer(1)))]);
    let two = vec![vec![Value::Int(2)]; 2];
    assert_all(&chosen(vec![Expr::Scalar(Box::new(inner))]), 2, &two);
    let unseen = Expr::Exists(Box::new(chosen(vec![outer(1)])));
    let case = Expr::Case { when: vec![(unseen, outer(1))], otherwise: Box::new(Expr::Literal(Value::Null)) };
    let inner = grouped(Vec::new(), vec![count(Some(case))]);
    assert_all(&chosen(vec![Expr::Scalar(Box::new(inner))]), 2, &two);
}

/// A column of its own that is always NULL is not in the SQL of Postgres either.
#[test]
fn an_aggregate_of_outer_columns_and_of_nothing_is_of_its_own_query() {
    let nothing = chosen(vec![Expr::Literal(Value::Null)]);
    let derived = Source { name: "d", rows: Rows::Query(Box::new(nothing), vec!["c"]) };
    let outer = Expr::Column(ColumnRef { level: 1, table: "few", column: "ref" });
    let either = Expr::Function { function: Function::Coalesce, args: vec![Expr::column("d", "c"), outer] };
    let greatest = Expr::Aggregate { function: Aggregate::Max, expr: Some(Box::new(either)) };
    let group = Some(Group { keys: Vec::new(), having: None });
    let inner = Query { group, select: Select::Exprs(vec![greatest]), ..Query::of(derived) };
    assert_all(&chosen(vec![Expr::Scalar(Box::new(inner))]), 2, &vec![vec![row_id(9).into()]; 2]);
}

/// What is negated is a number to Postgres, also where it is always NULL.
#[test]
fn a_negated_nothing_is_in_nothing() {
    let negated = Expr::Function { function: Function::Negate, args: vec![Expr::Literal(Value::Null)] };
    let query = grouped(Vec::new(), vec![Expr::Literal(Value::Null)]);
    let is_in = Expr::InQuery { expr: Box::new(negated), query: Box::new(query) };
    assert_all(&chosen(vec![is_in]), 1, &[vec![Value::Null]]);
}

/// What is distinct decides its ties, not the keys of the groups, which are not among it.
#[test]
fn distinct_groups_are_in_the_order_of_what_is_selected() {
    let query = Query { distinct: true, ..grouped(vec![column("id")], vec![column("bool")]) };
    assert_all(&query, 3, &[vec![Value::Bool(false)], vec![Value::Bool(true)]]);
    assert_all(&Query { distinct: true, ..Query::all(FEW) }, 3, &rows(3));
}
