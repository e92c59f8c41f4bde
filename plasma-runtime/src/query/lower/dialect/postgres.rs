//! Postgres' own words.
//!
//! The types of parameters are what the server infers, and it knows nothing of a lone `?`: every value of a query says its
//! type. Text compares by its bytes: columns are made `COLLATE "C"`, and so is every other text here.

use sea_query::Expr as Sql;

use super::{call, to_sea};
use crate::crdt::CrdtKind;
use crate::query::ir::{Aggregate, ArithmeticOp};
use crate::query::like;
use crate::store::ddl::quote_text;
use crate::value::{Kind, Value};

/// The exact product and quotient of floats.
const FLOATS: [(ArithmeticOp, &str); 2] =
    [(ArithmeticOp::Mul, "plasma_mul_float"), (ArithmeticOp::Div, "plasma_div_float")];

/// A value as a parameter of a known type.
pub(super) fn literal(value: &Value) -> Sql {
    let template = match value {
        // The type of NULL is that of what it stands beside.
        Value::Null | Value::Rows(_) => return Sql::cust("NULL"),
        Value::Bool(_) => "CAST(? AS boolean)",
        Value::Int(_) => "CAST(? AS bigint)",
        Value::Float(_) => "CAST(? AS double precision)",
        Value::Text(_) | Value::Json(_) => "(CAST(? AS text) COLLATE \"C\")",
        Value::Blob(_) => "CAST(? AS bytea)",
    };
    Sql::cust_with_expr(template, Sql::val(to_sea(value)))
}

/// The type of a kind's column.
pub(crate) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Id | Kind::Text | Kind::Json | Kind::Date | Kind::File | Kind::Crdt(_) | Kind::Sealed => "text",
        Kind::Int => "integer",
        Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => "bigint",
        Kind::Float => "double precision",
        Kind::Bool => "boolean",
        Kind::Blob => "bytea",
    }
}

pub(super) fn of_kind(kind: Kind, value: &str) -> String {
    match type_of(kind) {
        "text" => format!("(CAST({value} AS text) COLLATE \"C\")"),
        name => format!("CAST({value} AS {name})"),
    }
}

/// The statement with its parameters as constants: the server takes two parameters for different values even where they
/// are the same, so that a calculated key of a group would not be found again in what is selected.
pub(super) fn with_constants(sql: &str, values: Vec<Value>) -> String {
    let mut values = values.iter();
    let mut text = String::with_capacity(sql.len() * 2);
    let mut open = None;
    for c in sql.chars() {
        match (open, c) {
            (None, '"' | '\'') => open = Some(c),
            (Some(quote), _) if quote == c => open = None,
            (None, '?') => {
                text.push_str(&constant(values.next().unwrap_or(&Value::Null)));
                continue;
            }
            _ => {}
        }
        text.push(c);
    }
    text
}

/// A value as a constant that the cast around it gives its type, or a limit.
fn constant(value: &Value) -> String {
    match value {
        Value::Null | Value::Rows(_) => "NULL".to_owned(),
        Value::Bool(b) => format!("'{b}'"),
        Value::Int(n) => format!("'{n}'"),
        Value::Float(x) => format!("'{:?}'", if *x == 0.0 { 0.0 } else { *x }),
        Value::Text(text) | Value::Json(text) => quote_text(text),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'")
        }
    }
}

/// The same patterns as everywhere; only a lone `\` at the end is no pattern to Postgres.
pub(super) fn like(text: Sql, pattern: &str) -> Sql {
    if like::is_too_long(pattern) {
        return call("plasma_long_pattern", [text]).into();
    }
    let open = pattern.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1;
    let pattern = if open { format!("{pattern}\\") } else { pattern.to_owned() };
    Sql::cust_with_exprs("((?) LIKE (?))", [text, literal(&Value::Text(pattern))])
}

pub(super) fn is_in_json(value: Sql, json: String, of_text: bool) -> Sql {
    let template = if of_text {
        "((?) = ANY (ARRAY(SELECT json_array_elements_text(CAST(? AS json)))))"
    } else {
        "((?) = ANY (ARRAY(SELECT CAST(json_array_elements_text(CAST(? AS json)) AS bigint))))"
    };
    Sql::cust_with_exprs(template, [value, Sql::val(json)])
}

/// Integers that leave their range are errors of the server, and so are floats; a product that is too small to be a
/// float is one to the server only.
pub(super) fn arithmetic(op: ArithmeticOp, kind: Kind, left: Sql, right: Sql) -> Sql {
    let operator = match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Sub => "-",
        ArithmeticOp::Mul => "*",
        ArithmeticOp::Div => "/",
        ArithmeticOp::Rem => "%",
    };
    let operands = [left, right];
    match kind {
        Kind::Float => match FLOATS.iter().find(|(special, _)| *special == op) {
            Some((_, name)) => call(name, operands).into(),
            None => {
                let text = format!("(CAST(? AS double precision) {operator} CAST(? AS double precision))");
                Sql::cust_with_exprs(text, operands)
            }
        },
        Kind::Int => {
            let text = format!("CAST((CAST(? AS bigint) {operator} CAST(? AS bigint)) AS integer)");
            Sql::cust_with_exprs(text, operands)
        }
        _ => Sql::cust_with_exprs(format!("(CAST(? AS bigint) {operator} CAST(? AS bigint))"), operands),
    }
}

/// Zero minus the number: so zero keeps its one sign.
pub(super) fn negate(kind: Option<Kind>, args: Vec<Sql>) -> Sql {
    let number = if kind == Some(Kind::Float) { "double precision" } else { "bigint" };
    Sql::cust_with_exprs(format!("(CAST(0 AS {number}) - CAST(? AS {number}))"), args)
}

/// The value of the state of a CRDT.
pub(super) fn value_of(kind: CrdtKind, state: Vec<Sql>) -> Sql {
    let of = match kind {
        CrdtKind::GCounter => return call("plasma_g_counter", state).into(),
        CrdtKind::PnCounter => return call("plasma_pn_counter", state).into(),
        #[cfg(feature = "text")]
        CrdtKind::Text => "((CAST(? AS json) ->> 'text') COLLATE \"C\")",
        CrdtKind::OrSet(_) => "json_array_length(CAST(? AS json) -> 'adds')",
        CrdtKind::Lww(of) => match (*of, type_of(*of)) {
            (Kind::Json | Kind::File | Kind::Sealed, _) => "(CAST(CAST(? AS json) -> 'value' AS text) COLLATE \"C\")",
            (_, "text") => "((CAST(? AS json) ->> 'value') COLLATE \"C\")",
            (_, "bytea") => "decode(CAST(? AS json) ->> 'value', 'base64')",
            (_, "integer") => "CAST(CAST(? AS json) ->> 'value' AS integer)",
            (_, "double precision") => "CAST(CAST(? AS json) ->> 'value' AS double precision)",
            (_, "boolean") => "CAST(CAST(? AS json) ->> 'value' AS boolean)",
            _ => "CAST(CAST(? AS json) ->> 'value' AS bigint)",
        },
    };
    Sql::cust_with_exprs(of, state)
}

/// Arguments whose letters are folded: of ASCII only, as everywhere.
pub(super) fn texts(args: Vec<Sql>) -> Vec<Sql> {
    args.into_iter().map(|arg| Sql::cust_with_expr("(CAST(? AS text) COLLATE \"C\")", arg)).collect()
}

/// Sums of `bigint`s and of `numeric`s are exact; what is asked for in the end is the number nearest to them.
pub(super) fn aggregate(
    function: Aggregate,
    arg: Sql,
    kind: Option<Kind>,
    over: &dyn Fn(sea_query::FunctionCall) -> Sql,
) -> Sql {
    let float = kind == Some(Kind::Float);
    let exact = || match kind {
        Some(Kind::Float) => call("plasma_exact", [arg.clone()]).into(),
        _ => Sql::cust_with_expr("CAST(? AS bigint)", arg.clone()),
    };
    match (function, kind) {
        (Aggregate::Sum, _) => {
            let sum = over(call("sum", [exact()]));
            if float { call("plasma_float", [sum]).into() } else { Sql::cust_with_expr("CAST(? AS bigint)", sum) }
        }
        (Aggregate::Avg, _) => {
            let sum = Sql::cust_with_expr("CAST(? AS numeric)", over(call("sum", [exact()])));
            let count = Sql::cust_with_expr("CAST(? AS numeric)", over(call("count", [arg.clone()])));
            call("plasma_ratio", [sum, count]).into()
        }
        (Aggregate::Min, Some(Kind::Bool)) => over(call("bool_and", [arg])),
        (Aggregate::Max, Some(Kind::Bool)) => over(call("bool_or", [arg])),
        (Aggregate::Min, Some(Kind::Blob)) => over(call("plasma_min", [arg])),
        (Aggregate::Max, Some(Kind::Blob)) => over(call("plasma_max", [arg])),
        (Aggregate::Min, None) | (Aggregate::Max, None) => over(call("min", [Sql::cust("CAST(NULL AS text)")])),
        (Aggregate::Min, _) => over(call("min", [arg])),
        (Aggregate::Max, _) => over(call("max", [arg])),
        (Aggregate::Count, _) => over(call("count", [arg])),
        (Aggregate::CountDistinct, _) => over(sea_query::Func::count_distinct(arg)),
    }
}
