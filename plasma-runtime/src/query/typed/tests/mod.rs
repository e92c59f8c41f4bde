//! What each operator builds, how sub-queries find their columns, and what the built queries mean.

mod conditions;
mod crdt;
#[cfg(feature = "sqlite")]
mod depth;
mod expressions;
mod many_sources;
#[cfg(feature = "sqlite")]
mod meaning;
#[cfg(feature = "sqlite")]
mod pages;
mod queries;
mod shapes;
mod subqueries;

use crate::query::ir::{ColumnRef, CompareOp, Expr};
use crate::query::typed::Filter;
use crate::value::Value;

/// The untyped form of a condition on one table.
fn ir<T>(condition: impl Into<Filter<T>>) -> Expr {
    condition.into().into_ir().expect("a condition without faults")
}

/// A column of the query the expression stands in.
fn todo(column: &'static str) -> Expr {
    Expr::column("todos", column)
}

/// A column of the query `level` queries up.
fn at(level: u8, table: &'static str, column: &'static str) -> Expr {
    Expr::Column(ColumnRef { level, table, column })
}

/// `left op right`, with a constant.
fn compare(op: CompareOp, left: Expr, right: impl Into<Value>) -> Expr {
    Expr::compare(op, left, Expr::Literal(right.into()))
}
