//! The calculations of [`numeric`](crate::query::numeric) as functions of a connection.

use std::collections::BTreeMap;

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error as SqliteError};

use crate::crdt::{self, CrdtKind};
use crate::error::{Error, ErrorKind, Result};
use crate::query::ir::ArithmeticOp;
use crate::query::lower::{DATE, MEAN, NEGATE, SUM, VALUE, arithmetic_name};
use crate::query::numeric::{self, Sum};
use crate::schema::lock::kind_word;
use crate::value::{Kind, Value};

/// What stands before the message of an overflow: SQLite passes on nothing but the text.
const OVERFLOW: &str = "plasma overflow: ";

/// The overflow a message of SQLite tells of: one of these functions, or its own.
pub(super) fn overflow(message: &str) -> Option<&str> {
    let own = message == "integer overflow";
    message.strip_prefix(OVERFLOW).or(own.then_some("a sum or a calculation is outside the 64-bit integers"))
}

/// Makes the functions known to a connection. None of them is stored in a schema.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    use ArithmeticOp::{Add, Div, Mul, Rem, Sub};
    for op in [Add, Sub, Mul, Div, Rem] {
        for kind in [Kind::Int, Kind::BigInt, Kind::Float] {
            connection.create_scalar_function(arithmetic_name(op, kind).as_str(), 2, flags, move |context| {
                passed_on(numeric::arithmetic(op, kind, &argument(context, 0)?, &argument(context, 1)?))
            })?;
        }
    }
    connection
        .create_scalar_function(NEGATE, 1, flags, |context| passed_on(numeric::negate(&argument(context, 0)?)))?;
    connection.create_scalar_function(DATE, 2, flags, |context| {
        passed_on(numeric::date_of(&argument(context, 0)?, &argument(context, 1)?))
    })?;
    let kinds: BTreeMap<&str, CrdtKind> = CrdtKind::all().map(|kind| (kind_word(Kind::Crdt(kind)), kind)).collect();
    connection.create_scalar_function(VALUE, 2, flags, move |context| {
        let kind = context.get_raw(1).as_str().ok().and_then(|word| kinds.get(word));
        match (context.get_raw(0), kind) {
            (ValueRef::Null, _) => Ok(Value::Null),
            (ValueRef::Text(state), Some(kind)) => {
                let state = std::str::from_utf8(state).map_err(|error| SqliteError::UserFunctionError(error.into()))?;
                passed_on(crdt::value_of(*kind, state))
            }
            _ => Err(SqliteError::UserFunctionError("the state of a CRDT was expected".into())),
        }
    })?;
    connection.create_aggregate_function(SUM, 1, flags, Total(Sum::sum))?;
    connection.create_aggregate_function(MEAN, 1, flags, Total(Sum::mean))
}

/// An aggregate over the values of a group; what it ends with is asked of their sum.
struct Total(fn(&Sum) -> Result<Value>);

impl Aggregate<Sum, Value> for Total {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<Sum> {
        Ok(Sum::default())
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut Sum) -> rusqlite::Result<()> {
        passed_on(sum.add(&argument(context, 0)?))
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<Sum>) -> rusqlite::Result<Value> {
        passed_on((self.0)(&sum.unwrap_or_default()))
    }
}

fn argument(context: &Context<'_>, index: usize) -> rusqlite::Result<Value> {
    Ok(match context.get_raw(index) {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(n) => Value::Int(n),
        ValueRef::Real(x) => Value::Float(x),
        other => {
            let found = format!("a number was expected, not a value of type {}", other.data_type());
            return Err(SqliteError::UserFunctionError(found.into()));
        }
    })
}

fn passed_on<T>(result: Result<T>) -> rusqlite::Result<T> {
    result.map_err(|error: Error| {
        let prefix = if error.kind() == ErrorKind::Overflow { OVERFLOW } else { "" };
        SqliteError::UserFunctionError(format!("{prefix}{}", error.message()).into())
    })
}
