use super::Footprint;
use crate::query::ir::{CompareOp, Expr, Order, Query};
use crate::schema::{ColumnDef, TableDef};
use crate::value::{Kind, Value};

static A: TableDef = TableDef::new(
    "a",
    &[
        ColumnDef { kind: Kind::Id, ..ColumnDef::of::<String>("id") },
        ColumnDef { nullable: true, ..ColumnDef::of::<String>("name") },
        ColumnDef::of::<f64>("size"),
        ColumnDef { kind: Kind::Json, ..ColumnDef::of::<String>("json") },
    ],
);
static B: TableDef = TableDef::new("b", &[ColumnDef { kind: Kind::Id, ..ColumnDef::of::<String>("id") }]);

fn row(id: &str, name: Value, size: f64) -> Vec<Value> {
    vec![id.into(), name, Value::Float(size), Value::Json("1".into())]
}

fn is(column: &'static str, value: Value) -> Expr {
    Expr::eq(Expr::column("a", column), Expr::Literal(value))
}

/// Whether a query over `a` with this condition meets the row; the JSON form says the same.
fn meets(filter: Expr, row: &[Value]) -> bool {
    let mut reads = Footprint::default();
    reads.query(&Query::all(&A).filter(filter));
    assert_eq!(Footprint::from_json(&reads.to_json()), Some(reads.clone()));
    reads.meets(&A, row[0].as_text().unwrap(), &[None, Some(row)])
}

#[test]
fn equalities_narrow_and_everything_else_is_the_whole_table() {
    let x = row("1", "x".into(), 0.5);
    assert!(meets(is("id", "1".into()), &x));
    assert!(!meets(is("id", "2".into()), &x));
    assert!(meets(is("name", "x".into()), &x) && !meets(is("name", "y".into()), &x));
    assert!(meets(is("name", "x".into()).and(is("size", Value::Float(0.5))), &x));
    assert!(!meets(is("name", "x".into()).and(is("size", Value::Float(0.25))), &x));
    assert!(meets(is("size", Value::Float(-0.0)), &row("1", Value::Null, 0.0)), "both zeros are equal in SQL");
    assert!(meets(
        Expr::compare(CompareOp::Is, Expr::column("a", "name"), Expr::Literal(Value::Null)),
        &row("1", Value::Null, 0.0)
    ));
    // More conditions only narrow what is met.
    let narrowed = is("name", "x".into()).and(Expr::compare(
        CompareOp::Lt,
        Expr::column("a", "size"),
        Expr::Literal(Value::Float(0.1)),
    ));
    assert!(meets(narrowed, &x), "rather too wide than too narrow");
    // An integer may equal a float in SQL; other forms of a JSON value may be the same value.
    assert!(meets(is("size", Value::Int(7)), &x));
    assert!(meets(is("json", Value::Json("2".into())), &x));
    assert!(meets(is("name", "y".into()).or(is("name", "z".into())), &x));
    assert!(meets(Expr::Not(Box::new(is("name", "x".into()))), &x));
}

#[test]
fn old_and_new_images_both_count_and_other_tables_do_not() {
    let mut reads = Footprint::default();
    reads.query(&Query::all(&A).filter(is("name", "x".into())));
    let (x, y) = (row("1", "x".into(), 0.5), row("1", "y".into(), 0.5));
    assert!(reads.meets(&A, "1", &[Some(&x), Some(&y)]));
    assert!(reads.meets(&A, "1", &[Some(&y), Some(&x)]));
    assert!(!reads.meets(&A, "1", &[Some(&y), None]));
    assert!(!reads.meets(&B, "1", &[Some(&["1".into()]), None]));
}

#[test]
fn sub_queries_read_whole_tables_wherever_they_stand() {
    let exists = || Expr::Exists(Box::new(Query::all(&B)));
    let b = ["1".into()];
    let mut reads = Footprint::default();
    reads.query(&Query::all(&A).filter(is("id", "9".into()).and(exists())));
    assert!(reads.meets(&B, "1", &[None, Some(&b)]));
    assert!(!reads.meets(&A, "1", &[None, Some(&row("1", "x".into(), 0.5))]));
    let mut reads = Footprint::default();
    let order = vec![Order { expr: exists(), descending: false }];
    reads.query(&Query { order, ..Query::all(&A) });
    assert!(reads.meets(&B, "1", &[None, Some(&b)]));
}

#[test]
fn a_column_that_is_gone_proves_nothing() {
    let reads = Footprint::from_json(r#"{"a":{"equal":{"old":[["tx"]]}}}"#).unwrap();
    assert!(reads.meets(&A, "1", &[None, Some(&row("1", "x".into(), 0.5))]));
    assert_eq!(Footprint::from_json("[]"), None);
}
