//! What a server asks of encrypted values, which it cannot look into: [`EnvelopeLimits`](crate::value::EnvelopeLimits).
//!
//! Asked of whatever a run writes into a sealed column, wherever it came from: a sealed argument, or a mutator's own
//! making.

use serde_json::json;

use super::ServerExecutor;
use crate::crdt::CrdtKind;
use crate::error::{Error, Result};
use crate::query::ir::{Change, Expr};
use crate::schema::{ColumnDef, TableDef};
use crate::value::{EnvelopeError, Kind, Row, Value};

impl ServerExecutor<'_> {
    /// Refuses a row with an envelope beyond the limits.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) with the column and the reason in `data`.
    pub(super) fn keeps_envelope_limits(&self, table: &TableDef, row: &Row) -> Result<()> {
        table.columns.iter().zip(row).try_for_each(|(column, value)| self.takes_envelope(table, column, value))
    }

    /// Refuses changes with an envelope beyond the limits. What is copied from another cell was held to them there.
    ///
    /// # Errors
    /// As [`keeps_envelope_limits`](Self::keeps_envelope_limits).
    pub(super) fn takes_envelopes(&self, table: &TableDef, changes: &[Change]) -> Result<()> {
        changes.iter().try_for_each(|change| match (table.column(change.column), &change.value) {
            (Some(column), Expr::Literal(value)) => self.takes_envelope(table, column, value),
            // What is done to registers of several rows at once: a value for each.
            (Some(column), Expr::Case { when, .. }) => when.iter().try_for_each(|(_, value)| match value {
                Expr::Literal(value) => self.takes_envelope(table, column, value),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
    }

    fn takes_envelope(&self, table: &TableDef, column: &ColumnDef, value: &Value) -> Result<()> {
        let Value::Json(json) = value else { return Ok(()) };
        let limits = &self.engine.options().envelope_limits;
        let checked = match column.kind {
            Kind::Sealed => limits.validate_json(json),
            Kind::Crdt(CrdtKind::Lww(Kind::Sealed)) => match sealed_in_register(json) {
                Some(envelope) => limits.validate_json(&envelope),
                None => Err(EnvelopeError::Malformed),
            },
            _ => return Ok(()),
        };
        checked.map(drop).map_err(|error| beyond(table, column, error))
    }
}

/// The text of the value of a register.
fn sealed_in_register(json: &str) -> Option<String> {
    let register: crate::crdt::Lww<Box<serde_json::value::RawValue>> = serde_json::from_str(json).ok()?;
    Some(register.into_inner().get().to_owned())
}

fn beyond(table: &TableDef, column: &ColumnDef, error: EnvelopeError) -> Error {
    let message = format!("`{}.{}`: {error}", table.name, column.name);
    let error = Error::from(error);
    let reason = error.data().map(|data| data["reason"].clone()).unwrap_or_default();
    Error::validation(message).with_data(json!({ "table": table.name, "column": column.name, "reason": reason }))
}
