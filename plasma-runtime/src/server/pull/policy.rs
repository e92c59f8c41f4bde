//! The caller's policies for one pull: rules bound to the context, analysed, and named by keyed digests.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::super::ServerEngine;
use super::super::edges::{self, Analysis};
use crate::error::{Error, Result};
use crate::mutate::ErasedCtx;
use crate::query::ir::{CompareOp, Expr, Query, Select};
use crate::schema::TableDef;
use crate::value::Value;

/// With more tables than this, one digest stands for all of them: a cookie has at most 4 KiB.
const DIGESTS: usize = 40;

/// The member of [`Policies::digests`] that stands for all tables.
const ALL: &str = "*";

/// What the caller may read.
#[derive(Debug)]
pub(super) struct Policies {
    /// The synced tables, in order of their names: the order pages go through them.
    pub(super) tables: Vec<TablePolicy>,
    /// Keyed digests of the bound rules, as cookies carry them.
    pub(super) digests: BTreeMap<String, String>,
}

/// What the caller may read of one table.
#[derive(Debug)]
pub(super) struct TablePolicy {
    pub(super) table: &'static TableDef,
    /// The rule; none when everybody may read every row.
    pub(super) rule: Option<Rule>,
}

/// A read rule, bound to the caller.
#[derive(Debug)]
pub(super) struct Rule {
    /// As the application made it: for SQL.
    pub(super) sql: Expr,
    /// The same for the evaluation in memory.
    pub(super) memory: Expr,
    /// What it depends on.
    pub(super) analysis: Analysis,
}

impl Policies {
    /// Binds the policies of all synced tables.
    pub(super) fn bind(engine: &ServerEngine, ctx: &ErasedCtx, key: &[u8]) -> Result<Self> {
        let mut tables = Vec::new();
        let mut digests = BTreeMap::new();
        for table in engine.definition.schema.synced() {
            let rules = if table.open { None } else { engine.rules(ctx, table)? };
            let rule = rules.map(|rules| Rule {
                analysis: edges::analyse(table, &rules.read),
                memory: edges::tied(&rules.read),
                sql: rules.read,
            });
            if let Some(rule) = &rule {
                digests.insert(table.name.to_owned(), digest(key, table, &rule.sql)?);
                edges::warn_once(table, &rule.analysis);
            }
            tables.push(TablePolicy { table, rule });
        }
        tables.sort_by_key(|policy| policy.table.name);
        if digests.len() > DIGESTS {
            let mut mac = mac(key)?;
            for (table, digest) in &digests {
                text(&mut mac, table);
                text(&mut mac, digest);
            }
            digests = BTreeMap::from([(ALL.to_owned(), short(mac))]);
        }
        Ok(Policies { tables, digests })
    }

    /// The tables whose digest is not the one in `known`.
    pub(super) fn changed(&self, known: &BTreeMap<String, String>) -> Vec<String> {
        let differs = |name: &str| known.get(name) != self.digests.get(name);
        if differs(ALL) {
            return self.tables.iter().map(|policy| policy.table.name.to_owned()).collect();
        }
        let names = self.tables.iter().map(|policy| policy.table.name);
        names.filter(|name| differs(name)).map(str::to_owned).collect()
    }

    /// `known`, with the digests that are not today's made void: the set has pages made under different policies.
    pub(super) fn void_changed(&self, mut known: BTreeMap<String, String>) -> BTreeMap<String, String> {
        for (name, digest) in &mut known {
            if self.digests.get(name) != Some(digest) {
                digest.clear();
            }
        }
        for name in self.digests.keys() {
            known.entry(name.clone()).or_default();
        }
        known
    }
}

type Digest = Hmac<Sha256>;

fn mac(key: &[u8]) -> Result<Digest> {
    Digest::new_from_slice(key).map_err(|_| Error::internal("the digest key has an impossible length"))
}

fn short(mac: Digest) -> String {
    mac.finalize().into_bytes()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 (RFC 2104) over the rule's structure, first 64 bits in hex. Keyed, so that a cookie tells nobody
/// whether a guessed constant stands in a rule.
fn digest(key: &[u8], table: &TableDef, rule: &Expr) -> Result<String> {
    let mut mac = mac(key)?;
    text(&mut mac, table.name);
    expression(&mut mac, rule);
    Ok(short(mac))
}

/// Length first, so that neighbouring texts cannot trade letters.
fn text(mac: &mut Digest, text: &str) {
    bytes(mac, text.as_bytes());
}

fn bytes(mac: &mut Digest, bytes: &[u8]) {
    mac.update(&(bytes.len() as u64).to_be_bytes());
    mac.update(bytes);
}

fn value(mac: &mut Digest, value: &Value) {
    match value {
        Value::Null => mac.update(b"n"),
        Value::Bool(b) => mac.update(&[b'b', u8::from(*b)]),
        Value::Int(n) => {
            mac.update(b"i");
            mac.update(&n.to_be_bytes());
        }
        Value::Float(x) => {
            mac.update(b"f");
            mac.update(&x.to_bits().to_be_bytes());
        }
        Value::Text(content) => {
            mac.update(b"t");
            text(mac, content);
        }
        Value::Blob(content) => {
            mac.update(b"x");
            bytes(mac, content);
        }
        Value::Json(content) => {
            mac.update(b"j");
            text(mac, content);
        }
        // No literal is one; told apart from the others all the same.
        Value::Rows(rows) => {
            mac.update(b"r");
            mac.update(&(rows.len() as u64).to_be_bytes());
        }
    }
}

fn list(mac: &mut Digest, tag: &[u8], exprs: &[Expr]) {
    mac.update(tag);
    mac.update(&(exprs.len() as u64).to_be_bytes());
    exprs.iter().for_each(|expr| expression(mac, expr));
}

fn expression(mac: &mut Digest, expr: &Expr) {
    match expr {
        Expr::Column(column) => {
            mac.update(&[b'C', column.level]);
            text(mac, column.table);
            text(mac, column.column);
        }
        Expr::Literal(literal) => {
            mac.update(b"L");
            value(mac, literal);
        }
        Expr::Compare { op, left, right } => {
            let op = match op {
                CompareOp::Eq => b'=',
                CompareOp::Ne => b'!',
                CompareOp::Lt => b'<',
                CompareOp::Lte => b'[',
                CompareOp::Gt => b'>',
                CompareOp::Gte => b']',
                CompareOp::Is => b'~',
            };
            mac.update(&[b'P', op]);
            expression(mac, left);
            expression(mac, right);
        }
        Expr::And(all) => list(mac, b"A", all),
        Expr::Or(any) => list(mac, b"O", any),
        Expr::Not(inner) => list(mac, b"N", std::slice::from_ref(inner)),
        Expr::IsNull(inner) => list(mac, b"0", std::slice::from_ref(inner)),
        Expr::In { expr, list: values } => {
            mac.update(b"I");
            mac.update(&(values.len() as u64).to_be_bytes());
            values.iter().for_each(|one| value(mac, one));
            expression(mac, expr);
        }
        Expr::Like { expr, pattern } => {
            mac.update(b"K");
            text(mac, pattern);
            expression(mac, expr);
        }
        Expr::Exists(query) => {
            mac.update(b"E");
            subquery(mac, query);
        }
        Expr::Scalar(query) => {
            mac.update(b"V");
            subquery(mac, query);
        }
        // What policies seldom have is told by its `Debug` form: one process compares its own digests, and a rule
        // whose digest changes with a new version of the library is only stated again.
        Expr::Arithmetic { .. } | Expr::Function { .. } | Expr::Case { .. } | Expr::Aggregate { .. } => {
            mac.update(b"D");
            text(mac, &format!("{expr:?}"));
        }
        Expr::InQuery { expr, query } => {
            mac.update(b"Q");
            expression(mac, expr);
            subquery(mac, query);
        }
    }
}

fn subquery(mac: &mut Digest, query: &Query) {
    let Some(table) = query.plain_table() else {
        mac.update(b"D");
        return text(mac, &format!("{query:?}"));
    };
    text(mac, table.name);
    list(mac, b"F", query.filter.as_slice());
    for order in &query.order {
        mac.update(&[b'S', u8::from(order.descending)]);
        expression(mac, &order.expr);
    }
    for bound in [query.limit, query.offset] {
        mac.update(&[b'B', u8::from(bound.is_some())]);
        mac.update(&bound.unwrap_or(0).to_be_bytes());
    }
    match &query.select {
        Select::Row => mac.update(b"*"),
        Select::Count => mac.update(b"#"),
        Select::Exprs(exprs) => list(mac, b"X", exprs),
    }
}
