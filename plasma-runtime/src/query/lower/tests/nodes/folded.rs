//! Groups, aggregates and repetitions.

use super::*;

#[test]
fn groups_and_what_they_fold_to() {
    let (boss, age) = (|| c("person", "boss"), || c("person", "age"));
    let values = vec![
        boss(),
        rows_counted(),
        aggregate(Aggregate::Count, age()),
        aggregate(Aggregate::Sum, age()),
        aggregate(Aggregate::Avg, age()),
        aggregate(Aggregate::Min, c("person", "name")),
        aggregate(Aggregate::Max, age()),
        aggregate(Aggregate::CountDistinct, c("person", "name")),
    ];
    let query = select_of(grouped(&PERSON, vec![boss()], None), values);
    assert_eq!(
        select(Dialect::Sqlite, &query).kinds,
        [Kind::Id, Kind::BigInt, Kind::BigInt, Kind::BigInt, Kind::Float, Kind::Text, Kind::Int, Kind::BigInt]
    );
    let expected = |boss: Value, age: i64, name: &str| {
        let [one, two, age_float, age] = [Value::Int(1), Value::Int(2), Value::Float(age as f64), Value::Int(age)];
        [boss, two.clone(), one, age.clone(), age_float, text(name), age, two]
    };
    assert_eq!(ask(&query), [expected(Value::Null, 40, "Ann"), expected(id(1), 30, "Bo")]);
}

#[test]
fn groups_are_kept_ordered_cut_and_counted() {
    let oldest = || aggregate(Aggregate::Max, c("person", "age"));
    let by_boss = |having| grouped(&PERSON, vec![c("person", "boss")], having);
    let old = Expr::compare(CompareOp::Gt, oldest(), int(35));
    let query = select_of(by_boss(Some(old)), vec![c("person", "boss"), rows_counted()]);
    assert_eq!(ask(&query), [[Value::Null, Value::Int(2)]]);
    assert_eq!(ask(&Query { select: Select::Count, ..query }), [[Value::Int(1)]]);
    let mut by_age = select_of(by_boss(None), vec![oldest()]);
    by_age.order.push(Order { expr: oldest(), descending: false });
    assert_eq!(ask(&by_age), [[Value::Int(30)], [Value::Int(40)]]);
    by_age.offset = Some(1);
    assert_eq!(ask(&by_age), [[Value::Int(40)]]);
    assert_eq!(ask(&Query { select: Select::Count, ..by_age }), [[Value::Int(1)]]);
}

#[test]
fn a_group_may_have_a_calculated_key() {
    let key = || calculate(ArithmeticOp::Rem, Kind::BigInt, c("sale", "n"), int(2));
    let twice = calculate(ArithmeticOp::Mul, Kind::BigInt, key(), int(2));
    let query = select_of(grouped(&SALE, vec![key()], None), vec![key(), twice, rows_counted()]);
    assert_eq!(ask(&query), [[0, 0, 3].map(Value::Int), [1, 2, 1].map(Value::Int)]);
}

#[test]
fn without_keys_all_rows_are_one_group() {
    let sum = aggregate(Aggregate::Sum, c("sale", "n"));
    let folded = vec![rows_counted(), sum, aggregate(Aggregate::Min, c("sale", "at"))];
    let all = select_of(grouped(&SALE, vec![], None), folded);
    assert_eq!(ask(&all), [[Value::Int(4), Value::Int(15), Value::Int(-1)]]);
    let none = all.clone().filter(Expr::Or(Vec::new()));
    assert_eq!(ask(&none), [[Value::Int(0), Value::Null, Value::Null]]);
    // Nothing that is selected folds anything: still one row, of no row and of many.
    for query in [all, none] {
        assert_eq!(ask(&select_of(query.clone(), vec![literal("x"), int(2)])), [[text("x"), Value::Int(2)]]);
        assert_eq!(ask(&Query { select: Select::Count, ..query.clone() }), [[Value::Int(1)]]);
        let exists = Expr::Exists(Box::new(query.clone()));
        assert_eq!(ask(&of(vec![exists])), [[Value::Bool(true)]]);
        let many = Expr::compare(CompareOp::Gt, rows_counted(), int(3));
        let group = Some(Group { keys: Vec::new(), having: Some(many) });
        let kept = i64::from(query.filter.is_none());
        assert_eq!(ask(&Query { select: Select::Count, group, ..query }), [[Value::Int(kept)]]);
    }
}

#[test]
fn an_aggregate_of_outer_columns_is_the_inner_querys() {
    // For every person, its own age once for each of its sales.
    let own = Expr::eq(c("sale", "by"), outer("person", "id"));
    let folded = grouped(&SALE, vec![], None).filter(own);
    let ages = Expr::Scalar(Box::new(select_of(folded, vec![aggregate(Aggregate::Sum, outer("person", "age"))])));
    let [none, ann, bo] = [Value::Null, Value::Int(80), Value::Int(30)];
    assert_eq!(ask(&select_of(Query::all(&PERSON), vec![ages])), [[ann], [bo], [none.clone()], [none]]);
}

#[test]
fn repetitions_are_dropped_before_the_cut() {
    let mut query = select_of(Query::all(&PERSON), vec![c("person", "boss")]);
    query.distinct = true;
    assert_eq!(ask(&query), [[Value::Null], [id(1)]]);
    query.order.push(Order { expr: c("person", "boss"), descending: true });
    query.limit = Some(1);
    assert_eq!(ask(&query), [[id(1)]]);
    query.offset = Some(1);
    assert_eq!(ask(&query), [[Value::Null]]);
    let exists = |query: &Query| ask(&of(vec![Expr::Exists(Box::new(query.clone()))]));
    assert_eq!(exists(&query), [[Value::Bool(true)]]);
    query.offset = Some(2);
    assert_eq!(exists(&query), [[Value::Bool(false)]]);
}

#[test]
fn the_order_of_distinct_rows_is_by_what_is_selected() {
    let third = calculate(ArithmeticOp::Div, Kind::BigInt, c("sale", "n"), int(3));
    let mut query = Query { distinct: true, ..select_of(Query::all(&SALE), vec![int(7), third.clone()]) };
    query.order.push(Order { expr: third, descending: true });
    assert!(select(Dialect::Sqlite, &query).sql.ends_with("ORDER BY 2 DESC, 1 ASC, 2 ASC"));
    assert_eq!(ask(&query).iter().map(|row| row[1].clone()).collect::<Vec<_>>(), [2, 1, 0].map(Value::Int));
}

#[test]
fn sums_do_not_depend_on_the_order() {
    let folded = |functions: &[Aggregate], column| {
        let exprs = functions.iter().map(|function| aggregate(*function, c("sale", column))).collect();
        select_of(grouped(&SALE, vec![], None), exprs)
    };
    let both = [Aggregate::Sum, Aggregate::Avg];
    // A plain sum of floats gives 0, or 0.75, by the order of the rows.
    assert_eq!(ask(&folded(&both, "price")), [[Value::Float(0.75), Value::Float(0.1875)]]);
    let mut db = shop();
    db.execute("UPDATE sale SET n = ?", &[Value::Int(i64::MAX)]).unwrap();
    let error = run_nested(&mut db, &folded(&both[..1], "n")).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Overflow, "the sum of 4 values, 36893488147419103228, is outside the 64-bit integers")
    );
    let mean = run_nested(&mut db, &folded(&both[1..], "n")).unwrap();
    assert_eq!(mean, [[Value::Float(9_223_372_036_854_775_807.0)]]);
}

#[test]
fn sqlites_own_overflow_is_one_too() {
    let error = shop().query("SELECT sum(9223372036854775807) FROM sale", &[], &[Kind::BigInt]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
}
