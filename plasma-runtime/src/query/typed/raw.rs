//! Expressions without their types: what the typed shells push into the query representation.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::query::ir::{CompareOp, Expr};
use crate::value::Value;

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
}

impl Raw {
    /// This expression.
    pub(crate) fn new(ir: Expr) -> Self {
        Raw { ir, fault: None }
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
        Raw { ir: Expr::Literal(Value::Null), fault: Some(Fault::new(message)) }
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
        Raw { ir: form(self.ir), fault: self.fault }
    }

    pub(crate) fn compare(self, op: CompareOp, right: Raw) -> Self {
        Raw { ir: Expr::compare(op, self.ir, right.ir), fault: self.fault.or(right.fault) }
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
        Raw { ir: self.ir.and(other.ir), fault }
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
        Raw { ir: self.ir.or(other.ir), fault }
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
pub(crate) fn like(text: Expr, pattern: String) -> Raw {
    if pattern.contains('\0') {
        return Raw::fault("a `like` pattern must not contain the character U+0000");
    }
    Raw::new(Expr::Like { expr: Box::new(text), pattern })
}
