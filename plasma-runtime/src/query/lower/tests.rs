mod nodes;
mod plans;

use super::*;
use crate::query::ir::{CompareOp, Order, Select};
use crate::schema::ColumnDef;
use crate::store::SqlConnection as _;
use crate::store::ddl::{Side, create_table};
use crate::store::sqlite::SqliteConnection;

const fn col(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
}

static T: TableDef = TableDef::new("t", &[col("id", Kind::Id), col("n", Kind::Int), col("select", Kind::Text)]);

fn database() -> SqliteConnection {
    let mut db = SqliteConnection::in_memory().unwrap();
    db.batch(&create_table(&T, Side::Client)).unwrap();
    for n in 0..10 {
        let id = format!("00000000-0000-4000-8000-00000000000{n}");
        db.execute("INSERT INTO t VALUES (?, ?, ?)", &[Value::Text(id), Value::Int(n), Value::Text(format!("s{n}"))])
            .unwrap();
    }
    db
}

fn run(db: &mut SqliteConnection, query: &Query) -> Vec<Vec<Value>> {
    let lowered = select(Dialect::Sqlite, query);
    db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap_or_else(|e| panic!("{e}: {}", lowered.sql))
}

fn n() -> Expr {
    Expr::column("t", "n")
}

#[test]
fn the_text_is_stable_and_constants_are_parameters() {
    let mut query = Query::all(&T).filter(Expr::eq(n(), Expr::Literal(Value::Int(5))));
    query.order.push(Order { expr: Expr::column("t", "select"), descending: true });
    query.limit = Some(2);
    let lowered = select(Dialect::Sqlite, &query);
    assert_eq!(
        lowered.sql,
        "SELECT \"_plasma_0\".\"id\", \"_plasma_0\".\"n\", \"_plasma_0\".\"select\" FROM \"t\" AS \"_plasma_0\" \
         WHERE \"_plasma_0\".\"n\" = ? ORDER BY \"_plasma_0\".\"select\" DESC, \"_plasma_0\".\"id\" ASC LIMIT ?"
    );
    assert_eq!(lowered.params, [Value::Int(5), Value::Int(2)]);
    assert_eq!(lowered.kinds, [Kind::Id, Kind::Int, Kind::Text]);
}

#[test]
fn limits_and_offsets_of_any_size() {
    let mut db = database();
    for (limit, offset, expected) in [
        (None, None, 10),
        (Some(3), None, 3),
        (Some(0), None, 0),
        (None, Some(7), 3),
        (Some(2), Some(9), 1),
        (Some(u64::MAX), Some(1), 9),
        (Some(u64::MAX), Some(u64::MAX), 0),
    ] {
        let mut query = Query { limit, offset, ..Query::all(&T) };
        assert_eq!(run(&mut db, &query).len(), expected, "{limit:?} {offset:?}");
        query.select = Select::Count;
        assert_eq!(run(&mut db, &query), [[Value::Int(expected as i64)]], "count {limit:?} {offset:?}");
    }
}

#[test]
fn a_condition_stands_in_a_larger_statement() {
    let mut db = database();
    let inner = Query::all(&T).filter(Expr::eq(
        Expr::column("t", "n"),
        Expr::Column(crate::query::ir::ColumnRef { level: 1, table: "t", column: "n" }),
    ));
    let rule = Expr::And(vec![
        Expr::compare(CompareOp::Gte, n(), Expr::Literal(Value::Int(8))),
        Expr::Exists(Box::new(inner)),
    ]);
    let (sql, params) = condition(Dialect::Sqlite, &T, "changed", &rule, &|name| format!("{name} as of"));
    let whole = format!(
        "WITH \"t as of\" AS (SELECT * FROM t WHERE n <> 9), changed AS (SELECT * FROM t) \
         SELECT changed.n FROM changed WHERE {sql}"
    );
    assert_eq!(db.query(&whole, &params, &[Kind::Int]).unwrap(), [[Value::Int(8)]], "{whole}");
}

#[test]
fn long_lists_and_long_chains_are_no_limit() {
    let mut db = database();
    let many: Vec<_> = (0..40_000).map(|i| Value::Int(i * 2)).collect();
    assert_eq!(run(&mut db, &Query::all(&T).filter(Expr::In { expr: Box::new(n()), list: many })).len(), 5);
    let texts = (0..1_000).map(|i| Value::Text(format!("s{i}"))).chain([Value::from("quote \" and \\ back")]).collect();
    let column = Box::new(Expr::column("t", "select"));
    assert_eq!(run(&mut db, &Query::all(&T).filter(Expr::In { expr: column, list: texts })).len(), 10);
    let any = (0..5_000).map(|i| Expr::eq(n(), Expr::Literal(Value::Int(i * 3)))).collect();
    assert_eq!(run(&mut db, &Query::all(&T).filter(Expr::Or(any))).len(), 4);
}

#[test]
fn a_column_out_of_scope_is_an_error_and_not_a_panic() {
    let mut db = database();
    let outer = Expr::Column(crate::query::ir::ColumnRef { level: 1, table: "t", column: "n" });
    for expr in [Expr::IsNull(Box::new(outer)), Expr::IsNull(Box::new(Expr::column("t", "missing")))] {
        let lowered = select(Dialect::Sqlite, &Query::all(&T).filter(expr));
        let error = db.query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Storage);
    }
}

#[test]
fn a_hostile_pattern_is_refused_as_the_mutations_own_fault() {
    let mut db = database();
    let like = |pattern: String| {
        select(
            Dialect::Sqlite,
            &Query::all(&T).filter(Expr::Like { expr: Box::new(Expr::column("t", "select")), pattern }),
        )
    };
    let fine = like("%".repeat(100_000));
    assert_eq!(db.query(&fine.sql, &fine.params, &fine.kinds).unwrap().len(), 10);
    let long = like("x".repeat(60_000));
    let error = db.query(&long.sql, &long.params, &long.kinds).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::TooLarge);
}
