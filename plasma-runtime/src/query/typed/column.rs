//! Typed columns: what `Todo::title` is.

use std::fmt;
use std::marker::PhantomData;

use super::assign::{Assign, Order};
use super::condition::Condition;
use super::expr::Expr;
use super::operand::{CompareWith, Operand, SameAs, StoreFrom, ValueFrom};
use super::raw::Raw;
use crate::query::ir::{self, CompareOp};
use crate::schema::{ColumnType, Id, Scalar};
use crate::value::Value;

/// A column of table `T` that holds values of type `V`.
pub struct Col<T, V> {
    table: &'static str,
    column: &'static str,
    types: PhantomData<fn() -> (T, V)>,
}

/// The column `id` of table `T`: compared like any column, but never assigned.
pub struct IdCol<T> {
    table: &'static str,
    column: &'static str,
    types: PhantomData<fn() -> T>,
}

/// Some column of table `T`.
#[doc(hidden)]
pub struct ColumnOf<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for ColumnOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ColumnOf")
    }
}

impl<T, V> Clone for Col<T, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T, V> Copy for Col<T, V> {}
impl<T> Clone for IdCol<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for IdCol<T> {}
impl<T, V> fmt::Debug for Col<T, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Col({}.{})", self.table, self.column)
    }
}
impl<T> fmt::Debug for IdCol<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdCol({}.{})", self.table, self.column)
    }
}

/// Columns with a capability: values that have an order.
#[diagnostic::on_unimplemented(
    message = "columns of type `{Self}` have no order",
    label = "no value of it is less than another: `asc`, `desc`, `lt`, `lte`, `gt` and `gte` need an order",
    note = "a counter, an `Lww` and a `Text` are compared and sorted by their `.value()`; what is sealed is sorted in the program, once it is open"
)]
pub trait Ordered: ColumnType {
    /// The type itself. Comparisons look up the other side through it, so that a type without an order is one error and
    /// not two.
    #[doc(hidden)]
    type Itself: ColumnType;
}
#[diagnostic::do_not_recommend]
impl Ordered for String {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for i32 {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for i64 {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for f64 {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for bool {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for Vec<u8> {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for crate::value::Timestamp {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl Ordered for crate::value::Date {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl<const N: u8> Ordered for crate::value::Fixed<N>
where
    Self: ColumnType,
{
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl<X: crate::schema::Table> Ordered for Id<X> {
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl<V: Ordered + Scalar> Ordered for Option<V> {
    type Itself = Self;
}

impl<T, V> Col<T, V> {
    /// A column by its SQL names. Nothing checks that table `T` has it: that is the macro's task.
    #[doc(hidden)]
    pub const fn new_unchecked(table: &'static str, column: &'static str) -> Self {
        Col { table, column, types: PhantomData }
    }

    /// SQL name of the column.
    pub const fn name(self) -> &'static str {
        self.column
    }

    /// The name of the source it is a column of.
    pub(super) const fn source_name(self) -> &'static str {
        self.table
    }

    /// The column, untyped: of the query the expression stands in.
    #[doc(hidden)]
    pub fn raw(self) -> Raw {
        Raw::new(ir::Expr::column(self.table, self.column))
    }

    /// Ties a column to its table, for `columns!`.
    #[doc(hidden)]
    pub const fn table(self) -> ColumnOf<T> {
        ColumnOf(PhantomData)
    }
}

impl<T> IdCol<T> {
    /// The column `id` of a table by its SQL name. Nothing checks that it is the name of `T`: that is the macro's task.
    #[doc(hidden)]
    pub const fn new_unchecked(table: &'static str, column: &'static str) -> Self {
        IdCol { table, column, types: PhantomData }
    }

    /// SQL name of the column: `id`.
    pub const fn name(self) -> &'static str {
        self.column
    }

    /// The column, untyped: of the query the expression stands in.
    #[doc(hidden)]
    pub fn raw(self) -> Raw {
        Raw::new(ir::Expr::column(self.table, self.column))
    }
}

/// The comparisons, for `Col`, `IdCol` (`id` has all of them but no `to`) and `Expr`.
macro_rules! comparisons {
    ([$($g:tt)*] $col:ty, $v:ty, $plain:ty) => {
        impl<$($g)*> $col {
            /// `=`: with a value, or with a column of the same type. Never true for NULL; see [`is`](Self::is).
            pub fn eq<R: Operand>(self, right: R) -> Expr<bool, R::With<T>> where $v: CompareWith<R> {
                Expr::new(self.raw().compare(CompareOp::Eq, <$v>::operand(right)))
            }

            /// `<>`. Never true for NULL.
            pub fn ne<R: Operand>(self, right: R) -> Expr<bool, R::With<T>> where $v: CompareWith<R> {
                Expr::new(self.raw().compare(CompareOp::Ne, <$v>::operand(right)))
            }

            /// `<`. Text is compared by bytes.
            pub fn lt<R: Operand>(self, right: R) -> Expr<bool, R::With<T>>
            where
                $v: Ordered<Itself: CompareWith<R>>,
            {
                Expr::new(self.raw().compare(CompareOp::Lt, <<$v as Ordered>::Itself>::operand(right)))
            }

            /// `<=`. Text is compared by bytes.
            pub fn lte<R: Operand>(self, right: R) -> Expr<bool, R::With<T>>
            where
                $v: Ordered<Itself: CompareWith<R>>,
            {
                Expr::new(self.raw().compare(CompareOp::Lte, <<$v as Ordered>::Itself>::operand(right)))
            }

            /// `>`. Text is compared by bytes.
            pub fn gt<R: Operand>(self, right: R) -> Expr<bool, R::With<T>>
            where
                $v: Ordered<Itself: CompareWith<R>>,
            {
                Expr::new(self.raw().compare(CompareOp::Gt, <<$v as Ordered>::Itself>::operand(right)))
            }

            /// `>=`. Text is compared by bytes.
            pub fn gte<R: Operand>(self, right: R) -> Expr<bool, R::With<T>>
            where
                $v: Ordered<Itself: CompareWith<R>>,
            {
                Expr::new(self.raw().compare(CompareOp::Gte, <<$v as Ordered>::Itself>::operand(right)))
            }

            /// `IS NOT DISTINCT FROM`: with a value or an `Option`; `None` matches NULL and nothing else.
            pub fn is<R>(self, value: R) -> Expr<bool, T> where $plain: SameAs<R> {
                let value = Raw::value(<$plain as SameAs<R>>::same_as(value));
                Expr::new(self.raw().compare(CompareOp::Is, value))
            }

            /// Whether the value is one of `values`. Never true for NULL, nor for an empty list.
            #[doc(alias = "in_list")]
            pub fn is_in<I: IntoIterator>(self, values: I) -> Expr<bool, T>
            where
                $plain: ValueFrom<I::Item>,
            {
                let values = values.into_iter().map(<$plain as ValueFrom<I::Item>>::value_from);
                Expr::new(is_in(self.raw(), values.collect()))
            }

            /// Whether the value is none of `values`. Never true for NULL; true for every value when the list is empty.
            #[doc(alias = "not_in")]
            pub fn is_not_in<I: IntoIterator>(self, values: I) -> Expr<bool, T>
            where
                $plain: ValueFrom<I::Item>,
            {
                self.is_in(values).not()
            }

            /// Whether the value is at least `least` and at most `most`. Never true for NULL.
            pub fn between<R: Operand>(self, least: R, most: R) -> Expr<bool, R::With<T>>
            where
                $v: Ordered<Itself: CompareWith<R>>,
            {
                let value = self.raw();
                let least = value.clone().compare(CompareOp::Gte, <<$v as Ordered>::Itself>::operand(least));
                Expr::new(least.and(value.compare(CompareOp::Lte, <<$v as Ordered>::Itself>::operand(most))))
            }

            /// Rows by this column, smallest first; NULL before everything.
            pub fn asc(self) -> Order<T> where $v: Ordered {
                Order::new(self.raw(), false)
            }

            /// Rows by this column, greatest first; NULL after everything.
            pub fn desc(self) -> Order<T> where $v: Ordered {
                Order::new(self.raw(), true)
            }
        }
    };
}

comparisons! { [T, V: ColumnType] Col<T, V>, V, V::NonNull }
comparisons! { [T: crate::schema::Table] IdCol<T>, Id<T>, Id<T> }
comparisons! { [T, V: ColumnType] Expr<V, T>, V, V::NonNull }

fn is_in(column: Raw, values: crate::Result<Vec<Value>>) -> Raw {
    match values {
        Ok(list) => column.wrap(|expr| ir::Expr::In { expr: Box::new(expr), list }),
        Err(error) => Raw::fault(error.message()),
    }
}

/// Columns with a capability: they are set to a value. CRDTs are not; they are changed by operations.
///
/// Implemented for each type and not for every [`Scalar`]: a CRDT would be told that it is none.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` column is changed by its operations, not by `.to(..)`",
    label = "a CRDT is not set to a value: that would undo what others do at the same time",
    note = "a counter is changed by `.increment(1)`, a `PnCounter` also by `.decrement(1)`",
    note = "an `Lww` is changed by `.write(value)`",
    note = "an `OrSet` is changed by `.add(element)` and `.remove(element)`",
    note = "a `Text` is changed by `.insert(0, \"text\")`, `.delete(0..4)` and `.push_str(\"text\")`"
)]
pub trait Assignable: ColumnType {
    /// The type itself. An assignment looks up its value through it, so that a CRDT is one error and not two.
    #[doc(hidden)]
    type Itself: ColumnType;
}
#[diagnostic::do_not_recommend]
impl<V: Scalar> Assignable for Option<V> {
    type Itself = Self;
}

impl<T, V: ColumnType> Col<T, V> {
    /// Sets the column: to a value, or to a column or (for `bool`) a condition of the same row.
    pub fn to<R>(self, value: R) -> Assign<T>
    where
        V: Assignable<Itself: StoreFrom<R, T>>,
    {
        Assign::new(self.column, <V as Assignable>::Itself::stored(value))
    }
}

/// A `bool` column is a condition.
impl<T> Col<T, bool> {
    /// Both.
    pub fn and<C: Condition>(self, other: C) -> Expr<bool, (T, C::Tables)> {
        Expr::<bool, T>::new(self.raw()).and(other)
    }

    /// Either.
    pub fn or<C: Condition>(self, other: C) -> Expr<bool, (T, C::Tables)> {
        Expr::<bool, T>::new(self.raw()).or(other)
    }

    /// The opposite.
    #[expect(clippy::should_implement_trait, reason = "it is, and callers should not need to import it")]
    pub fn not(self) -> Expr<bool, T> {
        Expr::new(self.raw().not())
    }
}

impl<T> std::ops::Not for Col<T, bool> {
    type Output = Expr<bool, T>;
    fn not(self) -> Expr<bool, T> {
        Col::not(self)
    }
}
