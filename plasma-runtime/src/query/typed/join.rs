//! Joins: by a foreign-key column, or on a condition.

use std::fmt;
use std::marker::PhantomData;

use super::column::Col;
use super::condition::Predicate;
use super::expr::Expr;
use super::raw::{Fault, Raw};
use super::scope::{Inner, Left, Names, RowScope};
use super::select::Select;
use super::source::{Alias, Source, TableSource};
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

/// What is joined, whatever query it stands in. Apart from [`JoinWith`], so that one mistake is one error.
#[diagnostic::on_unimplemented(
    message = "cannot join with `{Self}`",
    label = "expected a foreign-key column or `Table::on(condition)`"
)]
pub trait JoinTarget {
    /// The table or alias.
    type Target: TableSource;
}

/// What `.inner_join(..)` and `.left_join(..)` take: a foreign-key column of the query, which joins the table it refers
/// to, or `Table::on(condition)`.
#[diagnostic::on_unimplemented(
    message = "cannot join with `{Self}`",
    label = "expected a foreign-key column or `Table::on(condition)`"
)]
pub trait JoinWith<Sc, Kind, I>: JoinTarget {
    /// The condition, untyped.
    #[doc(hidden)]
    fn condition(self) -> Raw;
}

macro_rules! foreign_key {
    ($v:ty) => {
        impl<T, P: Table> JoinTarget for Col<T, $v> {
            type Target = P;
        }
        impl<Sc, K, I, T: Within<Sc, I>, P: Table> JoinWith<Sc, K, I> for Col<T, $v> {
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

impl<U: TableSource, P> JoinTarget for On<U, P> {
    type Target = U;
}
impl<Sc, I, U: TableSource, P: Predicate<Inner<Sc, U>, I>> JoinWith<Sc, InnerJoin, I> for On<U, P> {
    fn condition(self) -> Raw {
        self.condition.into_raw().unwrap_or_else(Raw::all)
    }
}
impl<Sc, I, U: TableSource, P: Predicate<Left<Sc, U>, I>> JoinWith<Sc, LeftJoin, I> for On<U, P> {
    fn condition(self) -> Raw {
        self.condition.into_raw().unwrap_or_else(Raw::all)
    }
}

impl<Out, Sc: RowScope> Select<Out, Sc> {
    /// Joins another table: rows without a match are left out. By a foreign-key column of the query
    /// (`Todo::owner_id`), or on a condition (`Comment::on(Comment::todo_id.eq(Todo::id))`).
    ///
    /// The row becomes a tuple, `(Todo, User)`; with up to 12 elements.
    #[expect(clippy::type_complexity, reason = "the row and the scope of the joined query, which inference hides")]
    pub fn inner_join<J, I>(self, with: J) -> Select<<Inner<Sc, J::Target> as RowScope>::Row, Inner<Sc, J::Target>>
    where
        J: JoinWith<Sc, InnerJoin, I>,
        Inner<Sc, J::Target>: RowScope,
    {
        const { Names::assert_new(Some(Sc::NAMES), <J::Target as Source>::NAME) };
        self.join::<J::Target, _>(false, with.condition())
    }

    /// Joins another table: a row without a match stays, with none of the other table. By a foreign-key column of the
    /// query, or on a condition.
    ///
    /// The row becomes a tuple with an `Option`, `(Todo, Option<User>)`, and projected columns of the table are
    /// `Option`s.
    #[expect(clippy::type_complexity, reason = "the row and the scope of the joined query, which inference hides")]
    pub fn left_join<J, I>(self, with: J) -> Select<<Left<Sc, J::Target> as RowScope>::Row, Left<Sc, J::Target>>
    where
        J: JoinWith<Sc, LeftJoin, I>,
        Left<Sc, J::Target>: RowScope,
    {
        const { Names::assert_new(Some(Sc::NAMES), <J::Target as Source>::NAME) };
        self.join::<J::Target, _>(true, with.condition())
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
