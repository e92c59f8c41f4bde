//! Joins: by a foreign-key column, or on a condition.

use std::fmt;
use std::marker::PhantomData;

use super::column::Col;
use super::condition::Predicate;
use super::expr::Expr;
use super::raw::{Fault, Raw};
use super::scope::{Inner, Left, RowScope};
use super::select::Select;
use super::source::{Alias, TableSource};
use super::within::Within;
use crate::query::ir;
use crate::schema::{Id, Table};

/// Table or alias `U` with the condition it is joined on, made by `Table::on(..)` and `.join_as::<Alias>()`.
pub struct On<U, P> {
    condition: P,
    types: PhantomData<fn() -> U>,
}

impl<U, P> On<U, P> {
    pub(crate) fn new(condition: P) -> Self {
        On { condition, types: PhantomData }
    }
}
impl<U, P: Clone> Clone for On<U, P> {
    fn clone(&self) -> Self {
        On::new(self.condition.clone())
    }
}
impl<U, P: fmt::Debug> fmt::Debug for On<U, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("On").field(&self.condition).finish()
    }
}

/// An inner join.
#[derive(Debug)]
pub struct InnerJoin;
/// A left join.
#[derive(Debug)]
pub struct LeftJoin;

/// What `.inner_join(..)` and `.left_join(..)` take: a foreign-key column of the query, which joins the table it refers
/// to, or `Table::on(condition)`. `U` is the table joined.
#[diagnostic::on_unimplemented(
    message = "cannot join with `{Self}`",
    label = "expected a foreign-key column or `Table::on(condition)`"
)]
pub trait JoinWith<Sc, Kind, U, I> {
    /// The condition, untyped.
    #[doc(hidden)]
    fn condition(self) -> Raw;
}

macro_rules! foreign_key {
    ($v:ty) => {
        impl<Sc, K, I, T: Within<Sc, I>, P: Table> JoinWith<Sc, K, P, I> for Col<T, $v> {
            fn condition(self) -> Raw {
                Raw::new(ir::Expr::eq(self.raw().ir, P::id_column()))
            }
        }
        impl<T, P: Table> Col<T, $v> {
            /// The row this column refers to, joined under the name of an [`alias!`](crate::alias).
            pub fn join_as<A: Alias<Of = P>>(self) -> On<A, Expr<bool, (T, A)>> {
                On::new(Expr::new(Raw::new(ir::Expr::eq(self.raw().ir, A::id_column()))))
            }
        }
    };
}
foreign_key!(Id<P>);
foreign_key!(Option<Id<P>>);

impl<Sc, I, U: TableSource, P: Predicate<Inner<Sc, U>, I>> JoinWith<Sc, InnerJoin, U, I> for On<U, P> {
    fn condition(self) -> Raw {
        self.condition.into_raw().unwrap_or_else(Raw::all)
    }
}
impl<Sc, I, U: TableSource, P: Predicate<Left<Sc, U>, I>> JoinWith<Sc, LeftJoin, U, I> for On<U, P> {
    fn condition(self) -> Raw {
        self.condition.into_raw().unwrap_or_else(Raw::all)
    }
}

impl<Out, Sc> Select<Out, Sc> {
    /// Joins another table: rows without a match are left out. By a foreign-key column of the query
    /// (`Todo::owner_id`), or on a condition (`Comment::on(Comment::todo_id.eq(Todo::id))`).
    ///
    /// The row becomes a tuple, `(Todo, User)`; with up to 12 elements.
    pub fn inner_join<J, U, I, Row>(self, with: J) -> Select<Row, Inner<Sc, U>>
    where
        J: JoinWith<Sc, InnerJoin, U, I>,
        U: TableSource,
        Inner<Sc, U>: RowScope<Row = Row>,
    {
        const { Inner::<Sc, U>::NAMES.assert_different() };
        self.join::<U, _>(false, with.condition())
    }

    /// Joins another table: a row without a match stays, with none of the other table. By a foreign-key column of the
    /// query, or on a condition.
    ///
    /// The row becomes a tuple with an `Option`, `(Todo, Option<User>)`, and projected columns of the table are
    /// `Option`s.
    pub fn left_join<J, U, I, Row>(self, with: J) -> Select<Row, Left<Sc, U>>
    where
        J: JoinWith<Sc, LeftJoin, U, I>,
        U: TableSource,
        Left<Sc, U>: RowScope<Row = Row>,
    {
        const { Left::<Sc, U>::NAMES.assert_different() };
        self.join::<U, _>(true, with.condition())
    }

    fn join<U: TableSource, Sc2: RowScope>(self, left: bool, on: Raw) -> Select<Sc2::Row, Sc2> {
        let (mut ir, mut fault) = (self.ir, self.fault.or(on.fault));
        let source = U::source();
        // What the types cannot see: a derived table with a name of its own.
        if fault.is_none() && ir.sources().any(|other| other.name == source.name) {
            fault = Some(Fault::new(&format!("two sources of the query are named `{}`", source.name)));
        }
        ir.joins.push(ir::Join { left, source, on: on.ir });
        Select::whole(ir, fault)
    }
}
