//! Raw SQL, on the server only: `db.sql(sql::<(String, i64)>("SELECT title, points FROM todos WHERE done = ?", (true,)))`.
//!
//! It goes to the database as it is written, sees every table and obeys no policy, so it exists where there is none to
//! obey: on [`ServerDb`](crate::server::ServerDb) and on the trusted transaction of a mutator. It only reads: a statement
//! that writes would reach neither the rules nor, on every database, the change log.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crate::error::Result;
use crate::query::typed::Fault;
use crate::schema::{ColumnType, RowReader};
use crate::value::{Kind, Row, Value};

/// A statement that reads, with its parameters and the types of its columns.
pub struct Sql<R> {
    text: Cow<'static, str>,
    params: Result<Vec<Value>, Fault>,
    types: PhantomData<fn() -> R>,
}

/// A query as the database reads it: `?` stands for a parameter, in order.
///
/// `R` says what the columns are: one column type, or a tuple of them. The parameters are a tuple of values (`()` for
/// none), or a `Vec<Value>`.
///
/// ```
/// use plasma_runtime::query::sql::sql;
/// let busy = sql::<(String, i64)>("SELECT owner, count(*) FROM todos WHERE done = ? GROUP BY owner", (false,));
/// let newest = sql::<String>("SELECT max(title) FROM todos", ());
/// # let _ = (busy, newest);
/// ```
pub fn sql<R: SqlRow>(text: impl Into<Cow<'static, str>>, params: impl SqlParams) -> Sql<R> {
    let mut values = Vec::new();
    let params = match params.push(&mut values) {
        Ok(()) => Ok(values),
        Err(error) => Err(Fault::new(error.message())),
    };
    Sql { text: text.into(), params, types: PhantomData }
}

impl<R> Clone for Sql<R> {
    fn clone(&self) -> Self {
        Sql { text: self.text.clone(), params: self.params.clone(), types: PhantomData }
    }
}
impl<R> fmt::Debug for Sql<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").field("text", &self.text).field("params", &self.params).finish()
    }
}

/// What a connection is asked, and what becomes of its answer.
pub(crate) struct Bound<R> {
    pub(crate) text: Cow<'static, str>,
    pub(crate) params: Vec<Value>,
    pub(crate) kinds: Vec<Kind>,
    types: PhantomData<fn() -> R>,
}

impl<R: SqlRow> Sql<R> {
    /// The statement, ready to be run.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when a parameter cannot be stored in any column.
    pub(crate) fn bound(self) -> Result<Bound<R>> {
        let params = self.params.map_err(|fault| fault.error())?;
        let mut kinds = Vec::new();
        R::kinds(&mut kinds);
        Ok(Bound { text: self.text, params, kinds, types: PhantomData })
    }
}

impl<R: SqlRow> Bound<R> {
    /// The rows as their type.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when a row does not hold what the types say.
    pub(crate) fn finish(self, rows: Vec<Row>) -> Result<Vec<R>> {
        rows.into_iter().map(|row| R::read(&mut RowReader::new(row))).collect()
    }
}

/// The row of a raw query: a column type, or a tuple of column types (to 12).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a row of raw SQL",
    label = "expected a column type, or a tuple of column types",
    note = "name the type of each result column, in order: `plasma::sql::<(String, i64)>(..)`"
)]
pub trait SqlRow: Sized + Send + 'static {
    /// Appends the kind of each column.
    #[doc(hidden)]
    fn kinds(into: &mut Vec<Kind>);
    /// Reads the columns, in order.
    ///
    /// # Errors
    /// [`Storage`](crate::ErrorKind::Storage) when one holds something else.
    #[doc(hidden)]
    fn read(reader: &mut RowReader) -> Result<Self>;
}

impl<V: ColumnType + Send> SqlRow for V {
    fn kinds(into: &mut Vec<Kind>) {
        into.push(V::KIND);
    }
    fn read(reader: &mut RowReader) -> Result<V> {
        reader.read()
    }
}

/// A parameter of a raw query: a value of a column type, or text by reference.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of raw SQL",
    label = "expected a value that a column can hold"
)]
pub trait SqlParam {
    /// The value.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when no column can hold it.
    #[doc(hidden)]
    fn value(self) -> Result<Value>;
}

impl<V: ColumnType> SqlParam for V {
    fn value(self) -> Result<Value> {
        self.into_value()
    }
}
#[diagnostic::do_not_recommend]
impl SqlParam for &str {
    fn value(self) -> Result<Value> {
        self.to_owned().into_value()
    }
}

/// The parameters of a raw query: a tuple of [`SqlParam`]s (to 12), `()`, or a `Vec<Value>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no list of parameters",
    label = "expected a tuple",
    note = "one parameter is a tuple too: `(value,)`; none is `()`"
)]
pub trait SqlParams {
    /// Appends the values, in order.
    ///
    /// # Errors
    /// The first one's that no column can hold.
    #[doc(hidden)]
    fn push(self, into: &mut Vec<Value>) -> Result<()>;
}

impl SqlParams for () {
    fn push(self, _: &mut Vec<Value>) -> Result<()> {
        Ok(())
    }
}
impl SqlParams for Vec<Value> {
    fn push(self, into: &mut Vec<Value>) -> Result<()> {
        into.extend(self);
        Ok(())
    }
}

macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<$first: ColumnType + Send, $($rest: ColumnType + Send),*> SqlRow for ($first, $($rest,)*) {
            fn kinds(into: &mut Vec<Kind>) {
                into.extend([$first::KIND, $($rest::KIND),*]);
            }
            fn read(reader: &mut RowReader) -> Result<Self> {
                Ok((reader.read::<$first>()?, $(reader.read::<$rest>()?,)*))
            }
        }
        impl<$first: SqlParam, $($rest: SqlParam),*> SqlParams for ($first, $($rest,)*) {
            #[allow(non_snake_case)]
            fn push(self, into: &mut Vec<Value>) -> Result<()> {
                let ($first, $($rest,)*) = self;
                into.push($first.value()?);
                $(into.push($rest.value()?);)*
                Ok(())
            }
        }
        tuples! { $($rest)* }
    };
    () => {};
}
tuples! { A B C D E F G H J K L M }
