//! Rust structs that are tables.

use super::{ColumnType, Definition, Id, SchemaDef, TableDef};
use crate::error::{Error, ErrorKind, Result};
use crate::mutate::New;
use crate::query::typed::{Changes, On, Select};
use crate::value::{Row, Value};

/// A struct that is a table. Implemented by `#[plasma::table]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a plasma table",
    label = "not a table",
    note = "annotate the struct with `#[plasma::table]`"
)]
pub trait Table: Sized + 'static {
    /// The struct that holds the required columns of a new row.
    type New: 'static;
    /// SQL name.
    const NAME: &'static str;
    /// Columns and field moves. All column types are mentioned in this one const, so that one bad type is one error.
    ///
    /// Hidden: `Todo::` in an editor offers what applications write.
    #[doc(hidden)]
    const CODEC: Codec<Self, Self::New>;
    /// The table, as data.
    const DEF: &'static TableDef;

    /// A query for all rows of the table.
    fn select() -> Select<Self> {
        Select::table()
    }

    /// The table, joined on a condition: `left_join(Comment::on(Comment::todo_id.eq(Todo::id)))`.
    fn on<P>(condition: P) -> On<Self, P> {
        On::new(condition)
    }
}

/// The struct that holds the required columns of a new row of [`Table`](NewRow::Table). Implemented by
/// `#[plasma::table]` for `NewTodo`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be inserted",
    label = "expected a row or a `New..` struct of a table"
)]
pub trait NewRow: Sized + 'static {
    /// The table.
    type Table: Table<New = Self>;

    /// The new row with more columns set than the required ones.
    fn with<C: Changes<Self::Table>>(self, changes: C) -> New<Self::Table> {
        New::required(self).with(changes)
    }

    /// The new row with an id of the caller's choice. The insert fails with `conflict` when the id exists.
    fn with_id(self, id: Id<Self::Table>) -> New<Self::Table> {
        New::required(self).with_id(id)
    }
}

/// Field moves between a struct and a row: closures in one const body.
#[derive(Debug, Clone, Copy)]
pub struct Codec<T: 'static, N: 'static> {
    /// The columns in declaration order.
    pub columns: &'static [super::ColumnDef],
    /// Reads a row, column by column.
    pub decode: fn(&mut RowReader) -> Result<T>,
    /// Writes a row, column by column.
    pub encode: fn(T, &mut RowWriter),
    /// Names of the columns `encode_new` writes, in its order.
    pub new_columns: &'static [&'static str],
    /// Writes the required columns of a new row.
    pub encode_new: fn(N, &mut RowWriter),
}

/// Reads the values of a row in order.
#[derive(Debug)]
pub struct RowReader(std::vec::IntoIter<Value>);

impl RowReader {
    /// A reader of this row.
    pub fn new(row: Row) -> Self {
        RowReader(row.into_iter())
    }

    /// The next value, as a `V`.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the row is over or holds something else.
    pub fn read<V: ColumnType>(&mut self) -> Result<V> {
        V::from_value(self.next_value()?)
    }

    /// The next value, untyped.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the row is over.
    pub fn next_value(&mut self) -> Result<Value> {
        self.0.next().ok_or_else(|| Error::new(ErrorKind::Storage, "the row has fewer columns than the table"))
    }

    /// Whether the value `ahead` values on is NULL, or not there.
    pub fn is_null(&self, ahead: usize) -> bool {
        self.0.as_slice().get(ahead).is_none_or(Value::is_null)
    }

    /// Goes over so many values.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when the row is over.
    pub fn skip(&mut self, values: usize) -> Result<()> {
        (0..values).try_for_each(|_| self.next_value().map(drop))
    }
}

/// Collects the values of a row in order, and the first error.
#[derive(Debug, Default)]
pub struct RowWriter {
    row: Row,
    error: Option<Error>,
}

impl RowWriter {
    /// Appends a value.
    pub fn write<V: ColumnType>(&mut self, value: V) {
        match value.into_value() {
            Ok(value) => self.row.push(value),
            Err(error) => {
                self.error.get_or_insert(error);
                self.row.push(Value::Null);
            }
        }
    }

    /// The row.
    ///
    /// # Errors
    /// The first error of a value that cannot be stored.
    pub fn finish(self) -> Result<Row> {
        self.error.map_or(Ok(self.row), Err)
    }
}

/// A schema: the unit struct under `#[plasma::schema]`.
pub trait Schema: Sized + Send + Sync + 'static {
    /// What the mutators and policies learn about the caller.
    type Ctx: Send + Sync + 'static;
    /// The schema, as data.
    const DEF: SchemaDef;
    /// Everything an engine is opened with.
    fn definition() -> Definition;
}

/// Table `Self` is listed in schema `S`. Implemented by `#[plasma::schema]`.
#[diagnostic::on_unimplemented(
    message = "table `{Self}` is not part of schema `{S}`",
    label = "not in `{S}`",
    note = "list it in `#[plasma::schema(tables(.., {Self}))]`"
)]
pub trait InSchema<S: Schema>: Table {}
