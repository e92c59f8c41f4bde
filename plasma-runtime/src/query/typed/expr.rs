//! Typed expressions.

use std::fmt;
use std::marker::PhantomData;

use super::condition::Condition;
use super::raw::Raw;

/// An expression with values of type `V` over the tables `S` (a table, or nested pairs of tables).
///
/// `Expr<bool, _>` is a condition.
pub struct Expr<V, S> {
    raw: Raw,
    types: PhantomData<fn() -> (V, S)>,
}

impl<V, S> Expr<V, S> {
    pub(crate) fn new(raw: Raw) -> Self {
        Expr { raw, types: PhantomData }
    }

    pub(crate) fn into_raw(self) -> Raw {
        self.raw
    }

    pub(crate) fn raw(self) -> Raw {
        self.raw
    }
}

impl<V, S> Clone for Expr<V, S> {
    fn clone(&self) -> Self {
        Expr::new(self.raw.clone())
    }
}
impl<V, S> fmt::Debug for Expr<V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expr").field(&self.raw.ir).finish()
    }
}

impl<S> Expr<bool, S> {
    /// Both.
    pub fn and<C: Condition>(self, other: C) -> Expr<bool, (S, C::Tables)> {
        Expr::new(self.raw.and(other.into_raw().unwrap_or_else(Raw::all)))
    }

    /// Either. `None` of an `Option` of a condition adds nothing.
    pub fn or<C: Condition>(self, other: C) -> Expr<bool, (S, C::Tables)> {
        Expr::new(self.raw.or(other.into_raw().unwrap_or_else(Raw::nothing)))
    }

    /// The opposite. Unknown (a comparison with NULL) stays unknown, and the row is not taken.
    #[expect(clippy::should_implement_trait, reason = "it is, and callers should not need to import it")]
    pub fn not(self) -> Expr<bool, S> {
        Expr::new(self.raw.not())
    }
}

impl<S> std::ops::Not for Expr<bool, S> {
    type Output = Self;
    fn not(self) -> Self {
        Expr::not(self)
    }
}

/// The opposite of a condition.
pub fn not<C: Condition>(condition: C) -> Expr<bool, C::Tables> {
    Expr::new(condition.into_raw().unwrap_or_else(Raw::nothing).not())
}
