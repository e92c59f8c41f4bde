//! [`Function::Now`]: a place for the time of the mutation, filled in when a statement is run.

use super::{Expr, Function, Part, PartMut, Query};
use crate::value::{Timestamp, Value};

impl Expr {
    /// Puts the time in its place, also in sub-queries.
    pub(crate) fn fill_in_now(&mut self, now: Timestamp) {
        if matches!(self, Expr::Function { function: Function::Now, .. }) {
            *self = Expr::Literal(Value::Int(now.micros()));
            return;
        }
        self.parts_mut(&mut |part| fill_in(part, now));
    }

    /// Whether there is a place for the time.
    pub(crate) fn mentions_now(&self) -> bool {
        if matches!(self, Expr::Function { function: Function::Now, .. }) {
            return true;
        }
        let mut found = false;
        self.parts(&mut |part| found = found || mentions(part));
        found
    }
}

impl Query {
    /// Puts the time in its place, also in sub-queries.
    pub(crate) fn fill_in_now(&mut self, now: Timestamp) {
        self.parts_mut(&mut |part| fill_in(part, now));
    }
}

fn fill_in(part: PartMut<'_>, now: Timestamp) {
    match part {
        PartMut::Expr(expr) => expr.fill_in_now(now),
        PartMut::Query { query, .. } => query.fill_in_now(now),
    }
}

fn mentions(part: Part<'_>) -> bool {
    match part {
        Part::Expr(expr) => expr.mentions_now(),
        Part::Query { query, .. } => {
            let mut found = false;
            query.parts(&mut |part| found = found || mentions(part));
            found
        }
    }
}
