use super::*;
use crate::error::ErrorKind;
use crate::query::eval::{self, SqlRows};
use crate::query::ir::{ColumnRef, CompareOp, Join, Nested, Order, Source};
use crate::schema::{ColumnDef, TableDef};
use crate::store::ddl::{Side, create_table};
use crate::store::sqlite::SqliteConnection;
use crate::value::Kind;

const fn col(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
}

/// A tree: every node knows its parent.
static NODE: TableDef =
    TableDef::new("node", &[col("id", Kind::Id), col("parent", Kind::Id), col("n", Kind::Int), col("x", Kind::Float)]);

/// Counts what is asked.
struct Counting {
    db: SqliteConnection,
    queries: usize,
    batches: Vec<String>,
    fail: bool,
}

impl SqlConnection for Counting {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        SqlConnection::execute(&mut self.db, sql, params)
    }
    fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        self.queries += 1;
        if self.fail && self.queries > 1 {
            return Err(Error::new(ErrorKind::Storage, "broken"));
        }
        SqlConnection::query(&mut self.db, sql, params, kinds)
    }
    fn batch(&mut self, sql: &str) -> Result<()> {
        self.batches.push(sql.to_owned());
        SqlConnection::batch(&mut self.db, sql)
    }
    fn in_transaction(&self) -> bool {
        SqlConnection::in_transaction(&self.db)
    }
    fn for_each(
        &mut self,
        sql: &str,
        params: &[Value],
        kinds: &[Kind],
        each: &mut dyn FnMut(Row) -> Result<bool>,
    ) -> Result<()> {
        self.db.for_each(sql, params, kinds, each)
    }
}

fn id(n: u64) -> Value {
    Value::Text(format!("00000000-0000-4000-8000-{n:012}"))
}

/// 1 and 2 are roots; the children of k are 10k + 1, 10k + 2 and 10k + 3, five levels deep under 1.
fn tree() -> Counting {
    let mut db = SqliteConnection::in_memory().unwrap();
    SqlConnection::batch(&mut db, &create_table(&NODE, Side::Client)).unwrap();
    let mut add = |n: u64, parent: Value| {
        let row = [id(n), parent, Value::Int((n % 10) as i64), Value::Float(0.5)];
        SqlConnection::execute(&mut db, "INSERT INTO node VALUES (?, ?, ?, ?)", &row).unwrap();
    };
    add(1, Value::Null);
    add(2, Value::Null);
    let mut level = vec![1];
    for _ in 0..4 {
        level = level.iter().flat_map(|k| [10 * k + 1, 10 * k + 2, 10 * k + 3]).collect();
        level.iter().for_each(|n| add(*n, id(n / 10)));
    }
    Counting { db, queries: 0, batches: Vec::new(), fail: false }
}

fn c(column: &'static str) -> Expr {
    Expr::column("node", column)
}

fn roots() -> Query {
    let query = Query::all(&NODE).filter(Expr::IsNull(Box::new(c("parent"))));
    Query { select: Select::Exprs(vec![c("n")]), ..query }
}

fn with(mut query: Query, children: Query) -> Query {
    let parent = ColumnRef { level: 0, table: "node", column: "id" };
    query.nested.push(Nested { parent, column: "parent", query: children });
    query
}

fn numbers() -> Query {
    Query { select: Select::Exprs(vec![c("n")]), ..Query::all(&NODE) }
}

/// The rows, which are those of the evaluator.
#[track_caller]
fn ask(db: &mut Counting, query: &Query) -> Vec<Row> {
    let rows = run(db, query).unwrap();
    assert_eq!(rows, eval::select(query, &mut SqlRows(&mut db.db)).unwrap());
    rows
}

fn rows(numbers: &[i64]) -> Value {
    Value::Rows(numbers.iter().map(|n| vec![Value::Int(*n)]).collect())
}

#[test]
fn each_level_is_one_statement() {
    let mut db = tree();
    let deep = with(numbers(), with(numbers(), with(numbers(), numbers())));
    let query = with(roots(), deep);
    let found = ask(&mut db, &query);
    assert_eq!(db.queries, 5);
    assert_eq!(db.batches, ["BEGIN", "COMMIT"]);
    assert_eq!(found[1], [Value::Int(2), Value::Rows(vec![])]);
    // Down to the 81 leaves.
    fn leaves(value: &Value) -> usize {
        match value {
            Value::Rows(rows) => rows.iter().map(|row| row.last().map_or(0, leaves)).sum(),
            _ => 1,
        }
    }
    assert_eq!(leaves(&found[0][1]), 81);
}

#[test]
fn nobody_is_asked_for_the_rows_of_nobody() {
    let mut db = tree();
    let nothing = roots().filter(Expr::Or(Vec::new()));
    assert!(ask(&mut db, &with(nothing, with(numbers(), numbers()))).is_empty());
    assert_eq!(db.queries, 1);
    db.batches.clear();
    assert_eq!(ask(&mut db, &roots()).len(), 2);
    assert!(db.batches.is_empty());
}

#[test]
fn a_cut_is_of_the_rows_of_each_parent() {
    let mut db = tree();
    let all = |children: Query| with(with(roots(), with(numbers(), children)), numbers());
    for (limit, offset, expected) in [
        (Some(2), None, &[3, 2][..]),
        (Some(1), Some(1), &[2]),
        (None, Some(2), &[1]),
        (Some(0), None, &[]),
        (Some(u64::MAX), Some(1), &[2, 1]),
        (Some(1), Some(u64::MAX), &[]),
    ] {
        let order = vec![Order { expr: c("n"), descending: true }];
        let query = all(Query { order, limit, offset, ..numbers() });
        let found = ask(&mut db, &query);
        let Value::Rows(children) = &found[0][1] else { panic!("{found:?}") };
        assert_eq!(children.len(), 3);
        for child in children {
            assert_eq!(child[1], rows(expected), "{limit:?} {offset:?}");
        }
        // The second nested query stands behind the first.
        assert_eq!(found[0][2], rows(&[1, 2, 3]));
    }
}

#[test]
fn parents_may_share_rows_have_none_or_have_no_key() {
    let mut db = tree();
    // The other way round: every node with its parent, as a whole row.
    let mut query = Query { select: Select::Exprs(vec![c("id")]), ..Query::all(&NODE) };
    query.filter = Some(Expr::compare(CompareOp::Lt, c("id"), Expr::Literal(id(100))));
    let parent = ColumnRef { level: 0, table: "node", column: "parent" };
    query.nested.push(Nested { parent, column: "id", query: Query::all(&NODE) });
    let found = ask(&mut db, &query);
    let one = Value::Rows(vec![vec![id(1), Value::Null, Value::Int(1), Value::Float(0.5)]]);
    assert_eq!(found[0], [id(1), Value::Rows(vec![])]);
    assert_eq!(found[2..], [[id(11), one.clone()], [id(12), one.clone()], [id(13), one]]);
}

#[test]
fn related_rows_may_be_joined_filtered_and_keyed_by_any_column() {
    let mut db = tree();
    // Those children whose own first child exists, by a join; behind a key that is a float.
    let child = Source { name: "child", ..Source::table(&NODE) };
    let on = Expr::eq(Expr::column("child", "parent"), c("id"))
        .and(Expr::eq(Expr::column("child", "n"), Expr::Literal(Value::Int(1))));
    let mut joined = numbers().filter(Expr::compare(CompareOp::Lt, c("id"), Expr::Literal(id(100))));
    joined.joins.push(Join { left: false, source: child, on });
    joined.limit = Some(3);
    let query = with(roots(), joined.clone());
    assert_eq!(ask(&mut db, &query)[0][1], rows(&[1, 2, 3]));
    let mut by_float = roots();
    let parent = ColumnRef { level: 0, table: "node", column: "x" };
    by_float.nested.push(Nested { parent, column: "x", query: joined });
    SqlConnection::execute(&mut db.db, "UPDATE node SET x = 1.5 WHERE n = 2", &[]).unwrap();
    let found = ask(&mut db, &by_float);
    assert_eq!(found, [[Value::Int(1), rows(&[1, 1, 3])], [Value::Int(2), rows(&[2])]]);
}

#[test]
fn a_read_that_fails_half_way_ends_its_transaction() {
    let mut db = tree();
    db.fail = true;
    let query = with(roots(), numbers());
    assert_eq!(run(&mut db, &query).unwrap_err().message(), "broken");
    assert!(!SqlConnection::in_transaction(&db));
    // A transaction that is open already is left to its owner.
    (db.fail, db.queries) = (false, 0);
    SqlConnection::batch(&mut db, "BEGIN").unwrap();
    db.batches.clear();
    assert_eq!(run(&mut db, &query).unwrap().len(), 2);
    assert!(db.batches.is_empty() && SqlConnection::in_transaction(&db));
}
