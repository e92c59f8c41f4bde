//! Random expressions with values of a given kind.

use super::Choices;
use super::query::{self, Place};
use super::scope::{self, Scope};
use crate::query::ir::{Aggregate, ArithmeticOp, Expr, Function};
use crate::value::{Kind, Value};

const COUNTS: [Aggregate; 2] = [Aggregate::Count, Aggregate::CountDistinct];

impl Choices<'_> {
    /// An expression with values of one kind.
    pub(crate) fn expr(&mut self, scope: &mut Scope, kind: Kind, depth: usize) -> Expr {
        if kind == Kind::Bool && depth > 0 && self.once_in(2) {
            return self.condition(scope, depth);
        }
        self.value_of(scope, kind, depth)
    }

    /// An expression of one kind that is not a condition.
    pub(super) fn value_of(&mut self, scope: &mut Scope, kind: Kind, depth: usize) -> Expr {
        if scope::is_grouped(scope) && self.once_in(2) {
            return self.aggregate(scope, kind, depth.saturating_sub(1));
        }
        if depth == 0 || self.below(2) == 0 {
            return self.leaf(scope, kind);
        }
        match self.below(7) {
            0 => {
                let count = 1 + self.below(3);
                self.function(scope, Function::Coalesce, kind, count, depth - 1)
            }
            1 => {
                let when = (0..1 + self.below(2))
                    .map(|_| (self.condition(scope, depth - 1), self.expr(scope, kind, depth - 1)))
                    .collect();
                Expr::Case { when, otherwise: Box::new(self.expr(scope, kind, depth - 1)) }
            }
            2 => Expr::Scalar(Box::new(query::inner(self, scope, Place::Value(kind), depth - 1))),
            _ => self.calculation(scope, kind, depth - 1),
        }
    }

    /// A name, or a constant.
    fn leaf(&mut self, scope: &Scope, kind: Kind) -> Expr {
        let leaves = scope::leaves(scope, kind);
        if leaves.is_empty() || self.once_in(3) {
            return Expr::Literal(self.value(kind));
        }
        self.pick(&leaves)
    }

    /// What only values of this kind come from; a leaf where there is nothing of that sort.
    fn calculation(&mut self, scope: &mut Scope, kind: Kind, depth: usize) -> Expr {
        match kind {
            Kind::Crdt(_) | Kind::Sealed => self.leaf(scope, kind),
            _ if self.once_in(6) => self.value_in(scope, kind, depth),
            Kind::Int => self.arithmetic(scope, kind, depth),
            Kind::BigInt => match self.below(6) {
                0 => self.function(scope, Function::Length, Kind::Text, 1, depth),
                1 => self.function(scope, Function::Negate, kind, 1, depth),
                _ => self.arithmetic(scope, kind, depth),
            },
            Kind::Float if self.once_in(6) => self.function(scope, Function::Negate, kind, 1, depth),
            Kind::Float => self.arithmetic(scope, kind, depth),
            Kind::Text => match self.below(4) {
                0 => self.function(scope, Function::Lower, kind, 1, depth),
                1 => self.function(scope, Function::Upper, kind, 1, depth),
                2 => self.function(scope, Function::Trim, kind, 1, depth),
                _ => {
                    let count = 1 + self.below(3);
                    self.function(scope, Function::Concat, kind, count, depth)
                }
            },
            Kind::Date => {
                let time = self.expr(scope, Kind::Timestamp, depth);
                let offset = if self.once_in(3) {
                    self.expr(scope, Kind::Int, depth)
                } else {
                    Expr::Literal(Value::Int(self.pick(&[0, 60, -480, 1_439])))
                };
                Expr::Function { function: Function::Date, args: vec![time, offset] }
            }
            Kind::Bool => self.condition(scope, depth),
            _ => self.leaf(scope, kind),
        }
    }

    fn arithmetic(&mut self, scope: &mut Scope, kind: Kind, depth: usize) -> Expr {
        let mut ops = vec![ArithmeticOp::Add, ArithmeticOp::Sub, ArithmeticOp::Mul, ArithmeticOp::Div];
        if kind != Kind::Float {
            ops.push(ArithmeticOp::Rem);
        }
        let op = self.pick(&ops);
        let left = self.expr(scope, kind, depth);
        let right = match op {
            // Mostly something to divide by.
            ArithmeticOp::Div | ArithmeticOp::Rem if !self.once_in(3) => match kind {
                Kind::Float => Expr::Literal(Value::Float(self.pick(&[2.0, -0.5, 3.0]))),
                _ => Expr::Literal(Value::Int(self.pick(&[2, -1, 3]))),
            },
            _ => self.expr(scope, kind, depth),
        };
        Expr::Arithmetic { op, kind, left: Box::new(left), right: Box::new(right) }
    }

    fn function(&mut self, scope: &mut Scope, function: Function, kind: Kind, count: usize, depth: usize) -> Expr {
        let args = (0..count).map(|_| self.expr(scope, kind, depth)).collect();
        Expr::Function { function, args }
    }

    /// A value of the group.
    fn aggregate(&mut self, scope: &mut Scope, kind: Kind, depth: usize) -> Expr {
        let (function, of) = match kind {
            Kind::BigInt => match self.below(8) {
                0 => return Expr::Aggregate { function: Aggregate::Count, expr: None },
                1..=5 => (self.pick(&COUNTS), self.kind()),
                6 => (Aggregate::Sum, self.pick(&[Kind::BigInt, Kind::Int])),
                _ => (self.pick(&[Aggregate::Min, Aggregate::Max]), kind),
            },
            Kind::Float => match self.below(3) {
                0 => (Aggregate::Avg, self.pick(&[Kind::Int, Kind::BigInt, Kind::Float])),
                1 => (Aggregate::Sum, kind),
                _ => (self.pick(&[Aggregate::Min, Aggregate::Max]), kind),
            },
            Kind::Fixed(_) if self.once_in(2) => (Aggregate::Sum, kind),
            _ => (self.pick(&[Aggregate::Min, Aggregate::Max]), kind),
        };
        // Half of the time values as they are stored: what is calculated is often NULL or out of range.
        let depth = if self.once_in(2) { 0 } else { depth };
        let expr = scope::in_group(scope, |scope| self.expr(scope, of, depth));
        Expr::Aggregate { function, expr: Some(Box::new(expr)) }
    }
}
