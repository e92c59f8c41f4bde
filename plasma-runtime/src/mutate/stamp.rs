//! Columns that take the time of the mutation: `#[column(default = now, on_update = now)]`.

use super::TxMeta;
use crate::error::Result;
use crate::query::ir::{Change, Expr};
use crate::schema::{ColumnType, TableDef};
use crate::value::{Kind, Timestamp, Value};

/// The envelope's time as a value of a column of this kind, a date by UTC: every run of the mutation stores the same.
///
/// # Errors
/// [`Validation`](crate::ErrorKind::Validation) when the time is on no date.
pub(crate) fn time(kind: Kind, now: Timestamp) -> Result<Value> {
    match kind {
        Kind::Date => now.date(0)?.into_value(),
        // The macro lets no other kind be `now`.
        _ => now.into_value(),
    }
}

/// Adds the columns that change with every update, unless the update sets them itself. For updates that change something.
///
/// # Errors
/// Those of [`time`].
pub(crate) fn touch(table: &TableDef, changes: &mut Vec<Change>, meta: &TxMeta) -> Result<()> {
    for column in table.columns.iter().filter(|column| column.on_update_now) {
        if !changes.iter().any(|change| change.column == column.name) {
            let value = Expr::Literal(time(column.kind, meta.now())?);
            changes.push(Change { column: column.name, value });
        }
    }
    Ok(())
}
