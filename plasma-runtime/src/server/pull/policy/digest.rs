//! Names of rules: digests of their structure.
//!
//! Two processes that build the same rule give it the same digest, and every part of a rule is in it: a set of rows that
//! was made under one rule must not be taken for one of another.

#[cfg(test)]
mod tests;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::query::ir::{ColumnRef, Expr, Query, Rows, Select, Source};
use crate::schema::TableDef;
use crate::value::Value;

/// HMAC-SHA-256 (RFC 2104), its first 64 bits in hex. Keyed, so that a cookie tells nobody whether a guessed constant
/// stands in a rule.
pub(super) struct Digest(Hmac<Sha256>);

/// The digest of a table's rule.
pub(super) fn of_rule(key: &[u8], table: &TableDef, rule: &Expr) -> Result<String> {
    let mut digest = Digest::new(key)?;
    digest.text(table.name);
    digest.expr(rule);
    Ok(digest.finish())
}

impl Digest {
    pub(super) fn new(key: &[u8]) -> Result<Self> {
        let mac = Hmac::new_from_slice(key);
        mac.map(Digest).map_err(|_| Error::internal("the digest key has an impossible length"))
    }

    pub(super) fn finish(self) -> String {
        self.0.finalize().into_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Length first, so that neighbouring texts cannot trade letters.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn number(&mut self, n: u64) {
        self.0.update(&n.to_be_bytes());
    }

    /// What kind of thing comes next, or one of a few words. Words of the code: no letters to trade.
    fn tag(&mut self, tag: impl std::fmt::Debug) {
        self.text(&format!("{tag:?}"));
    }

    fn list<T>(&mut self, items: &[T], each: impl Fn(&mut Self, &T)) {
        self.number(items.len() as u64);
        items.iter().for_each(|item| each(self, item));
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, Self::expr);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.tag("null"),
            Value::Bool(b) => self.tag(b),
            Value::Int(n) => {
                self.tag("int");
                self.0.update(&n.to_be_bytes());
            }
            Value::Float(x) => {
                self.tag("float");
                self.number(x.to_bits());
            }
            Value::Text(content) => {
                self.tag("text");
                self.text(content);
            }
            Value::Blob(content) => {
                self.tag("blob");
                self.bytes(content);
            }
            Value::Json(content) => {
                self.tag("json");
                self.text(content);
            }
            Value::Rows(rows) => {
                self.tag("rows");
                self.list(rows, |digest, row| digest.list(row, Self::value));
            }
        }
    }

    fn column(&mut self, column: &ColumnRef) {
        self.tag(column.level);
        self.text(column.table);
        self.text(column.column);
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Column(column) => {
                self.tag("column");
                self.column(column);
            }
            Expr::Literal(literal) => {
                self.tag("literal");
                self.value(literal);
            }
            Expr::Compare { op, left, right } => {
                self.tag(op);
                self.expr(left);
                self.expr(right);
            }
            Expr::And(all) => {
                self.tag("and");
                self.exprs(all);
            }
            Expr::Or(any) => {
                self.tag("or");
                self.exprs(any);
            }
            Expr::Not(inner) => {
                self.tag("not");
                self.expr(inner);
            }
            Expr::IsNull(inner) => {
                self.tag("is null");
                self.expr(inner);
            }
            Expr::In { expr, list } => {
                self.tag("in");
                self.expr(expr);
                self.list(list, Self::value);
            }
            Expr::Like { expr, pattern } => {
                self.tag("like");
                self.expr(expr);
                self.text(pattern);
            }
            Expr::Has { set, element } => {
                self.tag("has");
                self.expr(set);
                self.text(element);
            }
            Expr::Exists(query) => {
                self.tag("exists");
                self.query(query);
            }
            Expr::InQuery { expr, query } => {
                self.tag("in query");
                self.expr(expr);
                self.query(query);
            }
            Expr::Scalar(query) => {
                self.tag("scalar");
                self.query(query);
            }
            Expr::Arithmetic { op, kind, left, right } => {
                self.tag(op);
                self.tag(kind);
                self.expr(left);
                self.expr(right);
            }
            Expr::Function { function, args } => {
                self.tag("function");
                self.tag(function);
                self.exprs(args);
            }
            Expr::Case { when, otherwise } => {
                self.tag("case");
                self.list(when, |digest, (condition, value)| {
                    digest.expr(condition);
                    digest.expr(value);
                });
                self.expr(otherwise);
            }
            Expr::Aggregate { function, expr } => {
                self.tag("aggregate");
                self.tag(function);
                self.exprs(expr.as_deref().map(std::slice::from_ref).unwrap_or_default());
            }
        }
    }

    /// All of a query. Its parts are named one by one, so that a new one cannot be forgotten here.
    fn query(&mut self, query: &Query) {
        let Query { from, joins, filter, group, select, distinct, order, limit, offset, nested } = query;
        self.source(from);
        self.list(joins, |digest, join| {
            digest.tag(join.left);
            digest.source(&join.source);
            digest.expr(&join.on);
        });
        self.exprs(filter.as_slice());
        self.list(group.as_slice(), |digest, group| {
            digest.exprs(&group.keys);
            digest.exprs(group.having.as_slice());
        });
        match select {
            Select::Row => self.tag("row"),
            Select::Count => self.tag("count"),
            Select::Exprs(exprs) => {
                self.tag("exprs");
                self.exprs(exprs);
            }
        }
        self.tag(distinct);
        self.list(order, |digest, order| {
            digest.tag(order.descending);
            digest.expr(&order.expr);
        });
        self.tag(limit);
        self.tag(offset);
        self.list(nested, |digest, nested| {
            digest.column(&nested.parent);
            digest.text(nested.column);
            digest.query(&nested.query);
        });
    }

    fn source(&mut self, source: &Source) {
        self.text(source.name);
        match &source.rows {
            Rows::Table(table) => {
                self.tag("table");
                self.text(table.name);
            }
            Rows::Query(query, names) => {
                self.tag("query");
                self.query(query);
                self.list(names, |digest, name| digest.text(name));
            }
            Rows::Nothing => self.tag("nothing"),
        }
    }
}
