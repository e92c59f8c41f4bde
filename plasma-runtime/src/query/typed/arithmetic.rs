//! Calculating with columns: `Line::qty * Line::price`, `User::first + " " + User::last`.
//!
//! What may be combined is said by open traits, so that a type of your own (`Money`) takes part:
//! `#[column(numeric)]` on its derive implements them.
//!
//! A result outside the range of its type, a quotient by zero and a float that is not finite are errors
//! ([`Overflow`](crate::ErrorKind::Overflow)) on every store; NULL on either side is NULL.

use std::ops;

use super::column::Col;
use super::expr::Expr;
use super::expression::Expression;
use super::raw::Raw;
use super::text::{function, function2};
use crate::query::ir::{self, ArithmeticOp, Function};
use crate::schema::{ColumnType, Scalar};
use crate::value::{Fixed, Kind, Timestamp};

macro_rules! operator_trait {
    ($(#[$doc:meta])* $name:ident, $verb:literal, $label:literal) => {
        $(#[$doc])*
        #[diagnostic::on_unimplemented(
            message = $verb,
            label = $label,
            note = "numbers are calculated with numbers of their own type; `i32` and `i64` mix"
        )]
        pub trait $name<R> {
            /// The type of the result.
            type Out: ColumnType;
            /// The result, untyped.
            #[doc(hidden)]
            fn combine(left: Raw, right: Raw) -> Raw;
        }
        // NULL makes the result NULL.
        #[diagnostic::do_not_recommend]
        impl<A, R> $name<R> for Option<A>
        where
            A: Scalar + $name<R, Out: ColumnType<NonNull: Scalar>>,
        {
            type Out = Option<<<A as $name<R>>::Out as ColumnType>::NonNull>;
            fn combine(left: Raw, right: Raw) -> Raw {
                A::combine(left, right)
            }
        }
    };
}
operator_trait! {
    /// `Self + R`: the sum of numbers, two texts one after the other.
    Plus, "cannot add `{R}` to a `{Self}` column", "`+` needs two numbers, or two texts"
}
operator_trait! {
    /// `Self - R`.
    Minus, "cannot subtract `{R}` from a `{Self}` column", "`-` needs two numbers"
}
operator_trait! {
    /// `Self * R`.
    Times, "cannot multiply a `{Self}` column by `{R}`", "`*` needs two numbers"
}
operator_trait! {
    /// `Self / R` and `Self % R`. Of integers the quotient without its fraction.
    Over, "cannot divide a `{Self}` column by `{R}`", "`/` needs two numbers"
}

/// A calculation with the kind of its result.
#[doc(hidden)]
pub fn arithmetic<V: ColumnType>(op: ArithmeticOp, left: Raw, right: Raw) -> Raw {
    let kind = match V::KIND {
        Kind::Int => Kind::Int,
        Kind::Float => Kind::Float,
        _ => Kind::BigInt,
    };
    Raw::made_of([left, right], |[left, right]| {
        let (left, right) = (Box::new(left), Box::new(right));
        ir::Expr::Arithmetic { op, kind, left, right }
    })
}

/// `numeric_operators!([generics] A, B => Out: Plus Add, ..)`: `A` and `B` give `Out`; so do `A` and `Option<B>`, NULL
/// for NULL.
#[doc(hidden)]
#[macro_export]
macro_rules! __numeric_operators {
    ($g:tt $a:ty, $b:ty => $out:ty: $($name:ident $op:ident),+) => {
        $($crate::__numeric_operators! { @one $g $a, $b => $out: $name $op })+
    };
    (@one [$($g:tt)*] $a:ty, $b:ty => $out:ty: $name:ident $op:ident) => {
        impl<$($g)*> $crate::query::typed::$name<$b> for $a
        where
            $out: $crate::schema::Scalar,
        {
            type Out = $out;
            fn combine(
                left: $crate::query::typed::Raw,
                right: $crate::query::typed::Raw,
            ) -> $crate::query::typed::Raw {
                $crate::query::typed::arithmetic::<$out>($crate::query::ir::ArithmeticOp::$op, left, right)
            }
        }
        impl<$($g)*> $crate::query::typed::$name<::core::option::Option<$b>> for $a
        where
            $out: $crate::schema::Scalar,
        {
            type Out = ::core::option::Option<$out>;
            fn combine(
                left: $crate::query::typed::Raw,
                right: $crate::query::typed::Raw,
            ) -> $crate::query::typed::Raw {
                $crate::query::typed::arithmetic::<$out>($crate::query::ir::ArithmeticOp::$op, left, right)
            }
        }
    };
}
#[doc(inline)]
pub use crate::__numeric_operators as numeric_operators;

numeric_operators! { [] i32, i32 => i32: Plus Add, Minus Sub, Times Mul, Over Div }
numeric_operators! { [] i32, i64 => i64: Plus Add, Minus Sub, Times Mul, Over Div }
numeric_operators! { [] i64, i32 => i64: Plus Add, Minus Sub, Times Mul, Over Div }
numeric_operators! { [] i64, i64 => i64: Plus Add, Minus Sub, Times Mul, Over Div }
numeric_operators! { [] f64, f64 => f64: Plus Add, Minus Sub, Times Mul, Over Div }
// A scale is part of the type: a product with a plain number keeps it, one of two decimals would have another.
numeric_operators! { [const N: u8] Fixed<N>, Fixed<N> => Fixed<N>: Plus Add, Minus Sub }
numeric_operators! { [const N: u8] Fixed<N>, i32 => Fixed<N>: Times Mul }
numeric_operators! { [const N: u8] Fixed<N>, i64 => Fixed<N>: Times Mul }
numeric_operators! { [const N: u8] i32, Fixed<N> => Fixed<N>: Times Mul }
numeric_operators! { [const N: u8] i64, Fixed<N> => Fixed<N>: Times Mul }
// Microseconds between two moments.
numeric_operators! { [] Timestamp, Timestamp => i64: Minus Sub }

impl Plus<String> for String {
    type Out = String;
    fn combine(left: Raw, right: Raw) -> Raw {
        function2(Function::Concat, left, right)
    }
}
impl Plus<Option<String>> for String {
    type Out = Option<String>;
    fn combine(left: Raw, right: Raw) -> Raw {
        function2(Function::Concat, left, right)
    }
}

macro_rules! operators {
    ([$($g:ident),*] $on:ty, $a:ident, $tables:ty) => {
        operators! { @op [$($g),*] $on, $a, $tables, Add add Plus }
        operators! { @op [$($g),*] $on, $a, $tables, Sub sub Minus }
        operators! { @op [$($g),*] $on, $a, $tables, Mul mul Times }
        operators! { @op [$($g),*] $on, $a, $tables, Div div Over }
        impl<$($g,)* R: Expression> ops::Rem<R> for $on
        where
            $a: ColumnType + Over<R::Value>,
        {
            type Output = Expr<<$a as Over<R::Value>>::Out, ($tables, R::Tables)>;
            /// The rest of a division of integers, with the sign of the left side.
            fn rem(self, right: R) -> Self::Output {
                Expr::new(remainder($a::combine(self.raw(), right.into_raw())))
            }
        }
        impl<$($g),*> ops::Neg for $on
        where
            $a: Minus<$a, Out = $a> + ColumnType,
        {
            type Output = Expr<$a, $tables>;
            fn neg(self) -> Self::Output {
                Expr::new(negated::<$a>(self.raw()))
            }
        }
    };
    (@op [$($g:ident),*] $on:ty, $a:ident, $tables:ty, $op:ident $method:ident $name:ident) => {
        impl<$($g,)* R: Expression> ops::$op<R> for $on
        where
            $a: ColumnType + $name<R::Value>,
        {
            type Output = Expr<<$a as $name<R::Value>>::Out, ($tables, R::Tables)>;
            fn $method(self, right: R) -> Self::Output {
                Expr::new($a::combine(self.raw(), right.into_raw()))
            }
        }
    };
}
operators! { [T, A] Col<T, A>, A, T }
operators! { [A, S] Expr<A, S>, A, S }

/// A quotient as the rest of the same division. Of floats there is none.
fn remainder(mut quotient: Raw) -> Raw {
    match &mut quotient.ir {
        ir::Expr::Arithmetic { kind: Kind::Float, .. } => Raw::fault("`%` is for integers: a float has no rest"),
        ir::Expr::Arithmetic { op, .. } => {
            *op = ArithmeticOp::Rem;
            quotient
        }
        _ => quotient,
    }
}

/// `-x` as `0 - x`, which has the overflow of its kind.
fn negated<V: ColumnType>(raw: Raw) -> Raw {
    if V::KIND == Kind::Float {
        return function(Function::Negate, raw);
    }
    arithmetic::<V>(ArithmeticOp::Sub, Raw::new(ir::Expr::Literal(crate::value::Value::Int(0))), raw)
}

/// A number on the left side: `2 * Line::qty`.
macro_rules! left_values {
    ($($v:ty),+) => {$(
        left_values! { @op $v, Add add Plus, Sub sub Minus, Mul mul Times, Div div Over }
    )+};
    (@op $v:ty, $($op:ident $method:ident $name:ident),+) => {$(
        impl<T, A: ColumnType> ops::$op<Col<T, A>> for $v
        where
            $v: $name<A>,
        {
            type Output = Expr<<$v as $name<A>>::Out, T>;
            fn $method(self, right: Col<T, A>) -> Self::Output {
                Expr::new(<$v as $name<A>>::combine(Raw::value(self.into_value()), right.raw()))
            }
        }
        impl<A: ColumnType, S> ops::$op<Expr<A, S>> for $v
        where
            $v: $name<A>,
        {
            type Output = Expr<<$v as $name<A>>::Out, S>;
            fn $method(self, right: Expr<A, S>) -> Self::Output {
                Expr::new(<$v as $name<A>>::combine(Raw::value(self.into_value()), right.raw()))
            }
        }
    )+};
}
left_values!(i32, i64, f64);
