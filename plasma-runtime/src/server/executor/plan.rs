//! What is prepared once per push and table: SQL texts and the caller's rules as SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::mutate::ErasedCtx;
use crate::query::ir::Expr;
use crate::query::lower::{self, Dialect};
use crate::schema::{CheckDef, TableDef};
use crate::server::ServerEngine;
use crate::store::ddl::quote;
use crate::value::Value;

/// One rule as SQL over the table's own name.
pub(super) struct Rule {
    pub(super) sql: String,
    pub(super) params: Vec<Value>,
    /// Known without looking at a row.
    pub(super) fixed: Option<bool>,
}

/// A caller's rules for one table.
pub(super) struct Rules {
    pub(super) read: Rule,
    pub(super) insert: Rule,
    pub(super) update: Rule,
    pub(super) delete: Rule,
    pub(super) frozen: &'static [&'static str],
}

/// What is needed to write to one table.
pub(super) struct TablePlan {
    pub(super) insert: String,
    pub(super) delete: String,
    /// None when everything is allowed.
    pub(super) rules: Option<Rules>,
    /// The table's own rules, which bind trusted writers too.
    pub(super) checks: Vec<(CheckDef, Rule)>,
}

/// The plans of one caller.
#[derive(Default)]
pub(in crate::server) struct Plans {
    checked: BTreeMap<&'static str, Arc<TablePlan>>,
    trusted: BTreeMap<&'static str, Arc<TablePlan>>,
}

impl Plans {
    /// The plan for a table; without a context everything is allowed.
    pub(super) fn plan(
        &mut self,
        engine: &ServerEngine,
        dialect: Dialect,
        ctx: Option<&ErasedCtx>,
        table: &'static TableDef,
    ) -> Result<Arc<TablePlan>> {
        let plans = if ctx.is_some() { &mut self.checked } else { &mut self.trusted };
        if let Some(plan) = plans.get(table.name) {
            return Ok(Arc::clone(plan));
        }
        let rules = match ctx {
            Some(ctx) => engine.rules(ctx, table)?.map(|rules| Rules {
                read: rule(dialect, table, &rules.read),
                insert: rule(dialect, table, &rules.insert),
                update: rule(dialect, table, &rules.update),
                delete: rule(dialect, table, &rules.delete),
                frozen: rules.frozen,
            }),
            None => None,
        };
        let mut checks = Vec::with_capacity(table.checks.len());
        for check in table.checks {
            checks.push((*check, rule(dialect, table, &(check.condition)()?)));
        }
        let names: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
        let plan = Arc::new(TablePlan {
            insert: format!(
                "INSERT INTO {} ({}) VALUES ({})",
                quote(table.name),
                names.join(", "),
                vec!["?"; names.len()].join(", ")
            ),
            delete: format!("DELETE FROM {} WHERE \"id\" = ?", quote(table.name)),
            rules,
            checks,
        });
        plans.insert(table.name, Arc::clone(&plan));
        Ok(plan)
    }
}

fn rule(dialect: Dialect, table: &'static TableDef, expr: &Expr) -> Rule {
    let fixed = match expr {
        Expr::And(all) if all.is_empty() => Some(true),
        Expr::Or(any) if any.is_empty() => Some(false),
        Expr::Literal(Value::Bool(known)) => Some(*known),
        _ => None,
    };
    let (sql, params) = lower::condition(dialect, table, table.name, expr, &|table| table.to_owned());
    Rule { sql, params, fixed }
}
