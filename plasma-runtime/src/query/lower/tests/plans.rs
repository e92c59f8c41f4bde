//! What SQLite makes of the statements.

use super::*;
use crate::query::ir::{Aggregate, Group, Join, Rows, Source};

static LIST: TableDef = TableDef::new("list", &[col("id", Kind::Id), col("name", Kind::Text)]);
static ENTRY: TableDef = TableDef::new("entry", &[col("id", Kind::Id), col("list", Kind::Id), col("n", Kind::Int)]);

fn plan(query: &Lowered) -> Vec<String> {
    let mut db = SqliteConnection::in_memory().unwrap();
    db.batch(&create_table(&LIST, Side::Client)).unwrap();
    db.batch(&create_table(&ENTRY, Side::Client)).unwrap();
    db.batch("CREATE INDEX entry_list ON entry(list)").unwrap();
    let mut statement = db.connection().prepare(&format!("EXPLAIN QUERY PLAN {}", query.sql)).unwrap();
    for (index, value) in query.params.iter().enumerate() {
        statement.raw_bind_parameter(index + 1, value).unwrap();
    }
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>("detail").unwrap());
    }
    steps
}

fn of(query: &Query) -> Vec<String> {
    plan(&select(Dialect::Sqlite, query))
}

#[test]
fn plain_queries_use_what_there_is() {
    let equal = |column| Query::all(&ENTRY).filter(Expr::eq(Expr::column("entry", column), Expr::Literal("x".into())));
    assert_eq!(of(&equal("id")), ["SEARCH _plasma_0 USING PRIMARY KEY (id=?)"]);
    assert_eq!(of(&Query::all(&ENTRY)), ["SCAN _plasma_0"]);
    // The index has the id behind the list: nothing is left to sort.
    assert_eq!(of(&equal("list")), ["SEARCH _plasma_0 USING INDEX entry_list (list=?)"]);
}

/// A rule puts a query in the place of a joined table; SQLite puts the table back.
#[test]
fn a_confined_table_is_still_searched_by_its_index() {
    let rule = Expr::compare(CompareOp::Gt, Expr::column("entry", "n"), Expr::Literal(Value::Int(3)));
    let names = ENTRY.columns.iter().map(|column| column.name).collect();
    let confined = Source { name: "entry", rows: Rows::Query(Box::new(Query::all(&ENTRY).filter(rule)), names) };
    for left in [false, true] {
        let on = Expr::eq(Expr::column("entry", "list"), Expr::column("list", "id"));
        let query = Query { joins: vec![Join { left, source: confined.clone(), on }], ..Query::all(&LIST) };
        let steps = of(&query);
        let searched = steps.iter().any(|step| step.contains("USING INDEX entry_list (list=?)"));
        // The order of an inner join is SQLite's choice.
        assert!(searched || !left, "{steps:?}");
        assert!(!steps.iter().any(|step| step.contains("MATERIALIZE")), "{left} {steps:?}");
    }
}

#[test]
fn related_rows_are_searched_by_their_column() {
    let keys = ["a", "b"].map(Value::from);
    let mut query = Query::all(&ENTRY);
    query.select = Select::Exprs(vec![Expr::column("entry", "n"), Expr::column("entry", "list")]);
    let search = "SEARCH _plasma_0 USING INDEX entry_list (list=?)";
    for limit in [None, Some(2)] {
        query.limit = limit;
        for keys in [&keys[..1], &keys[..]] {
            let lowered = select_of_each(Dialect::Sqlite, &query, "list", keys);
            assert!(plan(&lowered).iter().any(|step| step == search), "{:?}\n{}", plan(&lowered), lowered.sql);
        }
    }
    // However many keys there are, the text is the same.
    let of_keys = |count: usize| {
        let keys: Vec<Value> = (0..count).map(|n| Value::Text(n.to_string())).collect();
        select_of_each(Dialect::Sqlite, &query, "list", &keys).sql
    };
    assert_eq!(of_keys(2), of_keys(1_000));
}

#[test]
fn the_groups_of_an_index_are_not_sorted() {
    let list = || Expr::column("entry", "list");
    let mut query = Query { group: Some(Group { keys: vec![list()], having: None }), ..Query::all(&ENTRY) };
    query.select = Select::Exprs(vec![list(), Expr::Aggregate { function: Aggregate::Count, expr: None }]);
    assert_eq!(of(&query), ["SCAN _plasma_0 USING COVERING INDEX entry_list"]);
}
