//! What differs from database to database.

use sea_query::extension::sqlite::SqliteBinOper;
use sea_query::{Alias, BinOper, Expr as Sql, ExprTrait as _, Func, FunctionCall, SelectStatement, SqliteQueryBuilder};

use crate::query::ir::{Aggregate, ArithmeticOp, Function};
use crate::query::like::glob;
use crate::value::{Kind, Value};

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite, from 3.39 on, with the functions of [`numeric`](crate::query::numeric) registered.
    Sqlite,
}

/// The function that negates.
pub(crate) const NEGATE: &str = "plasma_negate";
/// The function that gives the date of a timestamp at an offset.
pub(crate) const DATE: &str = "plasma_date";
/// The aggregate that adds up.
pub(crate) const SUM: &str = "plasma_sum";
/// The aggregate that gives the mean.
pub(crate) const MEAN: &str = "plasma_avg";

/// The function that calculates with numbers of this kind.
pub(crate) fn arithmetic_name(op: ArithmeticOp, kind: Kind) -> String {
    let op = match op {
        ArithmeticOp::Add => "add",
        ArithmeticOp::Sub => "sub",
        ArithmeticOp::Mul => "mul",
        ArithmeticOp::Div => "div",
        ArithmeticOp::Rem => "rem",
    };
    let kind = match kind {
        Kind::Int => "int",
        Kind::Float => "float",
        _ => "bigint",
    };
    format!("plasma_{op}_{kind}")
}

impl Dialect {
    pub(super) fn render(self, statement: &SelectStatement) -> (String, Vec<Value>) {
        let (sql, values) = match self {
            Dialect::Sqlite => statement.build(SqliteQueryBuilder),
        };
        (sql, values.into_iter().map(from_sea).collect())
    }

    pub(super) fn like(self, text: Sql, pattern: &str) -> Sql {
        match self {
            Dialect::Sqlite => text.binary(SqliteBinOper::Glob, glob(pattern)),
        }
    }

    /// Whether the value is in an array of JSON.
    pub(super) fn is_in_json(self, value: Sql, json: String) -> Sql {
        match self {
            Dialect::Sqlite => {
                Sql::cust_with_exprs("(?) IN (SELECT \"value\" FROM json_each(?))", [value, Sql::val(json)])
            }
        }
    }

    pub(super) fn arithmetic(self, op: ArithmeticOp, kind: Kind, left: Sql, right: Sql) -> Sql {
        match self {
            Dialect::Sqlite => call(&arithmetic_name(op, kind), [left, right]).into(),
        }
    }

    pub(super) fn function(self, function: Function, args: Vec<Sql>) -> Sql {
        match (self, function) {
            (Dialect::Sqlite, Function::Lower) => call("lower", args).into(),
            (Dialect::Sqlite, Function::Upper) => call("upper", args).into(),
            (Dialect::Sqlite, Function::Length) => call("length", args).into(),
            (Dialect::Sqlite, Function::Trim) => call("trim", args).into(),
            (Dialect::Sqlite, Function::Date) => call(DATE, args).into(),
            (Dialect::Sqlite, Function::Negate) => call(NEGATE, args).into(),
            // Refused before; there is no such function.
            (Dialect::Sqlite, Function::Now) => call("_plasma_now", args).into(),
            (Dialect::Sqlite, Function::Concat) => concat(args),
            (Dialect::Sqlite, Function::Coalesce) => coalesce(args),
        }
    }

    /// Without an argument the rows are counted.
    pub(super) fn aggregate(self, function: Aggregate, arg: Option<Sql>) -> FunctionCall {
        let Some(arg) = arg else { return Func::cust("count").arg(Sql::cust("*")) };
        match (self, function) {
            (Dialect::Sqlite, Aggregate::Count) => call("count", [arg]),
            (Dialect::Sqlite, Aggregate::CountDistinct) => Func::count_distinct(arg),
            (Dialect::Sqlite, Aggregate::Sum) => call(SUM, [arg]),
            (Dialect::Sqlite, Aggregate::Avg) => call(MEAN, [arg]),
            (Dialect::Sqlite, Aggregate::Min) => call("min", [arg]),
            (Dialect::Sqlite, Aggregate::Max) => call("max", [arg]),
        }
    }
}

fn call(name: &str, args: impl IntoIterator<Item = Sql>) -> FunctionCall {
    Func::cust(Alias::new(name)).args(args)
}

/// A balanced tree, as SQLite limits the depth of an expression.
fn concat(mut args: Vec<Sql>) -> Sql {
    match args.len() {
        0 => Sql::val(""),
        1 => args.remove(0),
        len => {
            let second = args.split_off(len.div_ceil(2));
            Sql::cust_with_exprs("((?) || (?))", [concat(args), concat(second)])
        }
    }
}

/// SQLite's needs two arguments.
fn coalesce(mut args: Vec<Sql>) -> Sql {
    match args.len() {
        0 => Sql::cust("NULL"),
        1 => args.remove(0),
        _ => call("coalesce", args).into(),
    }
}

/// `a AND b AND ..` as a balanced tree: SQLite allows a depth of 1,000, not a length.
pub(super) fn chain(mut parts: Vec<Sql>, operator: BinOper, empty: &'static str) -> Sql {
    match parts.len() {
        0 => Sql::cust(empty),
        1 => parts.remove(0),
        len => {
            let second = parts.split_off(len.div_ceil(2));
            let first = chain(parts, operator, empty);
            first.binary(operator, chain(second, operator, empty))
        }
    }
}

pub(super) fn to_sea(value: &Value) -> sea_query::Value {
    use sea_query::Value as Sea;
    match value {
        Value::Null => Sea::BigInt(None),
        Value::Bool(b) => Sea::Bool(Some(*b)),
        Value::Int(n) => Sea::BigInt(Some(*n)),
        Value::Float(x) => Sea::Double(Some(*x)),
        Value::Rows(_) => Sea::BigInt(None),
        Value::Text(text) | Value::Json(text) => Sea::String(Some(text.clone())),
        Value::Blob(bytes) => Sea::Bytes(Some(bytes.clone())),
    }
}

/// sea-query's values back as ours; only those that [`to_sea`] and the limits make can come.
fn from_sea(value: sea_query::Value) -> Value {
    use sea_query::Value as Sea;
    match value {
        Sea::Bool(Some(b)) => Value::Bool(b),
        Sea::BigInt(Some(n)) => Value::Int(n),
        // Limits and offsets, cut to i64 before.
        Sea::BigUnsigned(Some(n)) => Value::Int(n as i64),
        Sea::Int(Some(n)) => Value::Int(n.into()),
        Sea::Double(Some(x)) => Value::Float(x),
        Sea::String(Some(text)) => Value::Text(text),
        Sea::Bytes(Some(bytes)) => Value::Blob(bytes),
        _ => Value::Null,
    }
}
