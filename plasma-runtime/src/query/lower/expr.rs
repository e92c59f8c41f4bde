//! Expressions as SQL.

use sea_query::extension::sqlite::SqliteBinOper;
use sea_query::{Alias, BinOper, Expr as Sql, ExprTrait as _};

use super::{Place, statement};
use crate::query::ir::{ColumnRef, CompareOp, Expr};
use crate::query::like::glob;
use crate::schema::TableDef;
use crate::value::json::encode_value_into;
use crate::value::{Kind, Value};

/// From this length on a list is one JSON parameter: short statements, few texts, and no limit on parameters.
const LONG_LIST: usize = 64;

/// The queries around an expression, outermost first.
pub(super) struct Scope<'r> {
    queries: Vec<(&'static TableDef, String)>,
    rename: &'r dyn Fn(&str) -> String,
}

impl<'r> Scope<'r> {
    pub(super) fn new(rename: &'r dyn Fn(&str) -> String) -> Self {
        Scope { queries: Vec::new(), rename }
    }

    /// Enters a query; returns its alias. No user table has a name of this shape.
    pub(super) fn enter(&mut self, table: &'static TableDef) -> Alias {
        let alias = format!("_plasma_{}", self.queries.len());
        self.enter_as(table, alias.clone());
        Alias::new(alias)
    }

    pub(super) fn enter_as(&mut self, table: &'static TableDef, alias: String) {
        self.queries.push((table, alias));
    }

    pub(super) fn leave(&mut self) {
        self.queries.pop();
    }

    pub(super) fn table_name(&self, table: &TableDef) -> Alias {
        Alias::new((self.rename)(table.name))
    }

    fn query(&self, level: u8) -> Option<&(&'static TableDef, String)> {
        self.queries.len().checked_sub(1 + usize::from(level)).map(|index| &self.queries[index])
    }

    fn column(&self, reference: &ColumnRef) -> Sql {
        // Out of scope: a name that does not exist, so that preparing the statement says so.
        let alias = self.query(reference.level).map_or("_plasma_out_of_scope", |(_, alias)| alias);
        column(&Alias::new(alias), reference.column)
    }

    /// The kind of an expression's values.
    pub(super) fn kind(&self, expr: &Expr) -> Kind {
        match expr {
            Expr::Column(reference) => self
                .query(reference.level)
                .and_then(|(table, _)| table.column(reference.column))
                .map_or(Kind::Text, |column| column.kind),
            Expr::Literal(value) => match value {
                Value::Null | Value::Text(_) => Kind::Text,
                Value::Bool(_) => Kind::Bool,
                Value::Int(_) => Kind::BigInt,
                Value::Float(_) => Kind::Float,
                Value::Blob(_) => Kind::Blob,
                Value::Json(_) | Value::Rows(_) => Kind::Json,
            },
            _ => Kind::Bool,
        }
    }
}

pub(super) fn column(alias: &Alias, name: &'static str) -> Sql {
    Sql::col((alias.clone(), name))
}

pub(super) fn expression(scope: &mut Scope<'_>, expr: &Expr) -> Sql {
    match expr {
        Expr::Column(reference) => scope.column(reference),
        Expr::Literal(value) => Sql::val(to_sea(value)),
        Expr::Compare { op, left, right } => {
            let operator = match op {
                CompareOp::Eq => BinOper::Equal,
                CompareOp::Ne => BinOper::NotEqual,
                CompareOp::Lt => BinOper::SmallerThan,
                CompareOp::Lte => BinOper::SmallerThanOrEqual,
                CompareOp::Gt => BinOper::GreaterThan,
                CompareOp::Gte => BinOper::GreaterThanOrEqual,
                CompareOp::Is => BinOper::Is,
            };
            let (left, right) = (expression(scope, left), expression(scope, right));
            left.binary(operator, right)
        }
        Expr::And(all) => chain(scope, all, BinOper::And, "TRUE"),
        Expr::Or(any) => chain(scope, any, BinOper::Or, "FALSE"),
        Expr::Not(expr) => expression(scope, expr).not(),
        Expr::IsNull(expr) => expression(scope, expr).is_null(),
        Expr::In { expr, list } => {
            let value = expression(scope, expr);
            match long_list(list) {
                Some(json) => {
                    Sql::cust_with_exprs("(?) IN (SELECT \"value\" FROM json_each(?))", [value, Sql::val(json)])
                }
                None => value.is_in(list.iter().map(to_sea)),
            }
        }
        Expr::Like { expr, pattern } => expression(scope, expr).binary(SqliteBinOper::Glob, glob(pattern)),
        Expr::Exists(query) => Sql::exists(statement(scope, query, Place::Exists)),
        Expr::Scalar(_)
        | Expr::Arithmetic { .. }
        | Expr::Function { .. }
        | Expr::Case { .. }
        | Expr::Aggregate { .. } => Sql::cust("INTERIM"),
        Expr::InQuery { expr, query } => {
            let value = expression(scope, expr);
            value.in_subquery(statement(scope, query, Place::In))
        }
    }
}

/// `a AND b AND ..` as a balanced tree: SQLite allows a depth of 1,000, not a length.
fn chain(scope: &mut Scope<'_>, parts: &[Expr], operator: BinOper, empty: &'static str) -> Sql {
    match parts {
        [] => Sql::cust(empty),
        [one] => expression(scope, one),
        _ => {
            let (first, second) = parts.split_at(parts.len().div_ceil(2));
            let first = chain(scope, first, operator, empty);
            let second = chain(scope, second, operator, empty);
            first.binary(operator, second)
        }
    }
}

/// A long list of text or of integers as a JSON array; nothing else survives the way through JSON unchanged.
fn long_list(list: &[Value]) -> Option<String> {
    let all = |test: fn(&Value) -> bool| list.iter().all(test);
    if list.len() < LONG_LIST
        || !(all(|value| matches!(value, Value::Text(_))) || all(|value| matches!(value, Value::Int(_))))
    {
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
