//! Expressions as SQL.

use sea_query::{BinOper, CaseStatement, Expr as Sql, ExprTrait as _};

use super::dialect::{Dialect, chain};
use super::scope::Scope;
use super::statement::{Place, statement};
use crate::crdt;
use crate::query::ir::{Aggregate, CompareOp, Expr, Function, Part};
use crate::value::json::encode_value_into;
use crate::value::{Kind, Value};

/// From this length on a list is one JSON parameter: short statements, few texts, and no limit on parameters.
const LONG_LIST: usize = 64;

pub(super) fn expression(scope: &mut Scope<'_>, expr: &Expr) -> Sql {
    if scope.is_untyped(expr) {
        return Sql::cust("NULL");
    }
    match expr {
        Expr::Column(reference) => scope.column(reference),
        Expr::Literal(value) => scope.dialect.literal(value),
        Expr::Compare { op: CompareOp::Is, left, right } => {
            let (left, right) = (expression(scope, left), expression(scope, right));
            scope.dialect.is_same(left, right)
        }
        Expr::Compare { op, left, right } => {
            let operator = match op {
                CompareOp::Eq | CompareOp::Is => BinOper::Equal,
                CompareOp::Ne => BinOper::NotEqual,
                CompareOp::Lt => BinOper::SmallerThan,
                CompareOp::Lte => BinOper::SmallerThanOrEqual,
                CompareOp::Gt => BinOper::GreaterThan,
                CompareOp::Gte => BinOper::GreaterThanOrEqual,
            };
            let (left, right) = (expression(scope, left), expression(scope, right));
            left.binary(operator, right)
        }
        Expr::And(all) => {
            let parts = expressions(scope, all);
            chain(parts, BinOper::And, scope.dialect.truth(true))
        }
        Expr::Or(any) => {
            let parts = expressions(scope, any);
            chain(parts, BinOper::Or, scope.dialect.truth(false))
        }
        Expr::Not(expr) => expression(scope, expr).not(),
        Expr::IsNull(expr) => expression(scope, expr).is_null(),
        Expr::In { expr, list } => is_one_of(scope.dialect, expression(scope, expr), list, LONG_LIST),
        Expr::Like { expr, pattern } => scope.dialect.like(expression(scope, expr), pattern),
        Expr::Has { set, element } => scope.dialect.has(expression(scope, set), &crdt::mark(element)),
        Expr::Exists(query) => Sql::exists(statement(scope, query, Place::Exists)),
        Expr::InQuery { expr, query } => {
            // What is negated is a number to the database, also where it is always NULL.
            let negated = matches!(**expr, Expr::Function { function: Function::Negate, .. });
            let kind = scope.kind(expr).or(negated.then_some(Kind::BigInt));
            let value = expression(scope, expr);
            value.in_subquery(statement(scope, query, Place::In(kind)))
        }
        Expr::Scalar(query) => statement(scope, query, Place::Scalar).into(),
        Expr::Arithmetic { op, kind, left, right } => {
            let (left, right) = (expression(scope, left), expression(scope, right));
            scope.dialect.arithmetic(*op, *kind, left, right)
        }
        Expr::Function { function, args } => {
            let kind = args.first().and_then(|arg| scope.kind(arg));
            let args = expressions(scope, args);
            scope.dialect.function(*function, kind, args)
        }
        Expr::Case { when, otherwise } => {
            let mut case = CaseStatement::new();
            for (condition, value) in when {
                case = case.case(expression(scope, condition), expression(scope, value));
            }
            let otherwise = expression(scope, otherwise);
            if when.is_empty() { otherwise } else { case.finally(otherwise).into() }
        }
        Expr::Aggregate { function, expr } => aggregate(scope, *function, expr.as_deref()),
    }
}

fn expressions(scope: &mut Scope<'_>, exprs: &[Expr]) -> Vec<Sql> {
    exprs.iter().map(|expr| expression(scope, expr)).collect()
}

fn aggregate(scope: &mut Scope<'_>, function: Aggregate, expr: Option<&Expr>) -> Sql {
    let Some(expr) = expr else { return scope.dialect.aggregate(Aggregate::Count, None, None, None) };
    let arg = expression(scope, expr);
    let kind = scope.kind(expr);
    // SQL takes an aggregate of nothing but outer columns for one of the outer query. A condition that always holds
    // ties it to this one.
    let ties = !matches!(expr, Expr::Literal(_)) && !names_own(scope, expr);
    let condition = ties.then(|| {
        let own = scope.any_column();
        own.clone().is_null().or(own.is_not_null())
    });
    scope.dialect.aggregate(function, Some(arg), kind, condition)
}

/// Whether a column of the query itself surely is in the SQL of the expression. What is in sub-queries does not count, as
/// not everything they say is in their SQL, nor what is asked of an empty list, nor what is written as NULL.
fn names_own(scope: &mut Scope<'_>, expr: &Expr) -> bool {
    if scope.is_untyped(expr) {
        return false;
    }
    match expr {
        Expr::Column(column) => column.level == 0,
        Expr::In { list, .. } if list.is_empty() => false,
        _ => {
            let mut found = false;
            expr.parts(&mut |part| found = found || matches!(part, Part::Expr(expr) if names_own(scope, expr)));
            found
        }
    }
}

/// Whether the value is in a list, which is one parameter from the length `long` on.
pub(super) fn is_one_of(dialect: Dialect, value: Sql, list: &[Value], long: usize) -> Sql {
    match json_array(list).filter(|_| list.len() >= long) {
        Some(json) => dialect.is_in_json(value, json, matches!(list.first(), Some(Value::Text(_)))),
        None => value.is_in(list.iter().map(|value| dialect.literal(value))),
    }
}

/// A list of text or of integers as a JSON array; nothing else survives the way through JSON unchanged.
fn json_array(list: &[Value]) -> Option<String> {
    let all = |test: fn(&Value) -> bool| list.iter().all(test);
    if !(all(|value| matches!(value, Value::Text(_))) || all(|value| matches!(value, Value::Int(_)))) {
        return None;
    }
    let mut json = String::with_capacity(list.len() * 40);
    json.push('[');
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        encode_value_into(value, &mut json);
    }
    json.push(']');
    Some(json)
}
