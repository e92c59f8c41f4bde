//! What may stand on the right side of a comparison or an assignment.
//!
//! Explicit impls for each scalar, no blanket over values: that keeps a wrong right side at one error that names both
//! types (a blanket made `eq(None)` an unreadable mismatch of associated types).

use super::column::{Assignable, Col, IdCol};
use super::expr::Expr;
use super::raw::Raw;
use super::scope::Only;
use crate::error::Result;
use crate::schema::{ColumnType, Id, Json, Scalar, Table};
use crate::value::{Date, FileRef, Fixed, Kind, Timestamp, Value};

/// A right side and the tables it adds to those of the left side.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a comparison",
    label = "not a value or a column",
    note = "a type of your own needs `#[derive(plasma::Column)]`"
)]
pub trait Operand {
    /// The tables of a comparison with a column of `T`.
    type With<T>;
}

/// Right sides a column of type `Self` can be compared with.
#[diagnostic::on_unimplemented(
    message = "cannot compare a `{Self}` column with `{R}`",
    label = "expected a value or a column that matches `{Self}`",
    note = "JSON, encrypted and CRDT columns are not compared in a query: to find rows by a sealed value keep a `BlindIndex` column beside it; of a counter, an `Lww` or a `Text` compare the `.value()`; ask a set with `.contains(..)`",
    note = "to test for null write `.is_null()` or `.is_not_null()`; to compare with an `Option` write `.is(option)`"
)]
pub trait CompareWith<R> {
    /// The right side, untyped.
    fn operand(right: R) -> Raw;
}

/// Values that stand for a `Self`: `&str` for `String`.
#[diagnostic::on_unimplemented(
    message = "cannot compare a `{Self}` column with `{R}`",
    label = "expected a value that matches `{Self}`"
)]
pub trait ValueFrom<R>: ColumnType {
    /// The value, untyped.
    ///
    /// # Errors
    /// Those of [`ColumnType::into_value`].
    fn value_from(value: R) -> Result<Value>;
}

/// Values and options of values that `.is(..)` takes for a column of type `Self`.
#[diagnostic::on_unimplemented(
    message = "cannot compare a `{Self}` column with `{R}`",
    label = "expected a value or an `Option` of a value that matches `{Self}`"
)]
pub trait SameAs<R>: ColumnType {
    /// The value or NULL, untyped.
    ///
    /// # Errors
    /// Those of [`ColumnType::into_value`].
    fn same_as(value: R) -> Result<Value>;
}

#[diagnostic::do_not_recommend]
impl<R, V: Scalar + ValueFrom<R>> SameAs<Option<R>> for V {
    fn same_as(value: Option<R>) -> Result<Value> {
        value.map_or(Ok(Value::Null), V::value_from)
    }
}

/// What a column of type `Self` of table `T` can be set to.
#[diagnostic::on_unimplemented(
    message = "cannot store `{R}` in a `{Self}` column",
    label = "expected a value that fits `{Self}`",
    note = "or an expression over the same row with the same type; what is to be sealed is sealed before the mutation, by `client.seal(..)` or `#[arg(seal(..))]`"
)]
pub trait StoreFrom<R, T> {
    /// The new value, untyped: an expression over the row.
    fn stored(value: R) -> Raw;
}

/// Implements the right sides of a scalar column type: used by the runtime for its own and by `derive(Column)`.
///
/// `column_operands!([] Email => Email)`: generics, the column type, the value types that stand for it.
#[doc(hidden)]
#[macro_export]
macro_rules! __column_operands {
    ([$($g:tt)*] $v:ty => $($r:ty),+ $(,)?) => {
        $crate::__column_operands! { @operands [$($g)*] $v => $($r),+ }
        impl<$($g)*> $crate::query::typed::Computed for $v {}
    };
    (@operands $g:tt $v:ty => $($r:ty),+) => {
        $($crate::__column_operands! { @value $g $v, $r })+
        $crate::__column_operands! { @column $g $v }
    };
    (@column [$($g:tt)*] $v:ty) => {
        impl<$($g)*> $crate::query::typed::Operand for $v {
            type With<__T> = __T;
        }
        #[diagnostic::do_not_recommend]
        impl<$($g)*> $crate::query::typed::Assignable for $v {
            type Itself = $v;
        }
        impl<$($g)*> $crate::query::typed::Expression for $v {
            type Value = $v;
            type Tables = ();
            fn into_raw(self) -> $crate::query::typed::Raw {
                $crate::query::typed::Raw::value($crate::schema::ColumnType::into_value(self))
            }
        }
        #[diagnostic::do_not_recommend]
        impl<__U, $($g)*> $crate::query::typed::CompareWith<$crate::query::typed::Col<__U, $v>> for $v {
            fn operand(right: $crate::query::typed::Col<__U, $v>) -> $crate::query::typed::Raw {
                right.raw()
            }
        }
        #[diagnostic::do_not_recommend]
        impl<__U, $($g)*> $crate::query::typed::CompareWith<$crate::query::typed::Col<__U, ::core::option::Option<$v>>>
            for $v
        {
            fn operand(
                right: $crate::query::typed::Col<__U, ::core::option::Option<$v>>,
            ) -> $crate::query::typed::Raw {
                right.raw()
            }
        }
        #[diagnostic::do_not_recommend]
        impl<__T, $($g)*> $crate::query::typed::StoreFrom<$crate::query::typed::Col<__T, $v>, __T> for $v {
            fn stored(value: $crate::query::typed::Col<__T, $v>) -> $crate::query::typed::Raw {
                value.raw()
            }
        }
    };
    (@value [$($g:tt)*] $v:ty, $r:ty) => {
        #[diagnostic::do_not_recommend]
        impl<$($g)*> $crate::query::typed::ValueFrom<$r> for $v {
            fn value_from(value: $r) -> $crate::Result<$crate::value::Value> {
                $crate::schema::ColumnType::into_value(<$v as ::core::convert::From<$r>>::from(value))
            }
        }
        #[diagnostic::do_not_recommend]
        impl<$($g)*> $crate::query::typed::SameAs<$r> for $v {
            fn same_as(value: $r) -> $crate::Result<$crate::value::Value> {
                <$v as $crate::query::typed::ValueFrom<$r>>::value_from(value)
            }
        }
        #[diagnostic::do_not_recommend]
        impl<$($g)*> $crate::query::typed::CompareWith<$r> for $v {
            fn operand(right: $r) -> $crate::query::typed::Raw {
                $crate::query::typed::Raw::value(<$v as $crate::query::typed::ValueFrom<$r>>::value_from(right))
            }
        }
        #[diagnostic::do_not_recommend]
        impl<$($g)*> $crate::query::typed::CompareWith<$r> for ::core::option::Option<$v> {
            fn operand(right: $r) -> $crate::query::typed::Raw {
                $crate::query::typed::Raw::value(<$v as $crate::query::typed::ValueFrom<$r>>::value_from(right))
            }
        }
        #[diagnostic::do_not_recommend]
        impl<__T, $($g)*> $crate::query::typed::StoreFrom<$r, __T> for $v {
            fn stored(value: $r) -> $crate::query::typed::Raw {
                $crate::query::typed::Raw::value(<$v as $crate::query::typed::ValueFrom<$r>>::value_from(value))
            }
        }
        #[diagnostic::do_not_recommend]
        impl<__T, $($g)*> $crate::query::typed::StoreFrom<$r, __T> for ::core::option::Option<$v> {
            fn stored(value: $r) -> $crate::query::typed::Raw {
                $crate::query::typed::Raw::value(<$v as $crate::query::typed::ValueFrom<$r>>::value_from(value))
            }
        }
    };
}

/// Lets a newtype of text be compared with `&str`, which need not be a value of it. Nothing is stored from a `&str`: the
/// newtype may have rules for its values.
#[doc(hidden)]
#[macro_export]
macro_rules! __text_operands {
    ($v:ty) => {
        #[diagnostic::do_not_recommend]
        impl $crate::query::typed::ValueFrom<&str> for $v {
            fn value_from(value: &str) -> $crate::Result<$crate::value::Value> {
                <::std::string::String as $crate::query::typed::ValueFrom<&str>>::value_from(value)
            }
        }
        #[diagnostic::do_not_recommend]
        impl $crate::query::typed::SameAs<&str> for $v {
            fn same_as(value: &str) -> $crate::Result<$crate::value::Value> {
                <::std::string::String as $crate::query::typed::ValueFrom<&str>>::value_from(value)
            }
        }
        #[diagnostic::do_not_recommend]
        impl $crate::query::typed::CompareWith<&str> for $v {
            fn operand(right: &str) -> $crate::query::typed::Raw {
                $crate::query::typed::Raw::value(<$v as $crate::query::typed::ValueFrom<&str>>::value_from(right))
            }
        }
    };
}

#[doc(inline)]
pub use crate::__column_operands as column_operands;
#[doc(inline)]
pub use crate::__text_operands as text_operands;

column_operands! { [] String => String, &String }
column_operands! { [] i32 => i32 }
column_operands! { [] i64 => i64 }
column_operands! { [] f64 => f64 }
// A `bool` expression is a condition and projects as one.
column_operands! { @operands [] bool => bool }
column_operands! { [] Vec<u8> => Vec<u8>, &[u8] }
column_operands! { [] Timestamp => Timestamp }
column_operands! { [] Date => Date }
// One by one, so that a scale there is not is one error at the type.
macro_rules! fixed_operands {
    ($($n:literal)*) => { $(column_operands! { [] Fixed<$n> => Fixed<$n> })* };
}
fixed_operands! { 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 }
column_operands! { [] FileRef => FileRef }
column_operands! { [X: Table] Id<X> => Id<X> }

// Numbers and texts that no column takes: operands all the same, so that the comparison and not the operand is
// what the error is about.
macro_rules! foreign_operands {
    ($($t:ty),*) => { $(impl Operand for $t { type With<T> = T; })* };
}
foreign_operands!(&str, &String, &[u8], i8, i16, u8, u16, u32, u64, usize, isize, f32, char);

impl<X> Operand for Option<X> {
    type With<T> = T;
}
impl<X> Operand for Json<X> {
    type With<T> = T;
}
impl<U, V> Operand for Col<U, V> {
    type With<T> = (T, U);
}
impl<V, S> Operand for Expr<V, S> {
    type With<T> = (T, S);
}
// Apart from the impls for columns, so that the list of types in an error stays short.
#[diagnostic::do_not_recommend]
impl<S, V: Scalar> CompareWith<Expr<V, S>> for V {
    fn operand(right: Expr<V, S>) -> Raw {
        right.into_raw()
    }
}
#[diagnostic::do_not_recommend]
impl<S, V: Scalar> CompareWith<Expr<Option<V>, S>> for V {
    fn operand(right: Expr<Option<V>, S>) -> Raw {
        right.into_raw()
    }
}
#[diagnostic::do_not_recommend]
impl<S, V: Scalar> CompareWith<Expr<V, S>> for Option<V> {
    fn operand(right: Expr<V, S>) -> Raw {
        right.into_raw()
    }
}
#[diagnostic::do_not_recommend]
impl<S, V: Scalar> CompareWith<Expr<Option<V>, S>> for Option<V> {
    fn operand(right: Expr<Option<V>, S>) -> Raw {
        right.into_raw()
    }
}
impl<U> Operand for IdCol<U> {
    type With<T> = (T, U);
}

// A nullable column with a column, for every scalar at once: a derive could not write these (orphan rule).
#[diagnostic::do_not_recommend]
impl<U, V: Scalar + Operand> CompareWith<Col<U, V>> for Option<V> {
    fn operand(right: Col<U, V>) -> Raw {
        right.raw()
    }
}
#[diagnostic::do_not_recommend]
impl<U, V: Scalar + Operand> CompareWith<Col<U, Option<V>>> for Option<V> {
    fn operand(right: Col<U, Option<V>>) -> Raw {
        right.raw()
    }
}
// Text, for `String` and the newtypes that want it. Only those of `String` may be stored.
#[diagnostic::do_not_recommend]
impl ValueFrom<&str> for String {
    fn value_from(value: &str) -> Result<Value> {
        value.to_owned().into_value()
    }
}
#[diagnostic::do_not_recommend]
impl SameAs<&str> for String {
    fn same_as(value: &str) -> Result<Value> {
        value.to_owned().into_value()
    }
}
#[diagnostic::do_not_recommend]
impl CompareWith<&str> for String {
    fn operand(right: &str) -> Raw {
        Raw::value(String::value_from(right))
    }
}
#[diagnostic::do_not_recommend]
impl<'a, V: Scalar + ValueFrom<&'a str>> CompareWith<&'a str> for Option<V> {
    fn operand(right: &'a str) -> Raw {
        Raw::value(V::value_from(right))
    }
}
#[diagnostic::do_not_recommend]
impl<T> StoreFrom<&str, T> for String {
    fn stored(value: &str) -> Raw {
        Raw::value(String::value_from(value))
    }
}
#[diagnostic::do_not_recommend]
impl<T> StoreFrom<&str, T> for Option<String> {
    fn stored(value: &str) -> Raw {
        Raw::value(String::value_from(value))
    }
}
#[diagnostic::do_not_recommend]
impl<X: Table> CompareWith<IdCol<X>> for Id<X> {
    fn operand(right: IdCol<X>) -> Raw {
        right.raw()
    }
}
#[diagnostic::do_not_recommend]
impl<X: Table> CompareWith<IdCol<X>> for Option<Id<X>> {
    fn operand(right: IdCol<X>) -> Raw {
        right.raw()
    }
}

#[diagnostic::do_not_recommend]
impl<T, V: Scalar> StoreFrom<Option<V>, T> for Option<V> {
    fn stored(value: Option<V>) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, V: Scalar> StoreFrom<Col<T, V>, T> for Option<V> {
    fn stored(value: Col<T, V>) -> Raw {
        value.raw()
    }
}
#[diagnostic::do_not_recommend]
impl<T, V: Scalar> StoreFrom<Col<T, Option<V>>, T> for Option<V> {
    fn stored(value: Col<T, Option<V>>) -> Raw {
        value.raw()
    }
}
#[diagnostic::do_not_recommend]
impl<T: Table> StoreFrom<IdCol<T>, T> for Id<T> {
    fn stored(value: IdCol<T>) -> Raw {
        value.raw()
    }
}
#[diagnostic::do_not_recommend]
impl<T: Table> StoreFrom<IdCol<T>, T> for Option<Id<T>> {
    fn stored(value: IdCol<T>) -> Raw {
        value.raw()
    }
}
// An expression over the same row.
#[diagnostic::do_not_recommend]
impl<T, S: Only<T>, V: Scalar> StoreFrom<Expr<V, S>, T> for V {
    /// A condition that is unknown is stored as false.
    fn stored(value: Expr<V, S>) -> Raw {
        let raw = value.into_raw();
        if V::KIND == Kind::Bool { raw.or_false() } else { raw }
    }
}
#[diagnostic::do_not_recommend]
impl<T, S: Only<T>, V: Scalar> StoreFrom<Expr<V, S>, T> for Option<V> {
    fn stored(value: Expr<V, S>) -> Raw {
        value.into_raw()
    }
}
#[diagnostic::do_not_recommend]
impl<T, S: Only<T>, V: Scalar> StoreFrom<Expr<Option<V>, S>, T> for Option<V> {
    fn stored(value: Expr<Option<V>, S>) -> Raw {
        value.into_raw()
    }
}
#[diagnostic::do_not_recommend]
impl<X> Assignable for Json<X>
where
    Json<X>: ColumnType,
{
    type Itself = Self;
}
#[diagnostic::do_not_recommend]
impl<T, X> StoreFrom<Json<X>, T> for Json<X>
where
    Json<X>: ColumnType,
{
    fn stored(value: Json<X>) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X> StoreFrom<Json<X>, T> for Option<Json<X>>
where
    Json<X>: Scalar,
{
    fn stored(value: Json<X>) -> Raw {
        Raw::value(value.into_value())
    }
}
#[diagnostic::do_not_recommend]
impl<T, X> StoreFrom<Col<T, Json<X>>, T> for Json<X> {
    fn stored(value: Col<T, Json<X>>) -> Raw {
        value.raw()
    }
}
