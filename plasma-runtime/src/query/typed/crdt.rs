//! CRDT columns in queries: values of counters and registers, elements of sets.

use super::column::Col;
use super::expr::Expr;
use super::raw::{self, Raw};
use super::text::{Textual, function};
#[cfg(feature = "text")]
use crate::crdt::Text;
use crate::crdt::{ElementFrom, GCounter, Lww, OrSet, PnCounter, SetElement};
use crate::query::ir::{self, Function};
use crate::schema::{ColumnType, Scalar};
use crate::value::Kind;

/// Columns with a capability: they hold parts of type `R`, as a text holds texts and a set its elements.
#[diagnostic::on_unimplemented(
    message = "a column of type `{Self}` does not contain a `{R}`",
    label = "needs a text and a text, or an `OrSet` and an element"
)]
pub trait Contains<R>: ColumnType {
    /// Whether it is in there, untyped.
    #[doc(hidden)]
    fn contained(whole: Raw, part: R) -> Raw;
}

impl<V: Textual, R: AsRef<str>> Contains<R> for V {
    fn contained(whole: Raw, part: R) -> Raw {
        raw::like(whole, format!("%{}%", raw::escape_like(part.as_ref())))
    }
}

#[diagnostic::do_not_recommend]
impl<E: ElementFrom<R>, R> Contains<R> for OrSet<E> {
    fn contained(whole: Raw, part: R) -> Raw {
        match E::element(part) {
            Ok(element) => whole.wrap(|set| ir::Expr::Has { set: Box::new(set), element }),
            Err(error) => Raw::fault(error.message()),
        }
    }
}

/// The value of a state of type `V`.
fn value<V: ColumnType>(state: Raw) -> Raw {
    match V::KIND {
        Kind::Crdt(kind) => function(Function::ValueOf(kind), state),
        _ => Raw::fault("not a CRDT"),
    }
}

macro_rules! crdt {
    ($on:ident<$($p:ident),*>) => {
        crdt! { @value [] $on<$($p),*>, GCounter, i64, "What all have counted together." }
        crdt! { @value [] $on<$($p),*>, PnCounter, i64, "Ups less downs." }
        crdt! { @value [X: Scalar] $on<$($p),*>, Lww<X>, X, "The value of the register." }
        #[cfg(feature = "text")]
        crdt! { @value [] $on<$($p),*>, Text, String, "The text as it reads." }
        crdt! { @set $on<$($p),*> }
    };
    (@value [$($g:tt)*] Col<T, V>, $v:ty, $out:ty, $doc:literal) => {
        crdt! { @value_of [$($g)*] Col<T, $v>, $v, $out, $doc }
    };
    (@value [$($g:tt)*] Expr<V, T>, $v:ty, $out:ty, $doc:literal) => {
        crdt! { @value_of [$($g)*] Expr<$v, T>, $v, $out, $doc }
    };
    (@value_of [$($g:tt)*] $on:ty, $v:ty, $out:ty, $doc:literal) => {
        impl<T, $($g)*> $on {
            #[doc = $doc]
            /// With every operator, order and aggregate of its type.
            pub fn value(self) -> Expr<$out, T> {
                Expr::new(value::<$v>(self.raw()))
            }
        }
    };
    (@set Col<T, V>) => { crdt! { @set_of Col<T, OrSet<X>> } };
    (@set Expr<V, T>) => { crdt! { @set_of Expr<OrSet<X>, T> } };
    (@set_of $on:ty) => {
        impl<T, X: SetElement> $on {
            /// Whether the set has the element: [`contains`](Self::contains).
            pub fn has<R>(self, element: R) -> Expr<bool, T>
            where
                X: ElementFrom<R>,
            {
                self.contains(element)
            }

            /// How many elements the set has.
            pub fn len(self) -> Expr<i64, T> {
                Expr::new(value::<OrSet<X>>(self.raw()))
            }

            /// Whether the set has no element.
            pub fn is_empty(self) -> Expr<bool, T> {
                self.len().eq(0)
            }
        }
    };
}
crdt!(Col<T, V>);
crdt!(Expr<V, T>);
