//! Structs that hold values of a query's rows: `#[derive(plasma::Projection)]`.

use std::marker::PhantomData;

use super::expression::Expression;
use super::raw::Raw;
use super::row::{Cells, Decoder};
use super::scope::{Projected, RowScope};
use super::select::{Select, take_faults};
use super::within::{MaybeNull, NotNull};
use crate::error::Result;
use crate::query::ir;
use crate::schema::{ColumnType, RowReader, Scalar};

/// A struct with `#[derive(plasma::Projection)]`, in a query whose scope `Sc` has its tables.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projected struct",
    label = "expected a struct with `#[derive(plasma::Projection)]`",
    note = "for another struct write `.project((..)).map(|(..)| ..)`"
)]
pub trait Shape<Sc, I>: Sized + 'static {
    /// Adds the columns of the fields, in order.
    #[doc(hidden)]
    fn push(into: &mut Vec<Raw>);
    /// Reads the fields, in order.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when the row holds something else.
    #[doc(hidden)]
    fn read(reader: &mut RowReader) -> Result<Self>;
}

/// A column of a table that is (or is not) joined from the left can fill a field of type `F`.
#[diagnostic::on_unimplemented(
    message = "a field of type `{F}` cannot hold a column of a left-joined table",
    label = "make the field an `Option`"
)]
pub trait Fills<F> {}
impl<F> Fills<F> for NotNull {}
impl<F> Fills<Option<F>> for MaybeNull {}

/// A field of type `Self` can hold a column of type `V`.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot hold a column of type `{V}`",
    label = "expected `{V}`, or `Option<{V}>`"
)]
pub trait FillFrom<V> {}
impl<V: ColumnType> FillFrom<V> for V {}
impl<V: Scalar> FillFrom<V> for Option<V> {}

/// A column that a field is read from. That its type is known before the field is asked keeps the error at the field.
#[doc(hidden)]
#[derive(Debug)]
pub struct FieldSource<V> {
    raw: Raw,
    types: PhantomData<fn() -> V>,
}

/// The column that a field is read from.
#[doc(hidden)]
pub fn field_source<E: Expression>(column: E) -> FieldSource<E::Value> {
    FieldSource { raw: column.into_raw(), types: PhantomData }
}

impl<V> FieldSource<V> {
    /// Adds the column of a field of type `F`.
    pub fn push<F: FillFrom<V>>(self, into: &mut Vec<Raw>) {
        into.push(self.raw);
    }
}

fn decode_shape<P: Shape<Sc, I>, Sc, I>(cells: &mut Cells) -> Result<P> {
    P::read(&mut cells.values)
}

impl<Out, Sc> Select<Out, Sc> {
    /// Returns structs with `#[derive(plasma::Projection)]`, which say themselves which columns they hold:
    /// `let cards: Vec<Card> = tx.all(query.project_as()).await?`, or `query.project_as::<Card, _>()`.
    pub fn project_as<P, I>(self) -> Select<P, Projected<Sc>>
    where
        Sc: RowScope,
        P: Shape<Sc::Itself, I>,
    {
        let mut raws = Vec::new();
        P::push(&mut raws);
        let (exprs, fault) = take_faults(raws, self.fault);
        let mut ir = self.ir;
        ir.select = ir::Select::Exprs(exprs);
        Select::new(ir, fault, Decoder::Plain(decode_shape::<P, Sc::Itself, I>))
    }
}
