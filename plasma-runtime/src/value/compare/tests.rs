use super::*;

/// Every pair of an ascending list of groups of equal values compares as the positions of its groups do.
#[test]
fn the_order_is_total_and_sqlites() {
    let ascending: Vec<Vec<Value>> = vec![
        vec![Value::Null],
        vec![Value::Float(f64::MIN)],
        vec![Value::Int(i64::MIN), Value::Float(-9_223_372_036_854_775_808.0)],
        vec![Value::Int(i64::MIN + 1)],
        vec![Value::Float(-1.5)],
        vec![Value::Int(-1)],
        vec![Value::Float(-0.5)],
        vec![Value::Int(0), Value::Bool(false), Value::Float(0.0), Value::Float(-0.0)],
        vec![Value::Float(5e-324)],
        vec![Value::Int(1), Value::Bool(true), Value::Float(1.0)],
        vec![Value::Int(9_007_199_254_740_992), Value::Float(9_007_199_254_740_992.0)],
        vec![Value::Int(9_007_199_254_740_993)],
        vec![Value::Int(i64::MAX)],
        vec![Value::Float(9_223_372_036_854_775_808.0)],
        vec![Value::Float(f64::MAX)],
        vec![Value::from("")],
        vec![Value::from("B")],
        vec![Value::from("a"), Value::Json("a".into())],
        vec![Value::from("\u{e9}")],
        // By bytes, not by UTF-16 units: U+FF5E comes before U+1F600.
        vec![Value::from("\u{ff5e}")],
        vec![Value::from("\u{1f600}")],
        vec![Value::Blob(vec![])],
        vec![Value::Blob(vec![0])],
        vec![Value::Blob(vec![255])],
    ];
    for (i, left) in ascending.iter().enumerate() {
        for (j, right) in ascending.iter().enumerate() {
            for a in left {
                for b in right {
                    assert_eq!(compare(a, b), i.cmp(&j), "{a:?} against {b:?}");
                    assert_eq!(is_same(a, b), i == j, "{a:?} against {b:?}");
                    let known = !a.is_null() && !b.is_null();
                    assert_eq!(sql_compare(a, b), known.then(|| i.cmp(&j)));
                }
            }
        }
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn sqlite_sorts_the_same_list_the_same_way() {
    use crate::store::SqlConnection as _;
    use crate::store::sqlite::SqliteConnection;
    use crate::value::Kind;
    let values = [
        Value::Null,
        Value::Int(i64::MIN),
        Value::Int(i64::MAX),
        Value::Float(9_223_372_036_854_775_808.0),
        Value::Float(-9_223_372_036_854_775_808.0),
        Value::Int(9_007_199_254_740_993),
        Value::Float(9_007_199_254_740_992.0),
        Value::Bool(true),
        Value::Float(0.5),
        Value::from("\u{1f600}"),
        Value::from("\u{ff5e}"),
        Value::from("B"),
        Value::from("a"),
        Value::Blob(vec![0]),
    ];
    let mut db = SqliteConnection::in_memory().unwrap();
    for a in &values {
        for b in &values {
            let sql = "SELECT ? < ?, ? = ?, ? IS ?";
            let pair = [a.clone(), b.clone()];
            let row = db.query(sql, &[pair.clone(), pair.clone(), pair].concat(), &[Kind::Bool; 3]).unwrap().remove(0);
            let known = sql_compare(a, b);
            let truth = |b: Option<bool>| b.map_or(Value::Null, Value::Bool);
            assert_eq!(row[0], truth(known.map(Ordering::is_lt)), "{a:?} < {b:?}");
            assert_eq!(row[1], truth(known.map(Ordering::is_eq)), "{a:?} = {b:?}");
            assert_eq!(row[2], Value::Bool(is_same(a, b)), "{a:?} IS {b:?}");
        }
    }
}
