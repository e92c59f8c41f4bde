//! Expressions.

use super::Query;
use crate::crdt::CrdtKind;
use crate::value::{Kind, Value};

/// A column of the query `level` queries up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnRef {
    /// 0 is the query the expression stands in.
    pub level: u8,
    /// Name of the [`Source`](super::Source) in that query: the table's SQL name unless it has an alias.
    pub table: &'static str,
    /// SQL name of the column.
    pub column: &'static str,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`; unknown when either side is NULL.
    Eq,
    /// `<>`; unknown when either side is NULL.
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Lte,
    /// `>`
    Gt,
    /// `>=`
    Gte,
    /// `IS NOT DISTINCT FROM`: NULL is NULL, never unknown.
    Is,
}

/// A calculation with two numbers. NULL when either is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArithmeticOp {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`; of integers the quotient without its fraction.
    Div,
    /// `%` of integers: the rest, with the sign of the left side. Not for floats.
    Rem,
}

/// What becomes of the values of a group. NULLs are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// How many values there are; without an expression how many rows.
    Count,
    /// How many different values there are.
    CountDistinct,
    /// The sum; NULL of no value. Of integers an integer (more than an `i64` is an error), of floats a float.
    Sum,
    /// The mean as a float; NULL of no value.
    Avg,
    /// The smallest value; NULL of no value.
    Min,
    /// The greatest value; NULL of no value.
    Max,
}

/// A function of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// The text with `A` to `Z` in lower case; other characters stay, as in SQLite.
    Lower,
    /// The text with `a` to `z` in upper case; other characters stay.
    Upper,
    /// The number of characters (Unicode scalar values) of a text.
    Length,
    /// The text without spaces (U+0020) at both ends.
    Trim,
    /// The texts, one after the other; NULL when one is.
    Concat,
    /// The first that is not NULL.
    Coalesce,
    /// The date of a timestamp at an offset of so many minutes (the second argument) from UTC, as `YYYY-MM-DD`.
    Date,
    /// The value of the state of a counter (an integer), register or text, the number of elements of a set.
    ValueOf(CrdtKind),
    /// The same number with the other sign; overflow as in [`Expr::Arithmetic`] of kind `BigInt`.
    Negate,
    /// The time of the mutation, in microseconds since the epoch. No store knows it: it is filled in when a statement is
    /// run, and refused in what outlives a mutation.
    Now,
}

/// An expression. Conditions follow SQL's three-valued logic.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column.
    Column(ColumnRef),
    /// A constant.
    Literal(Value),
    /// A comparison.
    Compare {
        /// The operator.
        op: CompareOp,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// All of them; true when empty.
    And(Vec<Expr>),
    /// One of them; false when empty.
    Or(Vec<Expr>),
    /// The opposite; unknown stays unknown.
    Not(Box<Expr>),
    /// Whether the value is NULL.
    IsNull(Box<Expr>),
    /// Whether the value is one of the list; unknown when the value is NULL.
    In {
        /// The value.
        expr: Box<Expr>,
        /// The list, of non-NULL values of the column's kind.
        list: Vec<Value>,
    },
    /// Pattern match, case-sensitive: `%` any run, `_` any one character, `\` escapes the next character.
    Like {
        /// The text.
        expr: Box<Expr>,
        /// The pattern.
        pattern: String,
    },
    /// Whether the state of a set has an element.
    Has {
        /// The state.
        set: Box<Expr>,
        /// The element as JSON text, in the wire form of its kind.
        element: String,
    },
    /// Whether the query has a row.
    Exists(Box<Query>),
    /// Whether the value is among the query's rows. The query selects one expression.
    InQuery {
        /// The value.
        expr: Box<Expr>,
        /// The query.
        query: Box<Query>,
    },
    /// The one value of the query's first row; NULL when it has none. The query selects one expression.
    Scalar(Box<Query>),
    /// A calculation. A result outside `kind`, a quotient by zero and a float that is not finite are errors
    /// ([`Overflow`](crate::ErrorKind::Overflow)), on every store.
    Arithmetic {
        /// The operator.
        op: ArithmeticOp,
        /// [`Kind::Int`], [`Kind::BigInt`] or [`Kind::Float`]: of both sides and of the result.
        kind: Kind,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// A function of values.
    Function {
        /// Which.
        function: Function,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// The value beside the first condition that is true, else `otherwise`.
    Case {
        /// Conditions and their values.
        when: Vec<(Expr, Expr)>,
        /// The value when no condition is true.
        otherwise: Box<Expr>,
    },
    /// A value of a whole group: only in what a grouped query selects, orders by and has.
    Aggregate {
        /// Which.
        function: Aggregate,
        /// Of what; none for [`Aggregate::Count`] of rows.
        expr: Option<Box<Expr>>,
    },
}

/// A direct part of an expression or a query.
#[derive(Debug)]
pub enum Part<'q> {
    /// An expression at the same level.
    Expr(&'q Expr),
    /// A query one level further in.
    Query {
        /// The query.
        query: &'q Query,
        /// It may look at rows of the queries around it. Derived tables and nested queries may not.
        correlated: bool,
    },
}

/// [`Part`], to be changed.
#[derive(Debug)]
pub enum PartMut<'q> {
    /// An expression at the same level.
    Expr(&'q mut Expr),
    /// A query one level further in.
    Query {
        /// The query.
        query: &'q mut Query,
        /// It may look at rows of the queries around it.
        correlated: bool,
    },
}

impl Expr {
    /// A column of the query the expression stands in.
    pub fn column(table: &'static str, column: &'static str) -> Self {
        Expr::Column(ColumnRef { level: 0, table, column })
    }

    /// A comparison.
    pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Self {
        Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
    }

    /// `left = right`.
    pub fn eq(left: Expr, right: Expr) -> Self {
        Self::compare(CompareOp::Eq, left, right)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Expr) -> Self {
        match self {
            Expr::And(mut all) => {
                all.push(other);
                Expr::And(all)
            }
            first => Expr::And(vec![first, other]),
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Expr) -> Self {
        match self {
            Expr::Or(mut any) => {
                any.push(other);
                Expr::Or(any)
            }
            first => Expr::Or(vec![first, other]),
        }
    }

    /// Whether there is a group to fold: an aggregate outside of sub-queries.
    pub fn has_aggregate(&self) -> bool {
        let mut found = matches!(self, Expr::Aggregate { .. });
        self.parts(&mut |part| {
            if let Part::Expr(expr) = part {
                found |= expr.has_aggregate();
            }
        });
        found
    }

    /// Whether there is a sub-query in it.
    pub fn has_query(&self) -> bool {
        let mut found = false;
        self.queries(&mut |_| found = true);
        found
    }

    /// Whether it looks at a row of a query around the one it stands in.
    pub fn looks_outside(&self) -> bool {
        self.reaches(0)
    }

    pub(super) fn reaches(&self, depth: u8) -> bool {
        if let Expr::Column(column) = self {
            return column.level > depth;
        }
        let mut found = false;
        self.parts(&mut |part| match part {
            Part::Expr(expr) => found |= expr.reaches(depth),
            Part::Query { query, .. } => found |= query.reaches(depth.saturating_add(1)),
        });
        found
    }

    /// Calls `visit` for every sub-query, at any depth.
    pub fn queries<'q>(&'q self, visit: &mut dyn FnMut(&'q Query)) {
        self.parts(&mut |part| match part {
            Part::Expr(expr) => expr.queries(visit),
            Part::Query { query, .. } => query.queries(visit),
        });
    }

    /// Calls `visit` for the direct parts.
    pub fn parts<'q>(&'q self, visit: &mut dyn FnMut(Part<'q>)) {
        match self {
            Expr::Column(_) | Expr::Literal(_) => {}
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                visit(Part::Expr(left));
                visit(Part::Expr(right));
            }
            Expr::And(list) | Expr::Or(list) | Expr::Function { args: list, .. } => {
                list.iter().for_each(|expr| visit(Part::Expr(expr)));
            }
            Expr::Not(expr)
            | Expr::IsNull(expr)
            | Expr::In { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::Has { set: expr, .. } => {
                visit(Part::Expr(expr));
            }
            Expr::Exists(query) | Expr::Scalar(query) => visit(Part::Query { query, correlated: true }),
            Expr::InQuery { expr, query } => {
                visit(Part::Expr(expr));
                visit(Part::Query { query, correlated: true });
            }
            Expr::Case { when, otherwise } => {
                for (condition, value) in when {
                    visit(Part::Expr(condition));
                    visit(Part::Expr(value));
                }
                visit(Part::Expr(otherwise));
            }
            Expr::Aggregate { expr, .. } => expr.iter().for_each(|expr| visit(Part::Expr(expr))),
        }
    }

    /// [`parts`](Expr::parts), to be changed.
    pub fn parts_mut(&mut self, visit: &mut dyn FnMut(PartMut<'_>)) {
        match self {
            Expr::Column(_) | Expr::Literal(_) => {}
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                visit(PartMut::Expr(left));
                visit(PartMut::Expr(right));
            }
            Expr::And(list) | Expr::Or(list) | Expr::Function { args: list, .. } => {
                list.iter_mut().for_each(|expr| visit(PartMut::Expr(expr)));
            }
            Expr::Not(expr)
            | Expr::IsNull(expr)
            | Expr::In { expr, .. }
            | Expr::Like { expr, .. }
            | Expr::Has { set: expr, .. } => {
                visit(PartMut::Expr(expr));
            }
            Expr::Exists(query) | Expr::Scalar(query) => visit(PartMut::Query { query, correlated: true }),
            Expr::InQuery { expr, query } => {
                visit(PartMut::Expr(expr));
                visit(PartMut::Query { query, correlated: true });
            }
            Expr::Case { when, otherwise } => {
                for (condition, value) in when {
                    visit(PartMut::Expr(condition));
                    visit(PartMut::Expr(value));
                }
                visit(PartMut::Expr(otherwise));
            }
            Expr::Aggregate { expr, .. } => {
                if let Some(expr) = expr {
                    visit(PartMut::Expr(expr));
                }
            }
        }
    }
}
