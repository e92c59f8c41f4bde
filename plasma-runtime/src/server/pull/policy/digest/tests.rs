use std::collections::BTreeMap;

use super::*;
use crate::query::ir::{Aggregate, ArithmeticOp, CompareOp, Function, Group, Join, Nested, Order};
use crate::schema::ColumnDef;
use crate::value::Kind;

const COLUMNS: &[ColumnDef] = &[ColumnDef::new("id", Kind::Id), ColumnDef::new("n", Kind::BigInt)];

/// A definition of its own each time, as another process has it: at another address.
fn table(name: &'static str) -> &'static TableDef {
    Box::leak(Box::new(TableDef::new(name, COLUMNS)))
}

fn n() -> Expr {
    Expr::column("t", "n")
}

fn int(n: i64) -> Expr {
    Expr::Literal(Value::Int(n))
}

fn compare(op: CompareOp, n: i64) -> Expr {
    Expr::compare(op, self::n(), int(n))
}

/// A query with everything in it.
fn query() -> Query {
    let derived = Query { limit: Some(9), ..Query::all(table("d")) };
    let mut query = Query::all(table("t")).filter(compare(CompareOp::Gt, 1));
    query.joins.push(Join {
        left: true,
        source: Source { name: "derived", rows: Rows::Query(Box::new(derived), vec!["a", "b"]) },
        on: Expr::eq(n(), Expr::column("derived", "b")),
    });
    query.group = Some(Group { keys: vec![n()], having: Some(compare(CompareOp::Lt, 7)) });
    query.select = Select::Exprs(vec![n()]);
    query.order.push(Order { expr: n(), descending: false });
    (query.limit, query.offset) = (Some(3), Some(4));
    let parent = ColumnRef { level: 0, table: "t", column: "id" };
    query.nested.push(Nested { parent, column: "n", query: Query::all(table("u")) });
    query
}

fn changed(change: impl FnOnce(&mut Query)) -> Expr {
    let mut query = query();
    change(&mut query);
    Expr::Exists(Box::new(query))
}

fn with_derived(change: impl FnOnce(&mut Query, &mut Vec<&'static str>)) -> Expr {
    changed(|query| {
        if let Rows::Query(inner, names) = &mut query.joins[0].source.rows {
            change(inner, names);
        }
    })
}

/// Rules that differ in one part each.
fn rules() -> Vec<Expr> {
    let arithmetic = |op, kind, right| Expr::Arithmetic { op, kind, left: Box::new(n()), right: Box::new(int(right)) };
    let function = |function, args: Vec<Expr>| Expr::Function { function, args };
    let case = |when: i64, then: i64, otherwise: i64| Expr::Case {
        when: vec![(compare(CompareOp::Eq, when), int(then))],
        otherwise: Box::new(int(otherwise)),
    };
    let aggregate = |function, expr: Option<Expr>| Expr::Aggregate { function, expr: expr.map(Box::new) };
    let at = |level, table, column| Expr::Column(ColumnRef { level, table, column });
    let like = |pattern: &str| Expr::Like { expr: Box::new(n()), pattern: pattern.to_owned() };
    let is_in = |list: &[i64]| Expr::In { expr: Box::new(n()), list: list.iter().map(|n| Value::Int(*n)).collect() };
    let texts = |list: &[&str]| Expr::In { expr: Box::new(n()), list: list.iter().map(|t| Value::from(*t)).collect() };
    let mut rules = vec![
        Expr::And(vec![]),
        Expr::Or(vec![]),
        Expr::And(vec![n(), n()]),
        Expr::And(vec![n(), Expr::And(vec![n()])]),
        Expr::Or(vec![n(), n()]),
        Expr::Not(Box::new(n())),
        Expr::IsNull(Box::new(n())),
        n(),
        at(1, "t", "n"),
        at(0, "u", "n"),
        at(0, "t", "id"),
        like("a"),
        like("b"),
        is_in(&[1]),
        is_in(&[1, 2]),
        texts(&["a", "bc"]),
        texts(&["ab", "c"]),
        arithmetic(ArithmeticOp::Add, Kind::Int, 1),
        arithmetic(ArithmeticOp::Sub, Kind::Int, 1),
        arithmetic(ArithmeticOp::Add, Kind::BigInt, 1),
        arithmetic(ArithmeticOp::Add, Kind::Fixed(2), 1),
        arithmetic(ArithmeticOp::Add, Kind::Fixed(3), 1),
        arithmetic(ArithmeticOp::Add, Kind::Int, 2),
        function(Function::Lower, vec![n()]),
        function(Function::Upper, vec![n()]),
        function(Function::Lower, vec![]),
        case(1, 2, 3),
        case(0, 2, 3),
        case(1, 0, 3),
        case(1, 2, 0),
        aggregate(Aggregate::Count, None),
        aggregate(Aggregate::Count, Some(n())),
        aggregate(Aggregate::Sum, Some(n())),
        Expr::Scalar(Box::new(query())),
        Expr::InQuery { expr: Box::new(n()), query: Box::new(query()) },
        Expr::InQuery { expr: Box::new(int(1)), query: Box::new(query()) },
        changed(|_| ()),
        changed(|query| query.from = Source::table(table("other"))),
        changed(|query| query.from.name = "alias"),
        changed(|query| query.joins.clear()),
        changed(|query| query.joins[0].left = false),
        changed(|query| query.joins[0].on = n()),
        changed(|query| query.joins[0].source.name = "other"),
        changed(|query| query.joins[0].source.rows = Rows::Table(table("d"))),
        with_derived(|inner, _| inner.limit = None),
        with_derived(|_, names| *names = vec!["ab"]),
        with_derived(|_, names| *names = vec!["b", "a"]),
        changed(|query| query.filter = None),
        changed(|query| query.filter = Some(compare(CompareOp::Gt, 2))),
        changed(|query| query.group = None),
        changed(|query| query.group.as_mut().unwrap().keys.clear()),
        changed(|query| query.group.as_mut().unwrap().having = None),
        changed(|query| query.select = Select::Row),
        changed(|query| query.select = Select::Count),
        changed(|query| query.select = Select::Exprs(vec![int(1)])),
        changed(|query| query.distinct = true),
        changed(|query| query.order.clear()),
        changed(|query| query.order[0].descending = true),
        changed(|query| query.order[0].expr = int(1)),
        changed(|query| query.limit = None),
        changed(|query| query.limit = Some(4)),
        changed(|query| query.offset = None),
        changed(|query| (query.limit, query.offset) = (query.offset, query.limit)),
        changed(|query| query.nested.clear()),
        changed(|query| query.nested[0].parent.column = "n"),
        changed(|query| query.nested[0].column = "id"),
        changed(|query| query.nested[0].query.distinct = true),
    ];
    let ops =
        [CompareOp::Eq, CompareOp::Ne, CompareOp::Lt, CompareOp::Lte, CompareOp::Gt, CompareOp::Gte, CompareOp::Is];
    rules.extend(ops.map(|op| compare(op, 1)));
    let values = [
        Value::Null,
        Value::Bool(true),
        Value::Bool(false),
        Value::Int(1),
        Value::Float(1.0),
        Value::Text("1".to_owned()),
        Value::Json("1".to_owned()),
        Value::Blob(b"1".to_vec()),
        Value::Rows(vec![]),
        Value::Rows(vec![vec![Value::Null]]),
    ];
    rules.extend(values.map(Expr::Literal));
    rules
}

fn digest(rule: &Expr) -> String {
    of_rule(b"key", table("t"), rule).unwrap()
}

#[test]
fn equal_rules_have_equal_digests_and_every_part_counts() {
    let mut seen: BTreeMap<String, Expr> = BTreeMap::new();
    for (rule, again) in rules().into_iter().zip(rules()) {
        assert_eq!(digest(&rule), digest(&again), "built twice: {rule:?}");
        if let Some(other) = seen.insert(digest(&rule), rule.clone()) {
            panic!("two rules, one digest: {other:#?}\n{rule:#?}");
        }
    }
    assert_ne!(of_rule(b"key", table("t"), &n()).unwrap(), of_rule(b"key", table("u"), &n()).unwrap());
    assert_ne!(of_rule(b"key", table("t"), &n()).unwrap(), of_rule(b"other", table("t"), &n()).unwrap());
}

/// A digest stands in cookies: it is the same in every process and on every machine.
#[test]
fn a_digest_is_what_it_was() {
    assert_eq!(digest(&changed(|_| ())), "b2ae401ccb90e844");
}
