//! The one comparator.
//!
//! Both orders are SQLite's (<https://www.sqlite.org/datatype3.html#comparisons>): NULL, then numbers by value
//! (booleans as 0 and 1, an integer against a float exactly), then text by the bytes of its UTF-8, then bytes. The
//! in-memory evaluator sorts and compares with nothing else.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use super::Value;

/// The order rows are sorted by: NULL first, every value comparable.
pub fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Text(a) | Value::Json(a), Value::Text(b) | Value::Json(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => compare_floats(*a, *b),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(b),
        (Value::Int(_) | Value::Bool(_), Value::Int(_) | Value::Bool(_)) => integer(left).cmp(&integer(right)),
        (Value::Int(_) | Value::Bool(_), Value::Float(b)) => compare_integer_to_float(integer(left), *b),
        (Value::Float(a), Value::Int(_) | Value::Bool(_)) => compare_integer_to_float(integer(right), *a).reverse(),
        _ => rank(left).cmp(&rank(right)),
    }
}

/// SQL's comparison: unknown (`None`) when either side is NULL.
pub fn sql_compare(left: &Value, right: &Value) -> Option<Ordering> {
    if left.is_null() || right.is_null() { None } else { Some(compare(left, right)) }
}

/// `IS NOT DISTINCT FROM`: NULL is NULL, 1 is 1.0.
pub fn is_same(left: &Value, right: &Value) -> bool {
    compare(left, right) == Ordering::Equal
}

/// The class of a value in the order of classes.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => 1,
        Value::Text(_) | Value::Json(_) => 2,
        Value::Blob(_) => 3,
        Value::Rows(_) => 4,
    }
}

fn integer(value: &Value) -> i64 {
    match value {
        Value::Int(n) => *n,
        Value::Bool(b) => i64::from(*b),
        _ => 0,
    }
}

/// Floats by value; -0.0 equals 0.0. Columns hold no NaN; should one come along, it goes to the end of the order.
fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.total_cmp(&b))
}

/// An integer against a float without rounding either (SQLite's `sqlite3IntFloatCompare`).
fn compare_integer_to_float(n: i64, x: f64) -> Ordering {
    /// 2^63, the first float above every `i64`.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if x.is_nan() || x >= LIMIT {
        return Ordering::Less;
    }
    if x < -LIMIT {
        return Ordering::Greater;
    }
    // Within the range the cast cuts the fraction off and is exact otherwise.
    let whole = x as i64;
    n.cmp(&whole).then_with(|| compare_floats(0.0, x - whole as f64))
}
