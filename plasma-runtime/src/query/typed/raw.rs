//! Expressions without their types: what the typed shells push into the query representation.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::query::ir::{CompareOp, Expr, Part, Query};
use crate::value::Value;

/// How deep expressions and sub-queries may stand in each other. Whoever reads an expression descends into it, on stacks
/// that may be small, and SQLite stops at 1,000: a condition that a loop nests without end must be an error, not a crash.
const MAX_DEPTH: usize = 128;

/// Why an expression cannot be used, kept until somebody runs it: building a query never fails half-way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault(Arc<str>);

impl Fault {
    pub(crate) fn new(message: &str) -> Self {
        Fault(Arc::from(message))
    }

    /// The error whoever runs the query gets.
    pub(crate) fn error(&self) -> Error {
        Error::validation(self.0.to_string())
    }
}

/// An untyped expression. A value that cannot be stored (text with U+0000, a number that is not finite) is remembered
/// and reported when the expression is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw {
    pub(crate) ir: Expr,
    pub(crate) fault: Option<Fault>,
    /// How many expressions stand in each other, at least.
    depth: usize,
}

impl Raw {
    /// This expression: a column or a constant, or a condition on nothing else.
    pub(crate) fn new(ir: Expr) -> Self {
        Raw { ir, fault: None, depth: 2 }
    }

    /// An expression made of others.
    pub(crate) fn made_of<const N: usize>(parts: [Raw; N], form: impl FnOnce([Expr; N]) -> Expr) -> Self {
        let depth = parts.iter().map(|part| part.depth).max().unwrap_or_default() + 1;
        let mut fault = None;
        let irs = parts.map(|part| {
            fault = fault.take().or(part.fault);
            part.ir
        });
        Raw { ir: form(irs), fault, depth }.limited()
    }

    /// An expression with a sub-query in it.
    pub(crate) fn of_query(query: Query, fault: Option<Fault>, form: impl FnOnce(Box<Query>) -> Expr) -> Self {
        let depth = depth(&query) + 1;
        Raw { ir: form(Box::new(query)), fault, depth }.limited()
    }

    /// What is nested too deep is gone at once: to drop it would descend into it, too.
    fn limited(self) -> Self {
        if self.depth <= MAX_DEPTH {
            return self;
        }
        let message = format!(
            "an expression is nested more than {MAX_DEPTH} levels deep: write alternatives side by side, with \
             `any_of(..)`, `all_of(..)` and `is_in(..)`"
        );
        Raw { ir: Expr::Literal(Value::Null), fault: self.fault.or_else(|| Some(Fault::new(&message))), depth: 1 }
    }

    /// A constant, or the reason why it cannot be one.
    pub fn value(value: Result<Value>) -> Self {
        match value {
            Ok(value) => Raw::new(Expr::Literal(value)),
            Err(error) => Raw::fault(error.message()),
        }
    }

    /// An expression that reports `message` when it is run.
    pub(crate) fn fault(message: &str) -> Self {
        Raw { ir: Expr::Literal(Value::Null), fault: Some(Fault::new(message)), depth: 1 }
    }

    /// Always true.
    pub(crate) fn all() -> Self {
        Raw::new(Expr::And(Vec::new()))
    }

    /// Never true.
    pub(crate) fn nothing() -> Self {
        Raw::new(Expr::Or(Vec::new()))
    }

    pub(crate) fn is_all(&self) -> bool {
        self.fault.is_none() && matches!(&self.ir, Expr::And(list) if list.is_empty())
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.fault.is_none() && matches!(&self.ir, Expr::Or(list) if list.is_empty())
    }

    /// The expression with another form around it.
    pub(crate) fn wrap(self, form: impl FnOnce(Expr) -> Expr) -> Self {
        Raw::made_of([self], |[ir]| form(ir))
    }

    pub(crate) fn compare(self, op: CompareOp, right: Raw) -> Self {
        Raw::made_of([self, right], |[left, right]| Expr::compare(op, left, right))
    }

    /// Both. `all` is neutral and `nothing` absorbs, so that rules built from parts stay as small as they read.
    pub(crate) fn and(self, other: Raw) -> Self {
        if self.is_all() {
            return other;
        }
        if other.is_all() {
            return self;
        }
        let fault = self.fault.or(other.fault);
        if fault.is_none() && [&self.ir, &other.ir].iter().any(|ir| matches!(ir, Expr::Or(list) if list.is_empty())) {
            return Raw::nothing();
        }
        let depth = Ord::max(self.depth + usize::from(!matches!(self.ir, Expr::And(_))), other.depth + 1);
        Raw { ir: self.ir.and(other.ir), fault, depth }.limited()
    }

    /// Either. `nothing` is neutral and `all` absorbs.
    pub(crate) fn or(self, other: Raw) -> Self {
        if self.is_nothing() {
            return other;
        }
        if other.is_nothing() {
            return self;
        }
        let fault = self.fault.or(other.fault);
        if fault.is_none() && [&self.ir, &other.ir].iter().any(|ir| matches!(ir, Expr::And(list) if list.is_empty())) {
            return Raw::all();
        }
        let depth = Ord::max(self.depth + usize::from(!matches!(self.ir, Expr::Or(_))), other.depth + 1);
        Raw { ir: self.ir.or(other.ir), fault, depth }.limited()
    }

    /// The opposite.
    pub(crate) fn not(self) -> Self {
        if self.is_all() {
            return Raw::nothing();
        }
        if self.is_nothing() {
            return Raw::all();
        }
        self.wrap(|ir| Expr::Not(Box::new(ir)))
    }

    /// A choice with one case more.
    pub(crate) fn case(mut self, condition: Raw, value: Raw) -> Self {
        if let Expr::Case { when, .. } = &mut self.ir {
            self.depth = Ord::max(self.depth, Ord::max(condition.depth, value.depth) + 1);
            self.fault = self.fault.or(condition.fault).or(value.fault);
            when.push((condition.ir, value.ir));
        }
        self.limited()
    }

    /// A condition as a value that is never NULL: unknown counts as false.
    pub(crate) fn or_false(self) -> Self {
        self.wrap(|ir| Expr::compare(CompareOp::Is, ir, Expr::Literal(Value::Bool(true))))
    }

    /// The expression.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a value in it cannot be stored.
    pub(crate) fn finish(self) -> Result<Expr> {
        match self.fault {
            None => Ok(self.ir),
            Some(fault) => Err(fault.error()),
        }
    }
}

/// How many expressions and queries stand in each other.
fn depth(query: &Query) -> usize {
    let mut deepest = 0;
    query.parts(&mut |part| deepest = Ord::max(deepest, depth_of(&part)));
    deepest + 1
}

fn depth_of(part: &Part<'_>) -> usize {
    let mut deepest = 0;
    match part {
        Part::Expr(expr) => expr.parts(&mut |part| deepest = Ord::max(deepest, depth_of(&part))),
        Part::Query { query, .. } => deepest = depth(query),
    }
    deepest + 1
}

/// `text` as a part of a `LIKE` pattern that matches itself only.
pub(crate) fn escape_like(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Whether `text LIKE pattern`, as a condition.
pub(crate) fn like(text: Raw, pattern: String) -> Raw {
    if pattern.contains('\0') {
        return Raw::fault("a `like` pattern must not contain the character U+0000");
    }
    text.wrap(|text| Expr::Like { expr: Box::new(text), pattern })
}
