//! What a caller may know of a constraint that refused its write: nothing of rows it may not read.

use serde_json::json;

use super::ServerExecutor;
use super::plan::TablePlan;
use crate::error::{Error, ErrorKind};
use crate::schema::TableDef;
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

impl ServerExecutor<'_> {
    /// A conflict with what the caller may know of it: the columns only when the row in the way is one that it may
    /// read.
    pub(super) async fn explain_conflict(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        error: Error,
        value: &(dyn Fn(usize) -> Option<Value> + Sync),
    ) -> Error {
        let Some(rules) = plan.rules.as_ref() else { return error };
        if error.kind() != ErrorKind::Conflict || self.fault.is_some() {
            return error;
        }
        let Some(data) = error.data() else { return error };
        match data.get("constraint").and_then(|kind| kind.as_str()) {
            Some("unique") => {}
            // The row's own values, or the application's own words.
            Some("not-null" | "check" | "trigger") => return error,
            Some("foreign-key") => {
                return Error::conflict("a referenced row does not exist")
                    .with_data(json!({ "constraint": "foreign-key" }));
            }
            _ => return plain_conflict(),
        }
        let columns: Vec<&str> =
            data["columns"].as_array().into_iter().flatten().filter_map(|column| column.as_str()).collect();
        let name = quote(table.name);
        let mut params = Vec::new();
        let mut same = Vec::new();
        for column in columns {
            let Some(found) = table.column_index(column).and_then(value) else { return plain_conflict() };
            params.push(found);
            same.push(format!("{name}.{} = ?", quote(column)));
        }
        if same.is_empty() || rules.read.fixed == Some(false) {
            return plain_conflict();
        }
        if rules.read.fixed.is_none() {
            same.push(format!("coalesce(({}), 0)", rules.read.sql));
            params.extend(rules.read.params.iter().cloned());
        }
        let sql = format!("SELECT 1 FROM {name} WHERE {} LIMIT 1", same.join(" AND "));
        match self.rows(&sql, &params, &[Kind::Int]).await {
            Ok(rows) if !rows.is_empty() => error,
            Ok(_) => plain_conflict(),
            Err(error) => error,
        }
    }
}

/// Whether the database's own constraint refused: the application's triggers speak for themselves.
pub(super) fn is_constraint(error: &Error) -> bool {
    error.data().and_then(|data| data.get("constraint")).is_some_and(|kind| kind != "trigger")
}

/// A conflict that says nothing about any row.
pub(super) fn plain_conflict() -> Error {
    Error::conflict("a constraint refuses the write")
}
