//! Rows of several sources, and how a row of values becomes one.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::schema::{RowReader, Table};
use crate::value::{Row, Value};

/// Rows that can get one more element.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no place for one more element",
    label = "a row has at most 12 elements, and one value alone is not a row",
    note = "project a tuple first: `.project((Table::column, ..))`, or `(row::<Table>(),)`"
)]
pub trait Push<B> {
    /// The longer row.
    type Out: 'static;
    /// Adds the element.
    fn push(self, last: B) -> Self::Out;
}
impl<A: Table, B: 'static> Push<B> for A {
    type Out = (A, B);
    fn push(self, last: B) -> (A, B) {
        (self, last)
    }
}
impl<A: 'static, B: 'static> Push<B> for Option<A> {
    type Out = (Option<A>, B);
    fn push(self, last: B) -> (Option<A>, B) {
        (self, last)
    }
}
macro_rules! push {
    ($($a:ident)+) => {
        impl<$($a: 'static,)+ Last: 'static> Push<Last> for ($($a,)+) {
            type Out = ($($a,)+ Last);
            #[allow(non_snake_case)]
            fn push(self, last: Last) -> Self::Out {
                let ($($a,)+) = self;
                ($($a,)+ last)
            }
        }
    };
}
push!(A);
push!(A B);
push!(A B C);
push!(A B C D);
push!(A B C D E);
push!(A B C D E F);
push!(A B C D E F G);
push!(A B C D E F G H);
push!(A B C D E F G H J);
push!(A B C D E F G H J K);
push!(A B C D E F G H J K L);

/// The values of an answer's row: those selected, and behind them the related rows.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) values: RowReader,
    related: std::vec::IntoIter<Value>,
}

impl Cells {
    /// A row of which the last `related` values are related rows.
    pub(super) fn new(mut row: Row, related: usize) -> Result<Self> {
        let Some(at) = row.len().checked_sub(related) else {
            return Err(Error::new(ErrorKind::Storage, "the row has fewer values than the query asks for"));
        };
        let related = row.split_off(at).into_iter();
        Ok(Cells { values: RowReader::new(row), related })
    }

    /// The next related rows.
    pub(super) fn related(&mut self) -> Result<Vec<Row>> {
        match self.related.next() {
            Some(Value::Rows(rows)) => Ok(rows),
            other => Err(Error::new(ErrorKind::Storage, format!("expected related rows, found {other:?}"))),
        }
    }
}

/// A closure that makes an `R` of the values of a row.
type Map<R> = dyn Fn(&mut Cells) -> Result<R> + Send + Sync;

/// How the values of a row become an `R`.
pub(super) enum Decoder<R> {
    Plain(fn(&mut Cells) -> Result<R>),
    Mapped(Arc<Map<R>>),
}

impl<R> Decoder<R> {
    pub(super) fn mapped(decode: impl Fn(&mut Cells) -> Result<R> + Send + Sync + 'static) -> Self {
        Decoder::Mapped(Arc::new(decode))
    }

    pub(super) fn decode(&self, cells: &mut Cells) -> Result<R> {
        match self {
            Decoder::Plain(decode) => decode(cells),
            Decoder::Mapped(decode) => decode(cells),
        }
    }
}

impl<R> Clone for Decoder<R> {
    fn clone(&self) -> Self {
        match self {
            Decoder::Plain(decode) => Decoder::Plain(*decode),
            Decoder::Mapped(decode) => Decoder::Mapped(decode.clone()),
        }
    }
}
