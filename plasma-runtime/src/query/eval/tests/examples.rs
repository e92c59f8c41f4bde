use crate::query::eval::{NoTables, RowSource, matches, select, value};
use crate::query::ir::{ColumnRef, CompareOp, Expr, Order, Query, Select};
use crate::schema::{ColumnDef, TableDef};
use crate::value::{Kind, Row, Value};
use crate::{ErrorKind, Result};

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
}
pub(super) static LISTS: TableDef = TableDef::new("lists", &[column("id", Kind::Id), column("owner", Kind::Text)]);
pub(super) static SHARES: TableDef =
    TableDef::new("shares", &[column("id", Kind::Id), column("list_id", Kind::Id), column("user", Kind::Text)]);

/// Remembers what it was asked for.
#[derive(Default)]
struct Asked(Vec<(&'static str, Option<(String, Value)>)>);

impl RowSource for Asked {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        self.0.push((table.name, equal.map(|(column, value)| (column.to_owned(), value.clone()))));
        let text = |text: &str| Value::Text(text.to_owned());
        Ok(match table.name {
            "lists" => {
                vec![vec![text("l2"), text("bob")], vec![text("l1"), text("alice")], vec![text("l3"), Value::Null]]
            }
            _ => vec![vec![text("s1"), text("l1"), text("bob")], vec![text("s2"), text("l3"), text("carol")]],
        })
    }
}

pub(super) fn shared_with(user: &str) -> Expr {
    let outer = Expr::Column(ColumnRef { level: 1, table: "lists", column: "id" });
    Expr::Exists(Box::new(
        Query::all(&SHARES)
            .filter(Expr::eq(Expr::column("shares", "user"), Expr::Literal(user.into())))
            .filter(Expr::eq(outer, Expr::column("shares", "list_id"))),
    ))
}

#[test]
fn a_policy_asks_for_the_correlated_rows_only() {
    let mut source = Asked::default();
    let list = [Value::from("l1"), Value::from("alice")];
    assert_eq!(matches(&shared_with("bob"), &LISTS, &list, &mut source).unwrap(), Some(true));
    assert_eq!(matches(&shared_with("carol"), &LISTS, &list, &mut source).unwrap(), Some(false));
    assert_eq!(source.0[0], ("shares", Some(("list_id".to_owned(), Value::from("l1")))));
    // Correlated with NULL: nothing to ask for.
    let mut source = Asked::default();
    assert_eq!(matches(&shared_with("bob"), &LISTS, &[Value::Null, Value::Null], &mut source).unwrap(), Some(false));
    assert!(source.0.is_empty());
}

#[test]
fn a_sub_query_that_does_not_depend_on_the_row_is_asked_once() {
    let mut source = Asked::default();
    let mut inner = Query::all(&SHARES);
    inner.select = Select::Exprs(vec![Expr::column("shares", "list_id")]);
    let id = Box::new(Expr::column("lists", "id"));
    let query = Query::all(&LISTS).filter(Expr::InQuery { expr: id, query: Box::new(inner) });
    let rows = select(&query, &mut source).unwrap();
    assert_eq!(rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>(), [Value::from("l1"), Value::from("l3")]);
    assert_eq!(source.0.len(), 2);
}

#[test]
fn null_comes_first_and_last_when_descending() {
    for (descending, expected) in [(false, ["l3", "l1", "l2"]), (true, ["l2", "l1", "l3"])] {
        let mut query = Query::all(&LISTS);
        query.order.push(Order { expr: Expr::column("lists", "owner"), descending });
        let rows = select(&query, &mut Asked::default()).unwrap();
        assert_eq!(rows.iter().map(|row| row[0].as_text().unwrap()).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_value_of_an_update() {
    let row = [Value::from("l1"), Value::from("alice")];
    let owner = Expr::column("lists", "owner");
    assert_eq!(value(&owner, &LISTS, &row, &mut NoTables).unwrap(), Value::from("alice"));
    let condition = Expr::compare(CompareOp::Gt, owner, Expr::Literal("bob".into()));
    assert_eq!(value(&condition, &LISTS, &row, &mut NoTables).unwrap(), Value::Bool(false));
}

#[test]
fn what_is_out_of_reach_is_an_error() {
    let row = [Value::from("l1"), Value::from("alice")];
    for expr in [
        shared_with("bob"),
        Expr::column("lists", "missing"),
        Expr::IsNull(Box::new(Expr::Column(ColumnRef { level: 1, table: "lists", column: "id" }))),
        Expr::column("lists", "owner"),
        Expr::InQuery { expr: Box::new(Expr::Literal(Value::Null)), query: Box::new(Query::all(&LISTS)) },
    ] {
        let error = matches(&expr, &LISTS, &row, &mut NoTables).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{expr:?}");
    }
    let mut source = Asked::default();
    let two = Expr::InQuery { expr: Box::new(Expr::Literal(Value::Null)), query: Box::new(Query::all(&LISTS)) };
    assert_eq!(matches(&two, &LISTS, &row, &mut source).unwrap_err().kind(), ErrorKind::Internal);
    let long = Expr::Like { expr: Box::new(Expr::column("lists", "owner")), pattern: "x".repeat(60_000) };
    assert_eq!(matches(&long, &LISTS, &row, &mut NoTables).unwrap_err().kind(), ErrorKind::TooLarge);
}
