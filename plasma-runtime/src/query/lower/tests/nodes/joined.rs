//! Sources: joins, and queries in the place of tables.

use super::*;

#[test]
fn joins_by_condition_and_by_alias() {
    let boss = || Source { name: "b", rows: Rows::Table(&PERSON) };
    let on = || Expr::eq(c("person", "boss"), c("b", "id"));
    let names = vec![c("person", "name"), c("b", "name")];
    let inner = select_of(people_with(false, boss(), on()), names.clone());
    assert_eq!(ask(&inner), [[text("Bo"), text("Ann")], [text("Cy"), text("Ann")]]);
    let left = select_of(people_with(true, boss(), on()), names);
    assert_eq!(ask(&left).len(), 4);
    assert_eq!(ask(&left)[3], [text("Dee"), Value::Null]);
    // A whole row of a join is the rows of its sources, and the kinds are theirs.
    let whole = people_with(true, Source::table(&SALE), Expr::eq(c("sale", "by"), c("person", "id")));
    let lowered = select(Dialect::Sqlite, &whole);
    assert_eq!(lowered.kinds[..4], [Kind::Id, Kind::Text, Kind::Id, Kind::Int]);
    assert_eq!(lowered.kinds[4..], [Kind::Id, Kind::Id, Kind::BigInt, Kind::Float, Kind::Timestamp]);
    assert!(lowered.sql.ends_with("ORDER BY \"_plasma_0\".\"id\" ASC, \"_plasma_0_1\".\"id\" ASC"), "{}", lowered.sql);
    assert_eq!(ask(&whole).len(), 5);
    assert_eq!(ask(&Query { select: Select::Count, ..whole }), [[Value::Int(5)]]);
}

#[test]
fn a_condition_of_a_left_join_differs_from_one_of_the_query() {
    let cheap = || Expr::compare(CompareOp::Lt, c("sale", "price"), Expr::Literal(Value::Float(0.3)));
    let on = Expr::eq(c("sale", "by"), c("person", "id"));
    let within = people_with(true, Source::table(&SALE), on.clone().and(cheap()));
    let numbers = vec![c("sale", "n")];
    assert_eq!(
        ask(&select_of(within, numbers.clone())),
        [[Value::Int(2)], [Value::Null], [Value::Null], [Value::Null]]
    );
    let around = people_with(true, Source::table(&SALE), on).filter(cheap());
    assert_eq!(ask(&select_of(around, numbers)), [[Value::Int(2)]]);
}

/// The two greatest sales.
fn top() -> Source {
    let mut greatest = select_of(Query::all(&SALE), vec![c("sale", "by"), c("sale", "n")]);
    greatest.order.push(Order { expr: c("sale", "n"), descending: true });
    greatest.limit = Some(2);
    Source { name: "top", rows: Rows::Query(Box::new(greatest), vec!["seller", "many"]) }
}

#[test]
fn a_query_stands_as_a_table() {
    let mut query = Query::of(top());
    assert_eq!(ask(&query), [[Value::Null, Value::Int(8)], [id(2), Value::Int(4)]]);
    query.filter = Some(Expr::compare(CompareOp::Lt, c("top", "many"), int(8)));
    let on = Expr::eq(c("person", "id"), c("top", "seller"));
    query.joins.push(Join { left: false, source: Source::table(&PERSON), on });
    let query = select_of(query, vec![c("person", "name"), c("top", "many")]);
    assert_eq!(select(Dialect::Sqlite, &query).kinds, [Kind::Text, Kind::BigInt]);
    assert_eq!(ask(&query), [[text("Bo"), Value::Int(4)]]);
}

#[test]
fn a_query_is_joined_and_asked_as_a_table() {
    let seller = people_with(true, top(), Expr::eq(c("person", "id"), c("top", "seller")));
    assert_eq!(ask(&select_of(seller, vec![c("top", "many")]))[1], [Value::Int(4)]);
    let known = Expr::Not(Box::new(is_null(c("top", "seller"))));
    let among = select_of(Query::of(top()), vec![c("top", "seller")]).filter(known);
    let sellers = Expr::InQuery { expr: Box::new(c("person", "id")), query: Box::new(among) };
    assert_eq!(ask(&select_of(Query::all(&PERSON).filter(sellers), vec![c("person", "name")])), [[text("Bo")]]);
    // A count, a count of a cut, and a count of groups.
    for (query, expected) in [
        (Query::all(&PERSON), 4),
        (Query { limit: Some(3), ..Query::all(&PERSON) }, 3),
        (grouped(&PERSON, vec![c("person", "boss")], None), 2),
    ] {
        let counted = Query { select: Select::Count, ..query };
        let source = Source { name: "counted", rows: Rows::Query(Box::new(counted), vec!["people"]) };
        assert_eq!(ask(&select_of(Query::of(source), vec![c("counted", "people")])), [[Value::Int(expected)]]);
    }
}

#[test]
fn a_query_as_a_table_sees_nothing_of_the_queries_around_it() {
    let inner = Query::all(&SALE).filter(Expr::eq(c("sale", "by"), outer("person", "id")));
    let names = SALE.columns.iter().map(|column| column.name).collect();
    let source = Source { name: "own", rows: Rows::Query(Box::new(inner), names) };
    let query = Query::all(&PERSON).filter(Expr::Exists(Box::new(Query::of(source))));
    let lowered = select(Dialect::Sqlite, &query);
    let error = shop().query(&lowered.sql, &lowered.params, &lowered.kinds).unwrap_err();
    assert!(error.message().contains("_plasma_out_of_scope"), "{error}");
}

#[test]
fn the_value_of_a_query() {
    let own = Expr::eq(c("sale", "by"), outer("person", "id"));
    let mut sales = select_of(Query::all(&SALE), vec![c("sale", "n")]).filter(own);
    sales.order.push(Order { expr: c("sale", "n"), descending: true });
    let value = |query: &Query| ask(&select_of(Query::all(&PERSON), vec![Expr::Scalar(Box::new(query.clone()))]));
    let [one, two, four] = [1, 2, 4].map(Value::Int);
    assert_eq!(value(&sales), [[two], [four], [Value::Null], [Value::Null]]);
    sales.offset = Some(1);
    assert_eq!(value(&sales)[..2], [[one], [Value::Null]]);
    sales.limit = Some(0);
    assert_eq!(value(&sales)[0], [Value::Null]);
    let counted = Query { select: Select::Count, limit: None, offset: None, ..sales };
    assert_eq!(value(&counted), [2, 1, 0, 0].map(|n| [Value::Int(n)]));
}
