//! Of a policy the client checks what it can tell: rules that look only at the row itself, and frozen columns. Rules over
//! other tables are left to the server, which decides in any case.

use super::ClientExecutor;
use crate::error::{Error, Result};
use crate::mutate::TableRules;
use crate::query::eval;
use crate::query::ir::Expr;
use crate::schema::TableDef;
use crate::value::Row;

impl ClientExecutor<'_, '_> {
    pub(super) fn rules(&mut self, table: &'static TableDef) -> Result<Option<TableRules>> {
        if !self.rules.contains_key(table.name) {
            let bound = match self.definition.policy(table.name) {
                Some(policy) if !table.open && !table.local_only => Some((policy.rules)(self.ctx)?),
                _ => None,
            };
            self.rules.insert(table.name, bound);
        }
        Ok(self.rules.get(table.name).cloned().flatten())
    }

    pub(super) fn check_update(&mut self, table: &'static TableDef, id: &str, before: &Row, after: &Row) -> Result<()> {
        let Some(rules) = self.rules(table)? else { return Ok(()) };
        // A row this mutation inserted is judged as an insert, at the end.
        if self.to_check.get(&(table.name, id.to_owned())) == Some(&false) {
            return Ok(());
        }
        for name in rules.frozen {
            let changed = table.column_index(name).is_some_and(|index| before[index] != after[index]);
            if changed {
                return Err(Error::unauthorized(format!("`{}.{name}` never changes", table.name)));
            }
        }
        self.allow(table, &rules.update, before)?;
        self.to_check.insert((table.name, id.to_owned()), true);
        Ok(())
    }

    pub(super) fn check_new_images(&mut self) -> Result<()> {
        for ((name, id), existed) in std::mem::take(&mut self.to_check) {
            let table = self.writer.texts.of(name)?.table;
            let Some(rules) = self.rules(table)? else { continue };
            let Some(row) = self.writer.read(table, &id)? else { continue };
            self.allow(table, if existed { &rules.update } else { &rules.insert }, &row)?;
        }
        Ok(())
    }

    /// Refuses when the rule looks at nothing but the row and does not hold for it.
    pub(super) fn allow(&self, table: &'static TableDef, rule: &Expr, row: &Row) -> Result<()> {
        let mut alone = true;
        rule.queries(&mut |_| alone = false);
        if alone && eval::matches(rule, table, row, &mut eval::NoTables)? != Some(true) {
            return Err(Error::unauthorized(format!("the policy of `{}` does not allow this write", table.name)));
        }
        Ok(())
    }
}
