//! What differs from database to database.

mod postgres;
mod sqlite;

use sea_query::{
    Alias, BinOper, Condition, Expr as Sql, ExprTrait as _, Func, FunctionCall, SelectStatement, SqliteQueryBuilder,
};

use crate::query::ir::{Aggregate, ArithmeticOp, Function};
use crate::schema::lock::kind_word;
use crate::value::{Kind, Value};

pub(crate) use self::postgres::type_of;

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// SQLite, from 3.39 on, with the functions of [`numeric`](crate::query::numeric) registered.
    Sqlite,
    /// Postgres, from 14 on, with the functions that calculate in the schema.
    Postgres,
}

/// The function that negates.
pub(crate) const NEGATE: &str = "plasma_negate";
/// The function that gives the date of a timestamp at an offset.
pub(crate) const DATE: &str = "plasma_date";
/// The function that gives the value of a CRDT's state.
pub(crate) const VALUE: &str = "plasma_value";
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
    /// sea-query's words for SQLite are standard SQL, and its parameters are `?`: they serve both. What is not standard is
    /// decided here.
    pub(super) fn render(self, statement: &SelectStatement, constants: bool) -> (String, Vec<Value>) {
        let (sql, values) = statement.build(SqliteQueryBuilder);
        let values = values.into_iter().map(from_sea).collect();
        match self {
            Dialect::Postgres if constants => (postgres::with_constants(&sql, values), Vec::new()),
            _ => (sql, values),
        }
    }

    /// A value of the query.
    pub(super) fn literal(self, value: &Value) -> Sql {
        match self {
            Dialect::Sqlite => Sql::val(to_sea(value)),
            Dialect::Postgres => postgres::literal(value),
        }
    }

    /// What is always so, or never.
    pub(super) fn truth(self, truth: bool) -> &'static str {
        match (self, truth) {
            (Dialect::Sqlite, true) => "TRUE",
            (Dialect::Sqlite, false) => "FALSE",
            // Postgres does not sort or group by what it sees to be constant.
            (Dialect::Postgres, true) => "(1 = 1)",
            (Dialect::Postgres, false) => "(1 = 0)",
        }
    }

    /// NULL where nothing else says of which kind it is.
    pub(super) fn null_of(self, kind: Option<Kind>) -> Sql {
        match self {
            Dialect::Sqlite => Sql::cust("NULL"),
            Dialect::Postgres => Sql::cust(format!("CAST(NULL AS {})", type_of(kind.unwrap_or(Kind::Text)))),
        }
    }

    /// Whether two values are the same, NULL being the same as NULL.
    pub(super) fn is_same(self, left: Sql, right: Sql) -> Sql {
        match self {
            Dialect::Sqlite => left.binary(BinOper::Is, right),
            Dialect::Postgres => left.binary(BinOper::Custom("IS NOT DISTINCT FROM"), right),
        }
    }

    pub(super) fn like(self, text: Sql, pattern: &str) -> Sql {
        match self {
            Dialect::Sqlite => sqlite::like(text, pattern),
            Dialect::Postgres => postgres::like(text, pattern),
        }
    }

    /// Whether this text stands in the state of a set.
    pub(super) fn has(self, set: Sql, mark: &str) -> Sql {
        let find = if self == Dialect::Sqlite { "instr" } else { "strpos" };
        let mark = self.literal(&Value::Text(mark.to_owned()));
        Sql::cust_with_exprs(format!("({find}(?, ?) > 0)"), [set, mark])
    }

    /// Whether the value is in an array of JSON, all of text or all of integers.
    pub(super) fn is_in_json(self, value: Sql, json: String, of_text: bool) -> Sql {
        match self {
            Dialect::Sqlite => {
                Sql::cust_with_exprs("(?) IN (SELECT \"value\" FROM json_each(?))", [value, Sql::val(json)])
            }
            Dialect::Postgres => postgres::is_in_json(value, json, of_text),
        }
    }

    /// `value IN (..)` over a list of text that is one parameter, an array of JSON.
    pub(crate) fn in_texts(self, value: &str) -> String {
        match self {
            Dialect::Sqlite => format!("{value} IN (SELECT value FROM json_each(?))"),
            // As an array the list can be looked up in an index.
            Dialect::Postgres => {
                format!("{value} = ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json))))")
            }
        }
    }

    /// SQL for a new value of a column, where no column says what a lone parameter is.
    pub(crate) fn of_kind(self, kind: Kind, value: String) -> String {
        match self {
            Dialect::Sqlite => value,
            Dialect::Postgres => postgres::of_kind(kind, &value),
        }
    }

    /// The statement that begins a transaction for reading, in which every statement sees the same state.
    pub(crate) fn begin_reading(self) -> &'static str {
        match self {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    pub(super) fn arithmetic(self, op: ArithmeticOp, kind: Kind, left: Sql, right: Sql) -> Sql {
        match self {
            Dialect::Sqlite => call(&arithmetic_name(op, kind), [left, right]).into(),
            Dialect::Postgres => postgres::arithmetic(op, kind, left, right),
        }
    }

    /// A calculation of two parameters.
    #[cfg(test)]
    pub(crate) fn arithmetic_text(self, op: ArithmeticOp, kind: Kind) -> (String, Vec<Value>) {
        let zero = || self.literal(&if kind == Kind::Float { Value::Float(0.0) } else { Value::Int(0) });
        let (sql, params) = self.render(SelectStatement::new().expr(self.arithmetic(op, kind, zero(), zero())), false);
        (sql.replacen("SELECT ", "", 1), params)
    }

    /// An aggregate of a column.
    #[cfg(test)]
    pub(crate) fn aggregate_text(self, function: Aggregate, column: &str, kind: Kind) -> String {
        let arg = Sql::cust(column.to_owned());
        let call = self.aggregate(function, Some(arg), Some(kind), None);
        self.render(SelectStatement::new().expr(call), false).0.replacen("SELECT ", "", 1)
    }

    /// `kind` is that of the first argument, none when it is always NULL.
    pub(super) fn function(self, function: Function, kind: Option<Kind>, args: Vec<Sql>) -> Sql {
        match (self, function) {
            (Dialect::Postgres, Function::Negate) => postgres::negate(kind, args),
            (Dialect::Postgres, Function::Lower) => call("lower", postgres::texts(args)).into(),
            (Dialect::Postgres, Function::Upper) => call("upper", postgres::texts(args)).into(),
            (Dialect::Postgres, Function::Trim) => call("btrim", postgres::texts(args)).into(),
            (Dialect::Sqlite, Function::Lower) => call("lower", args).into(),
            (Dialect::Sqlite, Function::Upper) => call("upper", args).into(),
            (Dialect::Sqlite, Function::Trim) => call("trim", args).into(),
            (Dialect::Sqlite, Function::Negate) => call(NEGATE, args).into(),
            (Dialect::Postgres, Function::ValueOf(kind)) => postgres::value_of(kind, args),
            (Dialect::Sqlite, Function::ValueOf(kind)) => {
                let word = Sql::cust(format!("'{}'", kind_word(Kind::Crdt(kind))));
                call(VALUE, args.into_iter().chain([word])).into()
            }
            (_, Function::Length) => call("length", args).into(),
            (_, Function::Date) => call(DATE, args).into(),
            // Refused before; there is no such function.
            (_, Function::Now) => call("_plasma_now", args).into(),
            (_, Function::Concat) => concat(args),
            (_, Function::Coalesce) => coalesce(args),
        }
    }

    /// An aggregate over the rows that meet a condition. Without an argument the rows are counted; `kind` is that of the
    /// argument, none when it is always NULL.
    pub(super) fn aggregate(
        self,
        function: Aggregate,
        arg: Option<Sql>,
        kind: Option<Kind>,
        condition: Option<Sql>,
    ) -> Sql {
        let over = |call: FunctionCall| match &condition {
            Some(condition) => call.filter(Condition::all().add(condition.clone())).into(),
            None => Sql::from(call),
        };
        let Some(arg) = arg else { return over(Func::cust("count").arg(Sql::cust("*"))) };
        match (self, function) {
            (_, Aggregate::Count) => over(call("count", [arg])),
            (_, Aggregate::CountDistinct) => over(Func::count_distinct(arg)),
            (Dialect::Sqlite, Aggregate::Sum) => over(call(SUM, [arg])),
            (Dialect::Sqlite, Aggregate::Avg) => over(call(MEAN, [arg])),
            (Dialect::Sqlite, Aggregate::Min) => over(call("min", [arg])),
            (Dialect::Sqlite, Aggregate::Max) => over(call("max", [arg])),
            (Dialect::Postgres, _) => postgres::aggregate(function, arg, kind, &over),
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
