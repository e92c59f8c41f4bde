//! Several sources, by hand: what comes out, and what the evaluator asks for.

use super::examples::{LISTS, SHARES};
use crate::Result;
use crate::query::eval::{RowSource, select};
use crate::query::ir::{Aggregate, ColumnRef, Expr, Group, Join, Nested, Order, Query, Rows, Select, Source};
use crate::schema::TableDef;
use crate::value::{Row, Value};

/// Lists and who they are shared with; how often each was asked for, by a value and whole.
#[derive(Default)]
struct World {
    lists: Vec<Row>,
    shares: Vec<Row>,
    by_value: usize,
    whole: usize,
}

impl RowSource for World {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        let rows = if table == &LISTS { &self.lists } else { &self.shares };
        let Some((column, value)) = equal else {
            self.whole += 1;
            return Ok(rows.clone());
        };
        self.by_value += 1;
        let index = table.column_index(column).unwrap();
        Ok(rows.iter().filter(|row| row[index] == *value).cloned().collect())
    }
}

fn row(values: &[Option<&str>]) -> Row {
    values.iter().map(|value| value.map_or(Value::Null, Value::from)).collect()
}

fn world() -> World {
    World {
        lists: vec![row(&[Some("l1"), Some("ann")]), row(&[Some("l2"), None]), row(&[Some("l3"), None])],
        shares: vec![
            row(&[Some("s1"), Some("l1"), Some("bob")]),
            row(&[Some("s2"), Some("l1"), Some("cid")]),
            row(&[Some("s3"), Some("l2"), Some("bob")]),
            row(&[Some("s4"), None, Some("bob")]),
        ],
        ..World::default()
    }
}

fn lists_with_shares(left: bool) -> Query {
    let on = Expr::eq(Expr::column("shares", "list_id"), Expr::column("lists", "id"));
    let mut query = Query::all(&LISTS);
    query.joins.push(Join { left, source: Source::table(&SHARES), on });
    query.select = Select::Exprs(vec![Expr::column("lists", "id"), Expr::column("shares", "user")]);
    query
}

#[test]
fn joins() {
    let matched = [row(&[Some("l1"), Some("bob")]), row(&[Some("l1"), Some("cid")]), row(&[Some("l2"), Some("bob")])];
    assert_eq!(select(&lists_with_shares(false), &mut world()).unwrap(), matched);
    let mut all = matched.to_vec();
    all.push(row(&[Some("l3"), None]));
    assert_eq!(select(&lists_with_shares(true), &mut world()).unwrap(), all);
}

/// A few rows ask for the matches of each, as a policy does; for many the source is read once.
#[test]
fn a_join_asks_for_what_it_needs() {
    let mut few = world();
    select(&lists_with_shares(true), &mut few).unwrap();
    assert_eq!((few.whole, few.by_value), (1, 3));
    let mut many = world();
    many.lists.extend((0..40).map(|n| row(&[Some(&format!("m{n:02}")), None])));
    assert_eq!(select(&lists_with_shares(true), &mut many).unwrap().len(), 44);
    assert_eq!((many.whole, many.by_value), (2, 0));
}

#[test]
fn groups() {
    let count = |expr: Option<Expr>| Expr::Aggregate { function: Aggregate::Count, expr: expr.map(Box::new) };
    let owner = Expr::column("lists", "owner");
    let mut query = Query::all(&LISTS);
    query.group = Some(Group { keys: vec![owner.clone()], having: None });
    query.select = Select::Exprs(vec![owner.clone(), count(None), count(Some(owner.clone()))]);
    let (one, two, zero) = (Value::Int(1), Value::Int(2), Value::Int(0));
    let nobody = vec![Value::Null, two.clone(), zero.clone()];
    let ann = vec!["ann".into(), one.clone(), one.clone()];
    assert_eq!(select(&query, &mut world()).unwrap(), [nobody.clone(), ann.clone()], "NULL and NULL are one group");
    query.order.push(Order { expr: count(None), descending: false });
    assert_eq!(select(&query, &mut world()).unwrap(), [ann, nobody]);
    query.group = Some(Group { keys: Vec::new(), having: None });
    query.select =
        Select::Exprs(vec![count(None), Expr::Aggregate { function: Aggregate::Max, expr: Some(Box::new(owner)) }]);
    assert_eq!(select(&query, &mut World::default()).unwrap(), [vec![zero, Value::Null]], "nothing is a group, too");
}

#[test]
fn a_derived_table_is_read_once() {
    let derived = Rows::Query(Box::new(Query { distinct: true, ..lists_with_shares(false) }), vec!["list", "user"]);
    let mut query = Query::of(Source { name: "d", rows: derived });
    let outer = Expr::Column(ColumnRef { level: 1, table: "d", column: "user" });
    let lonely = Query::all(&SHARES).filter(Expr::IsNull(Box::new(Expr::column("shares", "list_id"))));
    query = query.filter(Expr::Exists(Box::new(lonely.filter(Expr::eq(Expr::column("shares", "user"), outer)))));
    let mut world = world();
    let found = select(&query, &mut world).unwrap();
    assert_eq!(found, [row(&[Some("l1"), Some("bob")]), row(&[Some("l2"), Some("bob")])]);
    // The lists once; their shares and, per derived row, the lonely ones by value.
    assert_eq!((world.whole, world.by_value), (1, 3 + 3));
}

/// Order and limit are those of one parent; a parent without the value has none.
#[test]
fn related_rows() {
    let mut shares = Query::all(&SHARES);
    shares.select = Select::Exprs(vec![Expr::column("shares", "user")]);
    shares.order.push(Order { expr: Expr::column("shares", "user"), descending: true });
    shares.limit = Some(1);
    let parent = ColumnRef { level: 0, table: "lists", column: "id" };
    let mut query = Query::all(&LISTS);
    query.select = Select::Exprs(vec![Expr::column("lists", "id")]);
    query.nested = vec![
        Nested { parent, column: "list_id", query: shares.clone() },
        Nested { parent: ColumnRef { column: "owner", ..parent }, column: "list_id", query: shares },
    ];
    let related = |user: &str| Value::Rows(vec![row(&[Some(user)])]);
    let none = || Value::Rows(Vec::new());
    let expected = [
        vec!["l1".into(), related("cid"), none()],
        vec!["l2".into(), related("bob"), none()],
        vec!["l3".into(), none(), none()],
    ];
    assert_eq!(select(&query, &mut world()).unwrap(), expected);
}
