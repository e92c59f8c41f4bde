//! Calculations with one answer on every store.
//!
//! SQLite turns an integer that overflows into a float, a quotient by zero into NULL, and adds floats in the order the
//! rows happen to come in. Here overflow is an error ([`Overflow`](ErrorKind::Overflow)) and a sum does not depend on
//! the order. The evaluator calls these functions; SQLite calls the same ones, registered on each connection.

mod sum;
#[cfg(test)]
mod tests;

pub use self::sum::Sum;
use super::ir::ArithmeticOp;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Kind, Timestamp, Value};

/// A calculation with two values; NULL when either is.
///
/// # Errors
/// [`Overflow`](ErrorKind::Overflow) when the result is outside `kind`, not finite, or a quotient by zero;
/// [`Internal`](ErrorKind::Internal) when a value is no number or `kind` has no such calculation.
pub fn arithmetic(op: ArithmeticOp, kind: Kind, left: &Value, right: &Value) -> Result<Value> {
    match (kind, left, right) {
        (_, Value::Null, _) | (_, _, Value::Null) => Ok(Value::Null),
        (Kind::Float, _, _) => match (float_of(left), float_of(right)) {
            (Some(left), Some(right)) => float(op, left, right).map(Value::Float),
            _ => Err(no_number(left, right)),
        },
        (_, Value::Int(left), Value::Int(right)) => integer(op, kind, *left, *right).map(Value::Int),
        _ => Err(no_number(left, right)),
    }
}

/// A calculation with two integers. [`Kind::Int`] has the range of an `i32`, every other kind that of an `i64`.
///
/// # Errors
/// [`Overflow`](ErrorKind::Overflow) when the result is outside the range, or a quotient or rest by zero.
pub fn integer(op: ArithmeticOp, kind: Kind, left: i64, right: i64) -> Result<i64> {
    let result = match op {
        ArithmeticOp::Add => left.checked_add(right),
        ArithmeticOp::Sub => left.checked_sub(right),
        ArithmeticOp::Mul => left.checked_mul(right),
        ArithmeticOp::Div | ArithmeticOp::Rem if right == 0 => return Err(by_zero()),
        ArithmeticOp::Div => left.checked_div(right),
        // The rest of the smallest number by -1 is 0, though its quotient is too great.
        ArithmeticOp::Rem => Some(left.wrapping_rem(right)),
    };
    let (result, bits) = match kind {
        Kind::Int => (result.filter(|n| i32::try_from(*n).is_ok()), 32),
        _ => (result, 64),
    };
    result.ok_or_else(|| overflow(format!("{left} {} {right} is outside the {bits}-bit integers", sign(op))))
}

/// A calculation with two floats. Zero has no sign.
///
/// # Errors
/// [`Overflow`](ErrorKind::Overflow) when the result is not finite; [`Internal`](ErrorKind::Internal) for a rest.
pub fn float(op: ArithmeticOp, left: f64, right: f64) -> Result<f64> {
    let result = match op {
        ArithmeticOp::Add => left + right,
        ArithmeticOp::Sub => left - right,
        ArithmeticOp::Mul => left * right,
        ArithmeticOp::Div if right == 0.0 => return Err(by_zero()),
        ArithmeticOp::Div => left / right,
        ArithmeticOp::Rem => return Err(Error::internal("floats have no rest")),
    };
    if !result.is_finite() {
        return Err(overflow(format!("{left:?} {} {right:?} is outside the finite floats", sign(op))));
    }
    Ok(without_sign_of_zero(result))
}

/// The same number with the other sign; NULL of NULL.
///
/// # Errors
/// [`Overflow`](ErrorKind::Overflow) for the smallest `i64`; [`Internal`](ErrorKind::Internal) when it is no number.
pub fn negate(value: &Value) -> Result<Value> {
    match value {
        Value::Null => Ok(Value::Null),
        Value::Int(n) => integer(ArithmeticOp::Sub, Kind::BigInt, 0, *n).map(Value::Int),
        Value::Float(x) => Ok(Value::Float(without_sign_of_zero(-x))),
        other => Err(no_number(other, other)),
    }
}

/// The date of a time in microseconds since the epoch, where clocks are so many minutes ahead of UTC; as `YYYY-MM-DD`.
///
/// # Errors
/// [`Overflow`](ErrorKind::Overflow) outside the years 1 to 9999.
pub fn date(micros: i64, offset_minutes: i64) -> Result<String> {
    let date = i32::try_from(offset_minutes).ok().and_then(|offset| Timestamp::from_micros(micros).date(offset).ok());
    date.map(|date| date.to_string()).ok_or_else(|| {
        overflow(format!(
            "{} is on no date of the years 1 to 9999, {offset_minutes} minutes from UTC",
            Timestamp::from_micros(micros)
        ))
    })
}

/// [`date`] of values; NULL when either is.
///
/// # Errors
/// As [`date`]; [`Internal`](ErrorKind::Internal) when a value is no integer.
pub fn date_of(time: &Value, offset_minutes: &Value) -> Result<Value> {
    match (time, offset_minutes) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Int(micros), Value::Int(minutes)) => date(*micros, *minutes).map(Value::Text),
        _ => Err(no_number(time, offset_minutes)),
    }
}

fn float_of(value: &Value) -> Option<f64> {
    match value {
        Value::Float(x) => Some(*x),
        Value::Int(n) => Some(*n as f64),
        _ => None,
    }
}

/// Columns hold no -0.0; neither do results.
fn without_sign_of_zero(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x }
}

fn sign(op: ArithmeticOp) -> char {
    match op {
        ArithmeticOp::Add => '+',
        ArithmeticOp::Sub => '-',
        ArithmeticOp::Mul => '*',
        ArithmeticOp::Div => '/',
        ArithmeticOp::Rem => '%',
    }
}

fn overflow(message: String) -> Error {
    Error::new(ErrorKind::Overflow, message)
}

#[cold]
fn by_zero() -> Error {
    Error::new(ErrorKind::Overflow, "division by zero")
}

#[cold]
fn no_number(left: &Value, right: &Value) -> Error {
    Error::internal(format!("{left:?} and {right:?} are not numbers to calculate with"))
}
