//! Whatever has a value in a query: columns, expressions, and plain Rust values.

use super::column::{Col, IdCol};
use super::expr::Expr;
use super::raw::Raw;
use crate::schema::{ColumnType, Id, Table};

/// A column, an expression or a value, where a query calculates.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of an expression",
    label = "expected a column, an expression or a value of a column type",
    note = "a type of your own needs `#[derive(plasma::Column)]`"
)]
pub trait Expression {
    /// The Rust type of the values.
    type Value: ColumnType;
    /// The tables it mentions, as nested pairs.
    type Tables;
    /// The expression, untyped.
    #[doc(hidden)]
    fn into_raw(self) -> Raw;
}

impl<T, V: ColumnType> Expression for Col<T, V> {
    type Value = V;
    type Tables = T;
    fn into_raw(self) -> Raw {
        self.raw()
    }
}
impl<T: Table> Expression for IdCol<T> {
    type Value = Id<T>;
    type Tables = T;
    fn into_raw(self) -> Raw {
        self.raw()
    }
}
impl<V: ColumnType, S> Expression for Expr<V, S> {
    type Value = V;
    type Tables = S;
    fn into_raw(self) -> Raw {
        Expr::into_raw(self)
    }
}
impl Expression for &str {
    type Value = String;
    type Tables = ();
    fn into_raw(self) -> Raw {
        Raw::value(self.to_owned().into_value())
    }
}
impl Expression for &String {
    type Value = String;
    type Tables = ();
    fn into_raw(self) -> Raw {
        Raw::value(self.clone().into_value())
    }
}
