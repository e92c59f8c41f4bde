//! What a table asks of its own rows, whoever writes them: its checks, and files that stay.
//!
//! Asked before the update runs, so that a statement that is refused has changed nothing.

use std::collections::BTreeMap;

use serde_json::json;

use super::ServerExecutor;
use super::plan::TablePlan;
use super::write::value_sql;
use crate::error::Result;
use crate::query::ir::{Change, Expr};
use crate::schema::TableDef;
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

impl ServerExecutor<'_> {
    /// Refuses changes that would leave one of these rows against its table's rules.
    ///
    /// # Errors
    /// [`Rejected`](crate::ErrorKind::Rejected) with the code `check`, or [`Validation`](crate::ErrorKind::Validation)
    /// for a file that is immutable.
    pub(super) async fn keeps_row_rules(
        &mut self,
        plan: &TablePlan,
        table: &'static TableDef,
        ids: &[String],
        changes: &[Change],
    ) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.keeps_files(table, ids, changes).await?;
        if plan.checks.is_empty() {
            return Ok(());
        }
        // The rows as they are about to be, under the table's own name, so that the rules read them.
        let mut image = Vec::with_capacity(table.columns.len());
        let mut new_values = Vec::new();
        let changed: BTreeMap<&str, &Expr> = changes.iter().map(|change| (change.column, &change.value)).collect();
        for column in table.columns {
            let name = quote(column.name);
            image.push(match changed.get(column.name) {
                Some(value) => {
                    let (sql, params) = value_sql(self.db.dialect(), table, value);
                    new_values.extend(params);
                    format!("{} AS {name}", self.db.dialect().of_kind(column.kind, sql))
                }
                None => name,
            });
        }
        let name = quote(table.name);
        let these = self.db.dialect().in_texts("\"id\"");
        for (check, rule) in &plan.checks {
            let sql = format!(
                "SELECT 1 FROM (SELECT {} FROM {name} WHERE {these}) AS {name} WHERE NOT coalesce(({}), TRUE) LIMIT 1",
                image.join(", "),
                rule.sql
            );
            let mut params = new_values.clone();
            params.push(Value::Text(json!(ids).to_string()));
            params.extend(rule.params.iter().cloned());
            if !self.rows(&sql, &params, &[Kind::Int]).await?.is_empty() {
                return Err(check.broken(table));
            }
        }
        Ok(())
    }

    async fn keeps_files(&mut self, table: &'static TableDef, ids: &[String], changes: &[Change]) -> Result<()> {
        for change in changes {
            let Some(column) = table.column(change.column) else { continue };
            let Some(file) = column.file.filter(|file| file.immutable) else { continue };
            let (value, mut params) = value_sql(self.db.dialect(), table, &change.value);
            let value = self.db.dialect().of_kind(column.kind, value);
            params.push(Value::Text(json!(ids).to_string()));
            let sql = format!(
                "SELECT {}, {value} FROM {} WHERE {}",
                quote(column.name),
                quote(table.name),
                self.db.dialect().in_texts("\"id\"")
            );
            for row in self.rows(&sql, &params, &[column.kind; 2]).await? {
                file.check_change(table, column, &row[0], &row[1])?;
            }
        }
        Ok(())
    }
}
