//! Newtypes that are calculated with: what `#[column(numeric)]` emits.

/// `numeric_newtype!(Money, Fixed<2>)`: sums and differences of the newtype, its product with and quotient by a plain
/// number. Each exists exactly when the field has it: the bounds are kept open by `for<'__plasma>`, because the compiler
/// refuses a false bound it can decide at once.
///
/// A plain number times a nullable newtype is missing, as the orphan rule wants it: write the column first.
#[doc(hidden)]
#[macro_export]
macro_rules! __numeric_newtype {
    ($v:ty, $inner:ty) => {
        $crate::__numeric_newtype! { @right $v, $inner, $v, $inner, Plus Add }
        $crate::__numeric_newtype! { @right $v, $inner, $v, $inner, Minus Sub }
        $crate::__numeric_newtype! { @plain $v, $inner, i32 }
        $crate::__numeric_newtype! { @plain $v, $inner, i64 }
        $crate::__numeric_newtype! { @plain $v, $inner, f64 }
        #[automatically_derived]
        impl $crate::query::typed::Numeric for $v
        where
            for<'__plasma> $inner: $crate::query::typed::Numeric,
        {
            type Sum = $v;
        }
    };
    (@plain $v:ty, $inner:ty, $number:ty) => {
        $crate::__numeric_newtype! { @right $v, $inner, $number, $number, Times Mul }
        $crate::__numeric_newtype! { @right $v, $inner, $number, $number, Over Div }
        $crate::__numeric_newtype! { @one $number, $number, $v, $inner, $v, Times Mul }
    };
    (@right $v:ty, $inner:ty, $r:ty, $r_inner:ty, $name:ident $op:ident) => {
        $crate::__numeric_newtype! { @one $v, $inner, $r, $r_inner, $v, $name $op }
        $crate::__numeric_newtype! {
            @one $v, $inner, ::core::option::Option<$r>, $r_inner, ::core::option::Option<$v>, $name $op
        }
    };
    (@one $l:ty, $l_inner:ty, $r:ty, $r_inner:ty, $out:ty, $name:ident $op:ident) => {
        #[automatically_derived]
        impl $crate::query::typed::$name<$r> for $l
        where
            for<'__plasma> $l_inner: $crate::query::typed::$name<$r_inner>,
        {
            type Out = $out;
            fn combine(left: $crate::query::typed::Raw, right: $crate::query::typed::Raw) -> $crate::query::typed::Raw {
                $crate::query::typed::arithmetic::<$out>($crate::query::ir::ArithmeticOp::$op, left, right)
            }
        }
    };
}

#[doc(inline)]
pub use crate::__numeric_newtype as numeric_newtype;
