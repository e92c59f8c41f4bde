//! Random conditions.

use super::Choices;
use super::query::{self, Place};
use super::scope::Scope;
use crate::query::ir::{CompareOp, Expr};
use crate::value::Kind;

const COMPARISONS: [CompareOp; 7] =
    [CompareOp::Eq, CompareOp::Ne, CompareOp::Lt, CompareOp::Lte, CompareOp::Gt, CompareOp::Gte, CompareOp::Is];

impl Choices<'_> {
    pub(crate) fn condition(&mut self, scope: &mut Scope, depth: usize) -> Expr {
        let depth_below = depth.saturating_sub(1);
        let ways = if depth == 0 { 7 } else { 14 };

        match self.below(ways) {
            0 | 1 => {
                let op = self.pick(&COMPARISONS);
                let kind = self.kind();
                Expr::compare(op, self.expr(scope, kind, depth_below), self.expr(scope, kind, depth_below))
            }
            2 => {
                let kind = self.kind();
                Expr::IsNull(Box::new(self.expr(scope, kind, depth_below)))
            }
            3 => {
                let kind = self.kind();
                let length = if self.once_in(10) { 60 + self.below(20) } else { self.below(4) };
                let list = (0..length).map(|_| self.value(kind)).filter(|value| !value.is_null()).collect();
                Expr::In { expr: Box::new(self.expr(scope, kind, depth_below)), list }
            }
            4 => {
                let kind = self.pick(&[Kind::Text, Kind::Text, Kind::Id, Kind::Json, Kind::Date]);
                Expr::Like { expr: Box::new(self.expr(scope, kind, depth_below)), pattern: self.text() }
            }
            // A column, a constant, a choice.
            5 => self.value_of(scope, Kind::Bool, depth_below),
            6 => self.has(scope, depth_below),
            7 => Expr::And(self.conditions(scope, depth_below)),
            8 => Expr::Or(self.conditions(scope, depth_below)),
            9 | 10 => Expr::Not(Box::new(self.condition(scope, depth_below))),
            11 | 12 => Expr::Exists(Box::new(query::inner(self, scope, Place::Exists, depth_below))),
            _ => {
                let kind = self.kind();
                let expr = self.expr(scope, kind, depth_below);
                Expr::InQuery {
                    expr: Box::new(expr),
                    query: Box::new(query::inner(self, scope, Place::Value(kind), depth_below)),
                }
            }
        }
    }

    fn conditions(&mut self, scope: &mut Scope, depth: usize) -> Vec<Expr> {
        (0..self.below(4)).map(|_| self.condition(scope, depth)).collect()
    }
}
