//! Conditions: bool columns, comparisons, filters, and combinations of them.

use std::fmt;
use std::marker::PhantomData;

use super::column::{Col, IdCol};
use super::expr::Expr;
use super::raw::Raw;
use super::scope::Only;
use super::within::Within;
use crate::error::Result;
use crate::query::ir;

/// Something that mentions tables.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition",
    label = "expected a `bool` column or a comparison"
)]
pub trait Uses {
    /// The tables, as nested pairs.
    type Tables;
}

/// A condition, whatever tables it is over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition",
    label = "expected a `bool` column or a comparison"
)]
pub trait Condition: Uses {
    /// The condition, untyped; `None` for a `None`.
    #[doc(hidden)]
    fn into_raw(self) -> Option<Raw>;
}

/// A condition on the rows of a query with scope `Sc`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a condition",
    label = "expected a `bool` column or a comparison",
    note = "a condition on an aggregate belongs in `.having(..)`, behind `.group_by(..)`"
)]
pub trait Predicate<Sc, I> {
    /// The condition, untyped; `None` for a `None`, which lets every row pass.
    #[doc(hidden)]
    fn into_raw(self) -> Option<Raw>;
}

impl<T, V> Uses for Col<T, V> {
    type Tables = T;
}
impl<T> Uses for IdCol<T> {
    type Tables = T;
}
impl<V, S> Uses for Expr<V, S> {
    type Tables = S;
}
impl<T> Uses for Filter<T> {
    type Tables = T;
}
impl<C: Uses> Uses for Option<C> {
    type Tables = C::Tables;
}

impl<T> Condition for Col<T, bool> {
    fn into_raw(self) -> Option<Raw> {
        Some(self.raw())
    }
}
impl<S> Condition for Expr<bool, S> {
    fn into_raw(self) -> Option<Raw> {
        Some(Expr::into_raw(self))
    }
}
impl<T> Condition for Filter<T> {
    fn into_raw(self) -> Option<Raw> {
        Some(self.raw)
    }
}
#[diagnostic::do_not_recommend]
impl<C: Condition> Condition for Option<C> {
    fn into_raw(self) -> Option<Raw> {
        self.and_then(C::into_raw)
    }
}

impl<Sc, I, T: Within<Sc, I>> Predicate<Sc, I> for Col<T, bool> {
    fn into_raw(self) -> Option<Raw> {
        Condition::into_raw(self)
    }
}
impl<Sc, I, S: Within<Sc, I>> Predicate<Sc, I> for Expr<bool, S> {
    fn into_raw(self) -> Option<Raw> {
        Condition::into_raw(self)
    }
}
impl<Sc, I, T: Within<Sc, I>> Predicate<Sc, I> for Filter<T> {
    fn into_raw(self) -> Option<Raw> {
        Condition::into_raw(self)
    }
}
#[diagnostic::do_not_recommend]
impl<Sc, I, P: Predicate<Sc, I>> Predicate<Sc, I> for Option<P> {
    fn into_raw(self) -> Option<Raw> {
        self.and_then(P::into_raw)
    }
}

/// The tables of several things. Apart from [`Conditions`], so that one wrong element is one error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of conditions",
    label = "expected a tuple (to 12), an array or a `Vec` of conditions"
)]
pub trait UsesAll {
    /// The tables of all of them, as nested pairs.
    type Tables;
}

/// Several conditions at once, for [`all_of`] and [`any_of`]: a tuple (to 12), an array or a `Vec`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a list of conditions",
    label = "expected a tuple (to 12), an array or a `Vec` of conditions"
)]
pub trait Conditions: UsesAll {
    /// The conditions, untyped, `None`s left out.
    #[doc(hidden)]
    fn into_raws(self) -> Vec<Raw>;
}

impl<C: Uses> UsesAll for Vec<C> {
    type Tables = C::Tables;
}
impl<C: Condition> Conditions for Vec<C> {
    fn into_raws(self) -> Vec<Raw> {
        self.into_iter().filter_map(C::into_raw).collect()
    }
}
impl<C: Uses, const N: usize> UsesAll for [C; N] {
    type Tables = C::Tables;
}
impl<C: Condition, const N: usize> Conditions for [C; N] {
    fn into_raws(self) -> Vec<Raw> {
        self.into_iter().filter_map(C::into_raw).collect()
    }
}

macro_rules! pairs {
    ($a:ident) => { $a::Tables };
    ($a:ident $($rest:ident)+) => { ($a::Tables, pairs!($($rest)+)) };
}
macro_rules! conditions {
    ($($a:ident)+) => {
        impl<$($a: Uses),+> UsesAll for ($($a,)+) {
            type Tables = pairs!($($a)+);
        }
        impl<$($a: Condition),+> Conditions for ($($a,)+) {
            #[allow(non_snake_case)]
            fn into_raws(self) -> Vec<Raw> {
                let ($($a,)+) = self;
                [$($a.into_raw()),+].into_iter().flatten().collect()
            }
        }
    };
}
super::for_tuples!(conditions);

/// All of the conditions: `all_of((a, b, c))`. True for an empty list; a `None` adds nothing.
pub fn all_of<C: Conditions>(conditions: C) -> Expr<bool, C::Tables> {
    Expr::new(conditions.into_raws().into_iter().fold(Raw::all(), Raw::and))
}

/// One of the conditions: `any_of((a, b, c))`. False for an empty list; a `None` adds nothing.
pub fn any_of<C: Conditions>(conditions: C) -> Expr<bool, C::Tables> {
    Expr::new(conditions.into_raws().into_iter().fold(Raw::nothing(), Raw::or))
}

/// A condition on the rows of table `T`, its form forgotten: what policies return, and what `if` and `else` can agree on.
///
/// Made from a comparison or a `bool` column by `.into()`, or by [`all`](Filter::all), [`nothing`](Filter::nothing)
/// and [`when`](Filter::when).
pub struct Filter<T> {
    raw: Raw,
    types: PhantomData<fn() -> T>,
}

impl<T> Filter<T> {
    fn new(raw: Raw) -> Self {
        Filter { raw, types: PhantomData }
    }

    /// Every row.
    pub fn all() -> Self {
        Filter::new(Raw::all())
    }

    /// No row.
    pub fn nothing() -> Self {
        Filter::new(Raw::nothing())
    }

    /// Every row when `condition` holds, otherwise no row.
    pub fn when(condition: bool) -> Self {
        if condition { Filter::all() } else { Filter::nothing() }
    }

    /// Rows that pass both.
    #[must_use]
    pub fn and(self, other: impl Into<Filter<T>>) -> Self {
        Filter::new(self.raw.and(other.into().raw))
    }

    /// Rows that pass either.
    #[must_use]
    pub fn or(self, other: impl Into<Filter<T>>) -> Self {
        Filter::new(self.raw.or(other.into().raw))
    }

    /// Rows that do not pass. A row for which the condition is unknown (a comparison with NULL) passes neither.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it is, and callers should not need to import it")]
    pub fn not(self) -> Self {
        Filter::new(self.raw.not())
    }

    /// The condition over a row of the table (level 0).
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when it holds a value that no column can hold.
    pub fn into_ir(self) -> Result<ir::Expr> {
        self.raw.finish()
    }
}

impl<T> std::ops::Not for Filter<T> {
    type Output = Self;
    fn not(self) -> Self {
        Filter::not(self)
    }
}
impl<T> Clone for Filter<T> {
    fn clone(&self) -> Self {
        Filter::new(self.raw.clone())
    }
}
impl<T> fmt::Debug for Filter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.raw.ir).finish()
    }
}
impl<T> PartialEq for Filter<T> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl<T, S: Only<T>> From<Expr<bool, S>> for Filter<T> {
    fn from(condition: Expr<bool, S>) -> Self {
        Filter::new(condition.into_raw())
    }
}
impl<T> From<Col<T, bool>> for Filter<T> {
    fn from(column: Col<T, bool>) -> Self {
        Filter::new(column.raw())
    }
}
