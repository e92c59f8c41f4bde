//! Expressions whose columns are places in a row, so that nothing is looked up by name for every change.
//!
//! Sub-queries and aggregates are gone: their values stand behind the columns of the row ([`attach`](super::attach),
//! [`group`](super::group)), and the expression reads them like columns. What is calculated is what the evaluator calculates.

use std::borrow::Cow;

use super::Refusal;
use crate::error::Result;
use crate::query::eval::{Members, calculated, compared, has, is_like, truth_of};
use crate::query::ir::{Aggregate, ArithmeticOp, ColumnRef, CompareOp, Expr, Function};
use crate::query::numeric;
use crate::value::{Kind, Value};

/// An expression over a row.
#[derive(Debug)]
pub(super) enum Bound {
    Place(usize),
    Literal(Value),
    Compare {
        op: CompareOp,
        left: Box<Bound>,
        right: Box<Bound>,
    },
    /// Decided by the first part with this truth: false for `AND`, true for `OR`.
    Decided {
        by: bool,
        parts: Vec<Bound>,
    },
    Not(Box<Bound>),
    IsNull(Box<Bound>),
    In {
        value: Box<Bound>,
        list: Members,
    },
    Like {
        text: Box<Bound>,
        pattern: String,
    },
    Has {
        set: Box<Bound>,
        element: String,
    },
    Arithmetic {
        op: ArithmeticOp,
        kind: Kind,
        left: Box<Bound>,
        right: Box<Bound>,
    },
    Function {
        function: Function,
        args: Vec<Bound>,
    },
    Case {
        when: Vec<(Bound, Bound)>,
        otherwise: Box<Bound>,
    },
}

impl Bound {
    /// The value. A condition's is a boolean or, when unknown, NULL.
    pub(super) fn value<'v>(&'v self, row: &'v [Value]) -> Result<Cow<'v, Value>> {
        match self {
            Bound::Place(at) => Ok(Cow::Borrowed(row.get(*at).unwrap_or(&Value::Null))),
            Bound::Literal(value) => Ok(Cow::Borrowed(value)),
            Bound::Arithmetic { op, kind, left, right } => {
                numeric::arithmetic(*op, *kind, &*left.value(row)?, &*right.value(row)?).map(Cow::Owned)
            }
            Bound::Function { function: Function::Coalesce, args } => {
                for arg in args {
                    let value = arg.value(row)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Cow::Owned(Value::Null))
            }
            Bound::Function { function, args } => {
                let values = args.iter().map(|arg| arg.value(row)).collect::<Result<Vec<_>>>()?;
                calculated(*function, &values).map(Cow::Owned)
            }
            Bound::Case { when, otherwise } => {
                for (condition, value) in when {
                    if condition.truth(row)? == Some(true) {
                        return value.value(row);
                    }
                }
                otherwise.value(row)
            }
            condition => Ok(Cow::Owned(condition.truth(row)?.map_or(Value::Null, Value::Bool))),
        }
    }

    /// The truth of a condition; none is unknown.
    pub(super) fn truth(&self, row: &[Value]) -> Result<Option<bool>> {
        match self {
            Bound::Place(_)
            | Bound::Literal(_)
            | Bound::Arithmetic { .. }
            | Bound::Function { .. }
            | Bound::Case { .. } => truth_of(&*self.value(row)?),
            Bound::Compare { op, left, right } => Ok(compared(*op, &*left.value(row)?, &*right.value(row)?)),
            Bound::Decided { by, parts } => {
                let mut answer = Some(!by);
                for part in parts {
                    match part.truth(row)? {
                        Some(truth) if truth == *by => return Ok(Some(*by)),
                        Some(_) => {}
                        None => answer = None,
                    }
                }
                Ok(answer)
            }
            Bound::Not(condition) => Ok(condition.truth(row)?.map(|truth| !truth)),
            Bound::IsNull(value) => Ok(Some(value.value(row)?.is_null())),
            Bound::In { value, list } => Ok(list.contain(&*value.value(row)?)),
            Bound::Like { text, pattern } => is_like(&*text.value(row)?, pattern),
            Bound::Has { set, element } => has(&*set.value(row)?, element),
        }
    }
}

/// Whether a row satisfies all conditions.
pub(super) fn satisfies(conditions: &[Bound], row: &[Value]) -> Result<bool> {
    for condition in conditions {
        if condition.truth(row)? != Some(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The value of each expression.
pub(super) fn values(exprs: &[Bound], row: &[Value]) -> Result<Vec<Value>> {
    // Of a `Result` nobody knows the length before: collecting would allocate twice.
    let mut values = Vec::with_capacity(exprs.len());
    for expr in exprs {
        values.push(expr.value(row)?.into_owned());
    }
    Ok(values)
}

/// Finds the places of what an expression names.
pub(super) trait Names {
    /// A column.
    fn column(&mut self, column: &ColumnRef) -> Result<usize, Refusal>;
    /// A sub-query's value: all of `EXISTS`, `IN` or the query as a value.
    fn query(&mut self, expr: &Expr) -> Result<usize, Refusal>;
    /// A value of the group.
    fn aggregate(&mut self, function: Aggregate, expr: Option<&Expr>) -> Result<usize, Refusal>;
}

/// Binds an expression.
pub(super) fn bind(expr: &Expr, names: &mut dyn Names) -> Result<Bound, Refusal> {
    let boxed = |expr: &Expr, names: &mut dyn Names| bind(expr, names).map(Box::new);
    Ok(match expr {
        Expr::Column(column) => Bound::Place(names.column(column)?),
        Expr::Literal(value) => Bound::Literal(value.clone()),
        Expr::Compare { op, left, right } => {
            Bound::Compare { op: *op, left: boxed(left, names)?, right: boxed(right, names)? }
        }
        Expr::And(parts) => Bound::Decided { by: false, parts: all(parts, names)? },
        Expr::Or(parts) => Bound::Decided { by: true, parts: all(parts, names)? },
        Expr::Not(condition) => Bound::Not(boxed(condition, names)?),
        Expr::IsNull(value) => Bound::IsNull(boxed(value, names)?),
        Expr::In { expr, list } => Bound::In { value: boxed(expr, names)?, list: Members::new(list.clone()) },
        Expr::Like { expr, pattern } => Bound::Like { text: boxed(expr, names)?, pattern: pattern.clone() },
        Expr::Has { set, element } => Bound::Has { set: boxed(set, names)?, element: element.clone() },
        Expr::Arithmetic { op, kind, left, right } => {
            Bound::Arithmetic { op: *op, kind: *kind, left: boxed(left, names)?, right: boxed(right, names)? }
        }
        Expr::Function { function: Function::Now, .. } => {
            return Err(Refusal::new("the time of a mutation has no place in a live query"));
        }
        Expr::Function { function, args } => Bound::Function { function: *function, args: all(args, names)? },
        Expr::Case { when, otherwise } => {
            let mut bound = Vec::with_capacity(when.len());
            for (condition, value) in when {
                bound.push((bind(condition, names)?, bind(value, names)?));
            }
            Bound::Case { when: bound, otherwise: boxed(otherwise, names)? }
        }
        Expr::Exists(_) | Expr::InQuery { .. } | Expr::Scalar(_) => Bound::Place(names.query(expr)?),
        Expr::Aggregate { function, expr } => Bound::Place(names.aggregate(*function, expr.as_deref())?),
    })
}

/// Binds several expressions.
pub(super) fn all<'e>(exprs: impl IntoIterator<Item = &'e Expr>, names: &mut dyn Names) -> Result<Vec<Bound>, Refusal> {
    exprs.into_iter().map(|expr| bind(expr, names)).collect()
}
