//! Conditions about other rows.
//!
//! Columns of the representation are relative: level 0 is the query an expression stands in, 1 the query around it.
//! `has` and `any` write the level themselves, so they work on a table that refers to itself, at any depth. A general
//! sub-query mentions the outer table by its type only; [`exists`] and `in_query` find those columns by the table's
//! name and raise their level ([`raise`]).

use super::column::{Col, IdCol};
use super::condition::Predicate;
use super::expr::Expr;
use super::raw::{Fault, Raw};
use super::scope::{Correlation, Root};
use super::select::Select;
use crate::query::ir::{self, ColumnRef};
use crate::schema::{ColumnType, Id, Scalar, Table};

/// A condition on some row of `inner` whose `inner_column` equals `outer_column` of the row the condition stands at.
fn linked(
    inner: &'static crate::schema::TableDef,
    inner_column: &'static str,
    outer: &'static str,
    outer_column: &'static str,
    condition: Option<Raw>,
) -> Raw {
    let link = ir::Expr::eq(
        ir::Expr::column(inner.name, inner_column),
        ir::Expr::Column(ColumnRef { level: 1, table: outer, column: outer_column }),
    );
    let filter = Raw::new(link).and(condition.unwrap_or_else(Raw::all));
    let fault = filter.fault;
    Raw::of_query(ir::Query::all(inner).filter(filter.ir), fault, ir::Expr::Exists)
}

/// SQL name of the column `id` of a table.
fn id_name<T: Table>() -> &'static str {
    T::DEF.columns[T::DEF.id].name
}

macro_rules! foreign_key {
    ($v:ty) => {
        impl<T, P: Table> Col<T, $v> {
            /// The row this column refers to satisfies the condition. False when it refers to no row.
            pub fn has<C: Predicate<Root<P>, I>, I>(self, condition: C) -> Expr<bool, T> {
                Expr::new(linked(P::DEF, id_name::<P>(), self.source_name(), self.name(), condition.into_raw()))
            }

            /// Seen from the row referred to: some row refers to it by this column and satisfies the condition.
            /// `not(..)` of it is "no row does".
            pub fn any<C: Predicate<Root<T>, I>, I>(self, condition: C) -> Expr<bool, P>
            where
                T: Table,
            {
                Expr::new(linked(T::DEF, self.name(), P::NAME, id_name::<P>(), condition.into_raw()))
            }
        }
    };
}
foreign_key!(Id<P>);
foreign_key!(Option<Id<P>>);

/// A sub-query whose values can be compared with a column of type `V`.
#[diagnostic::on_unimplemented(
    message = "the subquery yields `{Self}`, the column is `{V}`",
    label = "yields `{Self}`",
    note = "project one column of the same type: `.project(Table::column)`"
)]
pub trait SameKey<V> {}
impl<V: ColumnType> SameKey<V> for V {}
impl<V: Scalar> SameKey<Option<V>> for V {}
impl<V: Scalar> SameKey<V> for Option<V> {}

impl<T, V: ColumnType> Col<T, V> {
    /// Whether the value is among those of the sub-query, which projects one column of the same type. Never true for
    /// NULL.
    pub fn in_query<O: SameKey<V>, Sc: Correlation>(self, query: Select<O, Sc>) -> Expr<bool, (T, Sc::Outer)> {
        Expr::new(in_query(self.raw(), resolve(query)))
    }
}

impl<T: Table> IdCol<T> {
    /// Whether the id is among those of the sub-query, which projects one column of the same type.
    pub fn in_query<O: SameKey<Id<T>>, Sc: Correlation>(self, query: Select<O, Sc>) -> Expr<bool, (T, Sc::Outer)> {
        Expr::new(in_query(self.raw(), resolve(query)))
    }
}

fn in_query(column: Raw, (query, fault): (ir::Query, Option<Fault>)) -> Raw {
    Raw::of_query(query, column.fault.or(fault), |query| ir::Expr::InQuery { expr: Box::new(column.ir), query })
}

/// Whether the sub-query has a row. Its conditions may mention the tables it is
/// [correlated](Select::correlate) with.
pub fn exists<Out, Sc: Correlation>(query: Select<Out, Sc>) -> Expr<bool, Sc::Outer> {
    let (query, fault) = resolve(query);
    Expr::new(Raw::of_query(query, fault, ir::Expr::Exists))
}

/// A row of one value.
#[diagnostic::on_unimplemented(
    message = "a scalar sub-query yields one value, this one yields `{Self}`",
    label = "expected a query with one projected column, or one aggregate"
)]
pub trait Single {
    /// The value's type without its `Option`.
    type Value;
}
#[diagnostic::do_not_recommend]
impl<V: ColumnType> Single for V {
    type Value = V::NonNull;
}

/// The value of the sub-query's first row, which projects one column or aggregate; NULL when it has no row. Its
/// conditions may mention the tables it is [correlated](Select::correlate) with.
pub fn scalar<O: Single<Value = V>, V, Sc: Correlation>(query: Select<O, Sc>) -> Expr<Option<V>, Sc::Outer> {
    let (query, fault) = resolve(query);
    Expr::new(Raw::of_query(query, fault, ir::Expr::Scalar))
}

/// The untyped sub-query, its outer columns at their level.
fn resolve<Out, Sc: Correlation>(query: Select<Out, Sc>) -> (ir::Query, Option<Fault>) {
    let mut outer = Vec::new();
    Sc::outer_names(&mut outer);
    let (mut query, mut fault) = query.into_parts();
    if let Some(twice) = query.sources().find(|source| outer.contains(&source.name)) {
        let message = format!("`{}` is a source of the sub-query and of the query around it: use an alias", twice.name);
        fault = fault.or_else(|| Some(Fault::new(&message)));
    }
    if !outer.is_empty() {
        raise(&mut query, &outer, 0);
    }
    (query, fault)
}

/// Moves the columns that mean a table of `outer` one query further out.
///
/// `depth` is the number of sub-queries between the query being resolved and `query`: a column means the scope of the
/// query being resolved when its level is just that. The own table of that query is never in `outer`.
fn raise(query: &mut ir::Query, outer: &[&'static str], depth: u8) {
    query.parts_mut(&mut |part| raise_part(part, outer, depth));
}

fn raise_part(part: ir::PartMut<'_>, outer: &[&'static str], depth: u8) {
    match part {
        ir::PartMut::Expr(ir::Expr::Column(column)) => {
            if column.level == depth && outer.contains(&column.table) {
                column.level = column.level.saturating_add(1);
            }
        }
        ir::PartMut::Expr(expr) => expr.parts_mut(&mut |part| raise_part(part, outer, depth)),
        ir::PartMut::Query { query, correlated: true } => raise(query, outer, depth.saturating_add(1)),
        ir::PartMut::Query { correlated: false, .. } => {}
    }
}
