//! Inserts that may meet a row.
//!
//! A statement of a mutator is rows read and rows written, on the client and on the server alike. So an upsert is no
//! `ON CONFLICT` of the database but what it says: it asks for a row by each key, and then inserts, updates, or does
//! nothing. The asking is a read like any other: a replay is not left out when a pull brings or takes what was asked for.
//! Everything that refuses is left to the insert itself, whose `conflict` says no more than the caller may know.

use std::fmt;

use super::insert::complete;
use super::{Insert, Returning, Statement, decode};
use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{Columns, New};
use crate::query::ir;
use crate::query::typed::ChangeList;
use crate::schema::{Id, Table, TableDef};
use crate::value::Row;

/// An insert that changes the row it meets, or leaves it; awaited, which row it is and whether it is new.
///
/// # Errors
/// Those of [`Insert`], and of an update of the row that is met. A row that the caller may not read is no row to meet:
/// the insert is tried, and refused.
#[must_use = "a statement does nothing until it is awaited"]
pub struct Upsert<'t, T: Table> {
    statement: Statement<'t>,
    new: New<T>,
    /// None leaves the row that is met.
    changes: Option<ChangeList>,
    by: Option<Columns<T>>,
}

/// What became of an insert that may meet a row.
pub struct Upserted<T> {
    /// The row that was inserted, or met. Of several that were met and left, the one by the id, then by the unique values
    /// in the order of the columns.
    pub id: Id<T>,
    /// Whether it was inserted.
    pub inserted: bool,
}

impl<T> Clone for Upserted<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Upserted<T> {}
impl<T> PartialEq for Upserted<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.inserted) == (other.id, other.inserted)
    }
}
impl<T> Eq for Upserted<T> {}
impl<T> fmt::Debug for Upserted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upserted").field("id", &self.id).field("inserted", &self.inserted).finish()
    }
}

impl<'t, T: Table> Upsert<'t, T> {
    pub(super) fn new(insert: Insert<'t, T>, changes: Option<ChangeList>) -> Self {
        Upsert { statement: insert.statement, new: insert.new, changes, by: None }
    }

    /// The key a row is met by: a `unique` column, or all columns of a `unique(..)` of the table. A row that is met by
    /// another key refuses the insert. `.by(columns!(Stock::shop_id, Stock::product_id))`
    pub fn by(mut self, columns: Columns<T>) -> Self {
        self.by = Some(columns);
        self
    }

    /// Returns the row as it is stored afterwards.
    pub fn returning(self) -> Returning<Self> {
        Returning(self)
    }
}

impl<T: Table> Upsert<'_, T> {
    /// Runs it; the row as it was before, or as it is stored when that is asked for, and whether it is new.
    async fn run(self, returning: bool) -> Result<(Row, bool)> {
        let Upsert { mut statement, new, changes, by } = self;
        let (table, chosen) = (T::DEF, new.has_chosen_id());
        let asked = match by {
            Some(columns) => Asked::Columns(columns.names()),
            None if chosen && changes.is_some() => Asked::Id,
            None => Asked::Any,
        };
        let (mut row, steps) = complete(&statement, new)?;
        let changes = changes.map(|changes| statement.complete(table, changes)).transpose()?;
        let met = meets(&mut statement, table, &asked, chosen, &row, changes.is_some()).await?;
        if let Some(there) = met {
            let Some(changes) = changes.filter(|changes| !changes.is_empty()) else { return Ok((there, false)) };
            let id = table.row_id(&there).to_owned();
            let changes = statement.over(table, &there, changes)?;
            let updated = statement.put(ir::Write::Update { table, id, changes }, there, returning).await;
            // A row the caller may not read is not there for it: the insert is tried, and refused.
            if !updated.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                return updated.map(|row| (row, false));
            }
        }
        statement.begin_states(table, &mut row, &steps)?;
        let row = statement.put(ir::Write::Insert { table, row: row.clone() }, row, returning).await?;
        Ok((row, true))
    }
}

/// The row that the new one meets by a key that was asked about. For an update it must be the only one that is met: two
/// rows cannot both be changed.
async fn meets(
    statement: &mut Statement<'_>,
    table: &'static TableDef,
    asked: &Asked,
    chosen: bool,
    row: &Row,
    only: bool,
) -> Result<Option<Row>> {
    let keys = keys(table, chosen);
    asked.check(table, &keys)?;
    let mut met: Vec<(bool, Row)> = Vec::new();
    for key in keys {
        // A NULL equals nothing, so a key that holds one refuses nothing.
        let Some(filter) = same(table, &key, row) else { continue };
        let found = statement.matching(table, filter).await?;
        met.extend(found.into_iter().map(|found| (asked.includes(&key), found)));
    }
    let several = met.iter().any(|(_, other)| table.row_id(other) != table.row_id(&met[0].1));
    if only && several {
        return Ok(None);
    }
    Ok(met.into_iter().find(|(asked, _)| *asked).map(|(_, row)| row))
}

/// Which keys a row is met by.
enum Asked {
    Id,
    Any,
    Columns(&'static [&'static str]),
}

impl Asked {
    fn includes(&self, key: &[&'static str]) -> bool {
        match self {
            Asked::Any => true,
            Asked::Id => key == ["id"],
            Asked::Columns(columns) => columns.len() == key.len() && columns.iter().all(|name| key.contains(name)),
        }
    }

    fn check(&self, table: &TableDef, keys: &[Vec<&'static str>]) -> Result<()> {
        if keys.iter().any(|key| self.includes(key)) {
            return Ok(());
        }
        Err(Error::internal(match self {
            Asked::Columns(columns) => {
                format!("`{}` has no unique key over `{}`", table.name, columns.join("`, `"))
            }
            Asked::Id | Asked::Any => format!(
                "`{}` has no unique column, so a row with a fresh id never meets another: choose the id with `.with_id(..)`",
                table.name
            ),
        }))
    }
}

/// The keys a new row of the table may meet another by. A fresh id meets none.
fn keys(table: &'static TableDef, chosen: bool) -> Vec<Vec<&'static str>> {
    let id = chosen.then(|| vec![table.columns[table.id].name]);
    id.into_iter().chain(table.unique_sets()).collect()
}

/// The condition for rows with the same values in these columns; none when one of them is NULL.
fn same(table: &'static TableDef, key: &[&'static str], row: &Row) -> Option<ir::Expr> {
    let mut all = Vec::with_capacity(key.len());
    for name in key {
        let value = table.column_index(name).map(|index| &row[index]).filter(|value| !value.is_null())?;
        all.push(ir::Expr::eq(ir::Expr::column(table.name, name), ir::Expr::Literal(value.clone())));
    }
    Some(if all.len() == 1 { all.remove(0) } else { ir::Expr::And(all) })
}

impl<'t, T: Table> IntoFuture for Upsert<'t, T> {
    type Output = Result<Upserted<T>>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (row, inserted) = self.run(false).await?;
            Ok(Upserted { id: T::DEF.row_id(&row).parse()?, inserted })
        })
    }
}

impl<'t, T: Table> IntoFuture for Returning<Upsert<'t, T>> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'t, Self::Output>;
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { decode(self.0.run(true).await?.0) })
    }
}
