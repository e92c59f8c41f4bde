//! New rows: what an insert is given, and the row it stores.

use std::fmt;
use std::marker::PhantomData;

use super::operation::Step;
use super::time;
use crate::error::{Error, Result};
use crate::query::ir;
use crate::query::typed::{ChangeList, Changes, Finished};
use crate::schema::{ColumnDef, ColumnDefault, Id, NewRow, RowWriter, Table, TableDef};
use crate::value::{Row, Timestamp, Value};

/// A new row of table `T`: the required columns, and more by [`with`](New::with) and [`with_id`](New::with_id).
#[must_use = "a new row does nothing until it is inserted"]
pub struct New<T: Table> {
    draft: Result<Draft>,
    changes: ChangeList,
    types: PhantomData<fn() -> T>,
}

/// What is done to the CRDT columns of a new row, by column.
pub(super) type NewStates = Vec<(&'static ColumnDef, Vec<Step>)>;

/// The values of a new row, before defaults.
enum Draft {
    /// Some columns by name, and the id when the caller chose it.
    Named { columns: Vec<(&'static str, Value)>, id: Option<String> },
    /// All columns in order.
    Whole(Row),
}

impl<T: Table> New<T> {
    /// The required columns.
    pub(crate) fn required(new: T::New) -> Self {
        let mut writer = RowWriter::default();
        (T::CODEC.encode_new)(new, &mut writer);
        let named =
            |row: Row| Draft::Named { columns: T::CODEC.new_columns.iter().copied().zip(row).collect(), id: None };
        New { draft: writer.finish().map(named), changes: ChangeList::default(), types: PhantomData }
    }

    /// A whole row.
    fn whole(row: T) -> Self {
        let mut writer = RowWriter::default();
        (T::CODEC.encode)(row, &mut writer);
        New { draft: writer.finish().map(Draft::Whole), changes: ChangeList::default(), types: PhantomData }
    }

    /// Whether the caller chose the id.
    pub(super) fn has_chosen_id(&self) -> bool {
        matches!(&self.draft, Ok(Draft::Whole(_) | Draft::Named { id: Some(_), .. }))
    }

    /// The row to store: what was named, then defaults, then NULL; and what is done to its CRDT columns once it is known
    /// that there is none yet. `new_id` is asked only when no id was chosen; `now` is the time of the mutation.
    pub(super) fn finish(self, new_id: impl FnOnce() -> String, now: Timestamp) -> Result<(Row, NewStates)> {
        let Finished { values, steps } = self.changes.finish(T::DEF, now)?;
        let row = complete(T::DEF, self.draft?, values, new_id, now)?;
        for (column, value) in T::DEF.columns.iter().zip(&row) {
            T::DEF.within_limits(column, value)?;
        }
        Ok((row, steps))
    }

    /// Sets more columns than the required ones. The last value given for a column is stored; operations of a CRDT column are
    /// done in their order.
    pub fn with<C: Changes<T>>(mut self, changes: C) -> Self {
        changes.add_to(&mut self.changes);
        self
    }

    /// Sets the id. The insert fails with `conflict` when it exists.
    pub fn with_id(mut self, id: Id<T>) -> Self {
        match &mut self.draft {
            Ok(Draft::Named { id: chosen, .. }) => *chosen = Some(id.to_string()),
            Ok(Draft::Whole(row)) => row[T::DEF.id] = Value::Text(id.to_string()),
            Err(_) => {}
        }
        self
    }
}

impl<T: Table> fmt::Debug for New<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "New({})", T::NAME)
    }
}

/// What `tx.insert(..)` takes: a `NewTodo`, a [`New`], or a whole row.
///
/// `Kind` says which and is always inferred; it lets one method take all three.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be inserted",
    label = "expected a row or a `New..` struct of a table"
)]
pub trait Insertable<Kind> {
    /// The table.
    type Table: Table;
    /// The row to insert.
    #[doc(hidden)]
    fn into_new(self) -> New<Self::Table>;
}

/// [`Insertable`] by its required columns.
#[derive(Debug)]
pub struct Required;
/// [`Insertable`] with further columns.
#[derive(Debug)]
pub struct Extended;
/// [`Insertable`] as a whole row.
#[derive(Debug)]
pub struct Whole;

#[diagnostic::do_not_recommend]
impl<N: NewRow> Insertable<Required> for N {
    type Table = N::Table;
    fn into_new(self) -> New<N::Table> {
        New::required(self)
    }
}
#[diagnostic::do_not_recommend]
impl<T: Table> Insertable<Extended> for New<T> {
    type Table = T;
    fn into_new(self) -> New<T> {
        self
    }
}
#[diagnostic::do_not_recommend]
impl<T: Table> Insertable<Whole> for T {
    type Table = T;
    fn into_new(self) -> New<T> {
        New::whole(self)
    }
}

/// The row an insert stores: what was named, then defaults, then NULL.
fn complete(
    table: &'static TableDef,
    draft: Draft,
    changes: Vec<ir::Change>,
    new_id: impl FnOnce() -> String,
    now: Timestamp,
) -> Result<Row> {
    let mut row = match draft {
        Draft::Whole(row) => row,
        Draft::Named { columns, id } => {
            let mut row: Vec<Option<Value>> = vec![None; table.columns.len()];
            for (name, value) in columns {
                let index = table.column_index(name).ok_or_else(|| no_column(table, name))?;
                row[index] = Some(value);
            }
            for change in &changes {
                let index = table.column_index(change.column).ok_or_else(|| no_column(table, change.column))?;
                row[index] = Some(Value::Null);
            }
            row[table.id] = Some(Value::Text(id.unwrap_or_else(new_id)));
            table
                .columns
                .iter()
                .zip(row)
                .map(|(column, value)| initial(table, column, value, now))
                .collect::<Result<_>>()?
        }
    };
    for change in changes {
        let index = table.column_index(change.column).ok_or_else(|| no_column(table, change.column))?;
        row[index] = match change.value {
            ir::Expr::Literal(value) => value,
            _ => {
                return Err(Error::validation(format!(
                    "a new row of `{}` has no other columns yet: `{}` needs a value, not an expression",
                    table.name, change.column
                )));
            }
        };
    }
    Ok(row)
}

/// The value of a column that an insert leaves out.
fn initial(table: &TableDef, column: &ColumnDef, value: Option<Value>, now: Timestamp) -> Result<Value> {
    match (value, column.default) {
        (Some(value), _) => Ok(value),
        (None, Some(ColumnDefault::Value(default))) => Ok(default()),
        (None, Some(ColumnDefault::Now)) => time(column.kind, now),
        (None, None) if column.nullable => Ok(Value::Null),
        (None, None) => {
            Err(Error::validation(format!("a new row of `{}` needs a value for `{}`", table.name, column.name)))
        }
    }
}

fn no_column(table: &TableDef, column: &str) -> Error {
    Error::internal(format!("table `{}` has no column `{column}`", table.name))
}
