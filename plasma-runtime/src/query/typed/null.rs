//! Values that may be missing.

use super::column::Col;
use super::condition::Condition;
use super::expr::Expr;
use super::expression::Expression;
use super::raw::Raw;
use super::text::function2;
use super::within::Present;
use crate::query::ir::{self, Function};
use crate::schema::{ColumnType, Scalar};

macro_rules! nullable {
    ($on:ident<$($p:ty),*>) => {
        impl<T, V: Scalar> $on<$($p),*> {
            /// Whether there is no value.
            pub fn is_null(self) -> Expr<bool, T> {
                Expr::new(self.raw().wrap(|ir| ir::Expr::IsNull(Box::new(ir))))
            }

            /// Whether there is a value.
            pub fn is_not_null(self) -> Expr<bool, T> {
                self.is_null().not()
            }
        }
    };
}
nullable!(Col<T, Option<V>>);
nullable!(Expr<Option<V>, T>);

macro_rules! coalesce {
    ($on:ident<$($p:ty),*>) => {
        impl<T, V: ColumnType> $on<$($p),*> {
            /// The value, or `other` when there is none: a value, a column or an expression that is never NULL itself.
            ///
            /// Also of a column that is `NULL` for being joined from the left.
            pub fn coalesce<R>(self, other: R) -> Expr<V::NonNull, (Present<T>, R::Tables)>
            where
                R: Expression<Value = V::NonNull>,
            {
                Expr::new(function2(Function::Coalesce, self.raw(), other.into_raw()))
            }
        }
    };
}
coalesce!(Col<T, V>);
coalesce!(Expr<V, T>);

/// A choice: `when(Todo::done).then(0).otherwise(Todo::points)`.
///
/// Each condition is asked in turn; the value beside the first that is true (and not unknown) is taken.
pub fn when<C: Condition>(condition: C) -> When<C::Tables> {
    When {
        condition: condition.into_raw().unwrap_or_else(Raw::all),
        cases: Vec::new(),
        tables: std::marker::PhantomData,
    }
}

/// A condition that waits for its value: [`then`](When::then).
#[derive(Debug)]
#[must_use = "a choice needs `.then(..).otherwise(..)`"]
pub struct When<S> {
    condition: Raw,
    cases: Vec<(Raw, Raw)>,
    tables: std::marker::PhantomData<fn() -> S>,
}

/// Conditions with their values, which wait for the value of all other cases: [`otherwise`](Cases::otherwise).
#[derive(Debug)]
#[must_use = "a choice needs `.otherwise(..)`"]
pub struct Cases<V, S> {
    cases: Vec<(Raw, Raw)>,
    types: std::marker::PhantomData<fn() -> (V, S)>,
}

impl<S> When<S> {
    /// The value when the condition is true.
    pub fn then<R: Expression>(self, value: R) -> Cases<R::Value, (S, R::Tables)> {
        let mut cases = self.cases;
        cases.push((self.condition, value.into_raw()));
        Cases { cases, types: std::marker::PhantomData }
    }
}

/// A condition of a choice that has values already.
#[derive(Debug)]
#[must_use = "a choice needs `.then(..).otherwise(..)`"]
pub struct NextWhen<V, S> {
    condition: Raw,
    before: Cases<V, S>,
}

impl<V, S> NextWhen<V, S> {
    /// The value when the condition is true and none before it was.
    pub fn then<R: Expression<Value = V>>(self, value: R) -> Cases<V, (S, R::Tables)> {
        let mut cases = self.before.cases;
        cases.push((self.condition, value.into_raw()));
        Cases { cases, types: std::marker::PhantomData }
    }
}

impl<V: ColumnType, S> Cases<V, S> {
    /// Another condition.
    pub fn when<C: Condition>(self, condition: C) -> NextWhen<V, (S, C::Tables)> {
        let before = Cases { cases: self.cases, types: std::marker::PhantomData };
        NextWhen { condition: condition.into_raw().unwrap_or_else(Raw::all), before }
    }

    /// The value when no condition is true.
    pub fn otherwise<R: Expression<Value = V>>(self, value: R) -> Expr<V, (S, R::Tables)> {
        let choice = Raw::made_of([value.into_raw()], |[otherwise]| ir::Expr::Case {
            when: Vec::with_capacity(self.cases.len()),
            otherwise: Box::new(otherwise),
        });
        Expr::new(self.cases.into_iter().fold(choice, |choice, (condition, value)| choice.case(condition, value)))
    }

    /// NULL when no condition is true.
    pub fn or_null(self) -> Expr<Option<V::NonNull>, S>
    where
        V: ColumnType<NonNull: Scalar>,
    {
        let null = Expr::<V, ()>::new(Raw::new(ir::Expr::Literal(crate::value::Value::Null)));
        Expr::new(self.otherwise(null).into_raw())
    }
}
