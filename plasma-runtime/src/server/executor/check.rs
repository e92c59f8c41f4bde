//! What is checked at the end of a mutation: the new images of its rows.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Pending, ServerExecutor};
use crate::error::{Error, Result};
use crate::mutate::Access;
use crate::schema::TableDef;
use crate::store::ddl::quote;
use crate::value::Value;

impl ServerExecutor<'_> {
    /// Whether one of these rows, as it is now, breaks the rule for new images. A row that is gone breaks none.
    pub(super) async fn is_refused(
        &mut self,
        table: &'static TableDef,
        pending: Pending,
        ids: &[&str],
    ) -> Result<bool> {
        let plan = self.plan(table, Access::Checked)?;
        let Some(rules) = plan.rules.as_ref() else { return Ok(false) };
        let rule = match pending {
            Pending::Insert => &rules.insert,
            Pending::Update => &rules.update,
        };
        if rule.fixed == Some(true) {
            return Ok(false);
        }
        let name = quote(table.name);
        let condition = match rule.fixed {
            Some(_) => "FALSE".to_owned(),
            None => format!("coalesce(({}), FALSE)", rule.sql),
        };
        let mut params = Vec::new();
        let rows = match ids {
            [id] => {
                params.push(Value::from(*id));
                format!("{name}.\"id\" = ?")
            }
            ids => {
                params.push(Value::Text(json!(ids).to_string()));
                self.db.dialect().in_texts(&format!("{name}.\"id\""))
            }
        };
        if rule.fixed.is_none() {
            params.extend(rule.params.iter().cloned());
        }
        let sql = format!("SELECT 1 FROM {name} WHERE {rows} AND NOT {condition} LIMIT 1");
        self.finds(&sql, &params).await
    }

    pub(super) async fn check_new_images(&mut self) -> Result<()> {
        // Grouped by table and rule: one query for each.
        let mut groups: BTreeMap<(&'static str, bool), (&'static TableDef, Vec<String>)> = BTreeMap::new();
        for ((name, id), (table, pending)) in std::mem::take(&mut self.pending) {
            let group = groups.entry((name, pending == Pending::Insert)).or_insert((table, Vec::new()));
            group.1.push(id);
        }
        for ((_, insert), (table, ids)) in groups {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let pending = if insert { Pending::Insert } else { Pending::Update };
            if self.is_refused(table, pending, &ids).await? {
                return Err(refused(if insert { "insert" } else { "update" }, table));
            }
        }
        Ok(())
    }
}

pub(super) fn refused(operation: &str, table: &TableDef) -> Error {
    Error::unauthorized(format!("the caller may not {operation} this row of `{}`", table.name))
}
