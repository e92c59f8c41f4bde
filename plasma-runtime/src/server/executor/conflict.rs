//! What a caller may know of a constraint that refused its write: nothing of rows it may not read.

use serde_json::json;

use super::ServerExecutor;
use super::plan::{Rule, TablePlan};
use crate::error::{Constraint, Error, ErrorKind, Result};
use crate::mutate::Access;
use crate::schema::{OnDelete, TableDef};
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

impl ServerExecutor<'_> {
    /// A conflict with what the caller may know of it: the columns only when the row in the way is one that it may
    /// read. `value` is what the write stores in a column; none where it does not say.
    pub(super) async fn explain_conflict(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        error: Error,
        value: &(dyn Fn(usize) -> Option<Value> + Sync),
    ) -> Error {
        if error.kind() != ErrorKind::Conflict || self.fault.is_some() {
            return error;
        }
        let error = error.in_table(table.name);
        let Some(violation) = error.violation() else { return error };
        let rules = plan.rules.as_ref();
        match violation.constraint {
            Constraint::ForeignKey => return self.explain_key(table, error, value).await.unwrap_or_else(|error| error),
            // The row's own values, or the application's own words.
            Constraint::NotNull | Constraint::Check | Constraint::Trigger => return error,
            Constraint::Unique => {}
        }
        let Some(rules) = rules else { return error };
        let mut params = Vec::new();
        let mut same = Vec::new();
        for column in &violation.columns {
            let Some(found) = table.column_index(column).and_then(value) else { return plain_conflict() };
            params.push(found);
            same.push(format!("{}.{} = ?", quote(table.name), quote(column)));
        }
        if same.is_empty() {
            return plain_conflict();
        }
        match self.reads_one(table, Some(&rules.read), &same.join(" AND "), params).await {
            Ok(true) => error,
            Ok(false) => plain_conflict(),
            Err(error) => error,
        }
    }

    /// Names the references whose row does not exist: the caller gave their values itself.
    async fn explain_key(
        &mut self,
        table: &'static TableDef,
        error: Error,
        value: &(dyn Fn(usize) -> Option<Value> + Sync),
    ) -> Result<Error> {
        let mut missing = Vec::new();
        for (index, column) in table.foreign_keys() {
            let Some(id) = value(index).filter(|id| !id.is_null()) else { continue };
            let sql =
                format!("SELECT 1 FROM {} WHERE \"id\" = ? LIMIT 1", quote(column.references.unwrap_or_default()));
            if self.rows(&sql, &[id], &[Kind::Int]).await?.is_empty() {
                missing.push(column.name);
            }
        }
        if missing.is_empty() {
            return Ok(error);
        }
        let message = format!("the row that `{}.{}` refers to does not exist", table.name, missing.join("`, `"));
        Ok(Error::conflict(message)
            .with_data(json!({ "constraint": "foreign-key", "table": table.name, "columns": missing })))
    }

    /// Why a row cannot be deleted: a reference to it, when the caller may read the row that has it.
    pub(super) async fn explain_references(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        id: &str,
        access: Access,
        error: Error,
    ) -> Error {
        let constraint = error.violation().map(|violation| violation.constraint);
        // The application's triggers speak for themselves.
        if self.fault.is_some() || matches!(constraint, None | Some(Constraint::Trigger)) {
            return error;
        }
        match self.reference(table, id, access).await {
            Ok(Some(refused)) => refused,
            // A row further down a cascade, or one the caller may not read.
            Ok(None) if plan.rules.is_some() => plain_conflict(),
            Ok(None) => error,
            Err(error) => error,
        }
    }

    async fn reference(&mut self, table: &'static TableDef, id: &str, access: Access) -> Result<Option<Error>> {
        let schema = self.engine.definition.schema;
        for (child, column) in schema.referencing(table.name) {
            let column = &child.columns[column];
            if !matches!(column.on_delete, OnDelete::NoAction | OnDelete::Restrict) {
                continue;
            }
            let plan = self.plan(child, access)?;
            let refers = format!("{}.{} = ?", quote(child.name), quote(column.name));
            let read = plan.rules.as_ref().map(|rules| &rules.read);
            if self.reads_one(child, read, &refers, vec![Value::from(id)]).await? {
                return Ok(Some(still_referenced(child, column.name)));
            }
        }
        Ok(None)
    }

    /// Whether there is a row that meets the condition and the rule for reading.
    async fn reads_one(
        &mut self,
        table: &TableDef,
        rule: Option<&Rule>,
        condition: &str,
        mut params: Vec<Value>,
    ) -> Result<bool> {
        let rule = match rule {
            Some(Rule { fixed: Some(false), .. }) => return Ok(false),
            None | Some(Rule { fixed: Some(true), .. }) => String::new(),
            Some(Rule { sql, params: own, .. }) => {
                params.extend(own.iter().cloned());
                format!(" AND coalesce(({sql}), FALSE)")
            }
        };
        let sql = format!("SELECT 1 FROM {} WHERE {condition}{rule} LIMIT 1", quote(table.name));
        Ok(!self.rows(&sql, &params, &[Kind::Int]).await?.is_empty())
    }
}

/// The refusal of a delete, word for word as on a client.
fn still_referenced(child: &TableDef, column: &str) -> Error {
    Error::conflict(format!("a row of `{}` still references it by `{column}`", child.name))
        .with_data(json!({ "constraint": "foreign-key", "table": child.name, "columns": [column] }))
}

/// A conflict that says nothing about any row.
fn plain_conflict() -> Error {
    Error::conflict("a constraint refuses the write")
}
