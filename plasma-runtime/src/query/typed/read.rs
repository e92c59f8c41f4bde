//! Reads, once for everybody: a [`Read`] is the untyped query to run and what to make of its rows. `Tx`, the client
//! handle and `ServerDb` differ only in who runs it.

use std::fmt;

use super::any::counting;
use super::column::IdCol;
pub use super::page::page;
use super::select::{Query, Select};
use crate::error::{Error, ErrorKind, Result};
use crate::query::ir;
use crate::schema::{Id, SchemaDef, Table, TableDef};
use crate::value::{Row, Timestamp, Value};

/// What becomes of the rows of an answer.
type Finish<R> = Box<dyn FnOnce(Vec<Row>) -> Result<R> + Send>;

/// A query to run, and what its rows mean.
pub struct Read<R> {
    query: ir::Query,
    finish: Finish<R>,
}

impl<R> fmt::Debug for Read<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("query", &self.query).finish_non_exhaustive()
    }
}

impl<R> Read<R> {
    pub(super) fn new(query: ir::Query, finish: impl FnOnce(Vec<Row>) -> Result<R> + Send + 'static) -> Self {
        Read { query, finish: Box::new(finish) }
    }

    /// The same read inside a mutation: `now()` is its time.
    pub(crate) fn at(mut self, now: Timestamp) -> Self {
        self.query.fill_in_now(now);
        self
    }

    /// The query to run.
    pub fn query(&self) -> &ir::Query {
        &self.query
    }

    /// Makes the answer of the rows.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when a row does not hold what was asked for, and those of the read:
    /// [`NotFound`](ErrorKind::NotFound) and [`Conflict`](ErrorKind::Conflict) of [`need`] and [`one`].
    pub fn finish(self, rows: Vec<Row>) -> Result<R> {
        (self.finish)(rows)
    }

    /// Checks that every table the query reads, in sub-queries too, is part of the schema.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config), naming the table and the schema.
    pub fn check(&self, schema: &SchemaDef) -> Result<()> {
        check_tables(schema, &self.query)
    }
}

/// Checks that every table the query reads, in sub-queries too, is part of the schema, and that the query has every
/// column it mentions: those of [`col_ref`](super::col_ref) are in no type.
///
/// # Errors
/// [`Config`](ErrorKind::Config), naming the table and the schema; [`Validation`](ErrorKind::Validation), naming the
/// column and what there is.
pub fn check_tables(schema: &SchemaDef, query: &ir::Query) -> Result<()> {
    super::names::check(query)?;
    listed(schema, query)
}

/// [`check_tables`] of a condition on rows of `table`.
///
/// # Errors
/// As [`check_tables`].
pub fn check_condition(schema: &SchemaDef, table: &'static TableDef, condition: &ir::Expr) -> Result<()> {
    super::names::check_condition(table, condition)?;
    let mut result = Ok(());
    condition.queries(&mut |query| {
        if result.is_ok() {
            result = listed(schema, query);
        }
    });
    result
}

fn listed(schema: &SchemaDef, query: &ir::Query) -> Result<()> {
    match query.tables().iter().find(|table| schema.table(table.name).is_none()) {
        None => Ok(()),
        Some(table) => Err(Error::new(
            ErrorKind::Config,
            format!("table `{}` is not part of schema `{}`: list it in `tables(..)`", table.name, schema.name),
        )),
    }
}

/// All rows.
///
/// # Errors
/// Those of [`Query::ir`].
pub fn all<Q: Query>(query: Q) -> Result<Read<Vec<Q::Row>>> {
    let ir = query.ir()?.clone();
    Ok(Read::new(ir, move |rows| rows.into_iter().map(|row| query.decode(row)).collect()))
}

/// The first row.
///
/// # Errors
/// Those of [`Query::ir`].
pub fn first<Q: Query>(query: Q) -> Result<Read<Option<Q::Row>>> {
    let ir = limited(query.ir()?, 1);
    Ok(Read::new(ir, move |rows| rows.into_iter().next().map(|row| query.decode(row)).transpose()))
}

/// The only row: the read fails with [`NotFound`](ErrorKind::NotFound) when there is none and with
/// [`Conflict`](ErrorKind::Conflict) when there are more.
///
/// # Errors
/// Those of [`Query::ir`].
pub fn one<Q: Query>(query: Q) -> Result<Read<Q::Row>> {
    let ir = limited(query.ir()?, 2);
    let table = ir.from.name;
    Ok(Read::new(ir, move |rows| {
        let mut rows = rows.into_iter();
        match (rows.next(), rows.next()) {
            (Some(row), None) => query.decode(row),
            (None, _) => Err(Error::not_found(format!("no row of `{table}` matches"))),
            (Some(_), Some(_)) => Err(Error::conflict(format!("more than one row of `{table}` matches"))),
        }
    }))
}

/// How many rows there are. Minds `limit` and `offset`.
///
/// # Errors
/// Those of [`Query::ir`].
pub fn count<Q: Query>(query: Q) -> Result<Read<u64>> {
    let (ir, shape) = counting(query.ir()?.clone());
    Ok(Read::new(ir, move |rows| shape.read(rows.first().map_or(&[], Vec::as_slice))))
}

/// Whether there is a row.
///
/// # Errors
/// Those of [`Query::ir`].
pub fn exists<Q: Query>(query: Q) -> Result<Read<bool>> {
    let mut ir = limited(query.ir()?, 1);
    ir.order.clear();
    ir.nested.clear();
    // Any one value will do, where the values do not decide which rows there are.
    let free = ir.group.is_none() && !ir.distinct && ir.select != ir::Select::Count;
    if let (true, Some(value)) = (free, ir.identity().into_iter().next()) {
        ir.select = ir::Select::Exprs(vec![value]);
    }
    Ok(Read::new(ir, |rows| Ok(!rows.is_empty())))
}

/// The row with this id.
pub fn get<T: Table>(id: Id<T>) -> Read<Option<T>> {
    let query = Select::<T>::table();
    Read::new(by_id(id), move |rows| rows.into_iter().next().map(|row| query.decode(row)).transpose())
}

/// The row with this id, or [`NotFound`](ErrorKind::NotFound).
pub fn need<T: Table>(id: Id<T>) -> Read<T> {
    let query = Select::<T>::table();
    Read::new(by_id(id), move |rows| match rows.into_iter().next() {
        Some(row) => query.decode(row),
        None => Err(Error::not_found(format!("`{}` has no row with the id {id}", T::NAME))),
    })
}

/// The query for the row with this id.
fn by_id<T: Table>(id: Id<T>) -> ir::Query {
    let column = IdCol::<T>::new_unchecked(T::NAME, T::DEF.columns[T::DEF.id].name);
    ir::Query::all(T::DEF).filter(ir::Expr::eq(column.raw().ir, ir::Expr::Literal(Value::Text(id.to_string()))))
}

/// The query for at most so many rows. A number of rows is one row, whose limit is about what it counts.
fn limited(query: &ir::Query, rows: u64) -> ir::Query {
    let mut query = query.clone();
    if query.select == ir::Select::Count {
        return query;
    }
    query.limit = Some(query.limit.map_or(rows, |limit| limit.min(rows)));
    query
}
