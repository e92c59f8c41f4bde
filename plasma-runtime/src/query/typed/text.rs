//! Text: search in it, and make other text of it.

use super::column::Col;
use super::crdt::Contains;
use super::expr::Expr;
use super::raw::{self, Raw};
use crate::query::ir::{self, Function};
use crate::schema::{ColumnType, Scalar};

/// Columns with a capability: text that can be searched.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` holds no text to search",
    label = "needs a `String` or `Option<String>` column"
)]
pub trait Textual: ColumnType {}
impl Textual for String {}
#[diagnostic::do_not_recommend]
impl<V: Textual + Scalar> Textual for Option<V> {}

/// What becomes of a value that depends on another, such as the length of a text: NULL when that one is.
pub trait Dependent: ColumnType {
    /// A `V` when `Self` is never NULL, else an `Option<V>`.
    type As<V: Scalar>: ColumnType;
}
impl<X: Scalar> Dependent for X {
    type As<V: Scalar> = V;
}
#[diagnostic::do_not_recommend]
impl<X: Scalar> Dependent for Option<X> {
    type As<V: Scalar> = Option<V>;
}

macro_rules! text {
    ([$($g:tt)*] $on:ty, $v:ty) => {
impl<$($g)*> $on {
        /// Matches a pattern, case-sensitively on every store: `%` is any run of characters, `_` any one, and `\` takes
        /// the meaning from the next.
        pub fn like(self, pattern: impl Into<String>) -> Expr<bool, T>
        where
            V: Textual,
        {
            Expr::new(raw::like(self.raw(), pattern.into()))
        }

        /// Whether the text holds a text, case-sensitively (`%` and `_` mean themselves), or an
        /// [`OrSet`](crate::crdt::OrSet) an element.
        pub fn contains<R>(self, part: R) -> Expr<bool, T>
        where
            V: Contains<R>,
        {
            Expr::new(V::contained(self.raw(), part))
        }

        /// Whether the text starts with `text`, case-sensitively. `%` and `_` mean themselves.
        pub fn starts_with(self, text: &str) -> Expr<bool, T>
        where
            V: Textual,
        {
            self.like(format!("{}%", raw::escape_like(text)))
        }

        /// Whether the text ends with `text`, case-sensitively. `%` and `_` mean themselves.
        pub fn ends_with(self, text: &str) -> Expr<bool, T>
        where
            V: Textual,
        {
            self.like(format!("%{}", raw::escape_like(text)))
        }

        /// The text with `A` to `Z` in lower case. Other letters stay as they are, on every store, because stores do
        /// not agree about them.
        pub fn lower(self) -> Expr<$v, T>
        where
            V: Textual,
        {
            Expr::new(function(Function::Lower, self.raw()))
        }

        /// The text with `a` to `z` in upper case. Other letters stay as they are.
        pub fn upper(self) -> Expr<$v, T>
        where
            V: Textual,
        {
            Expr::new(function(Function::Upper, self.raw()))
        }

        /// The text without spaces (U+0020, nothing else) at its ends.
        pub fn trim(self) -> Expr<$v, T>
        where
            V: Textual,
        {
            Expr::new(function(Function::Trim, self.raw()))
        }

        /// The number of characters (Unicode scalar values).
        pub fn length(self) -> Expr<<V as Dependent>::As<i64>, T>
        where
            V: Textual + Dependent,
        {
            Expr::new(function(Function::Length, self.raw()))
        }
}
    };
}
text! { [T, V: ColumnType] Col<T, V>, V }
text! { [T, V: ColumnType] Expr<V, T>, V }

/// A function of one value.
pub(super) fn function(function: Function, argument: Raw) -> Raw {
    argument.wrap(|ir| ir::Expr::Function { function, args: vec![ir] })
}

/// A function of two values.
pub(super) fn function2(function: Function, first: Raw, second: Raw) -> Raw {
    Raw::made_of([first, second], |args| ir::Expr::Function { function, args: args.into() })
}
