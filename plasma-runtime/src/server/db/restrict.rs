//! A query confined to the rows a caller may read, at every depth.

use crate::error::Result;
use crate::query::ir::{Expr, Query, Select};
use crate::schema::TableDef;

/// The rule for a table; none when all rows may be read.
type Rules<'r> = dyn Fn(&TableDef) -> Result<Option<Expr>> + 'r;

/// Adds the read rule of each table where the query reads it. The rules themselves see everything: their columns are
/// relative to the query they stand in, so they are added as they are.
pub(super) fn to_readable(query: &mut Query, rules: &Rules<'_>) -> Result<()> {
    for order in &mut query.order {
        within(&mut order.expr, rules)?;
    }
    if let Select::Exprs(exprs) = &mut query.select {
        for expr in exprs {
            within(expr, rules)?;
        }
    }
    if let Some(filter) = &mut query.filter {
        within(filter, rules)?;
    }
    if let Some(rule) = rules(query.table)? {
        query.filter = Some(match query.filter.take() {
            None => rule,
            Some(filter) => Expr::And(vec![filter, rule]),
        });
    }
    Ok(())
}

fn within(expr: &mut Expr, rules: &Rules<'_>) -> Result<()> {
    match expr {
        Expr::Column(_) | Expr::Literal(_) => Ok(()),
        Expr::Compare { left, right, .. } => {
            within(left, rules)?;
            within(right, rules)
        }
        Expr::And(exprs) | Expr::Or(exprs) => exprs.iter_mut().try_for_each(|expr| within(expr, rules)),
        Expr::Not(expr) | Expr::IsNull(expr) | Expr::In { expr, .. } | Expr::Like { expr, .. } => within(expr, rules),
        Expr::Exists(query) => to_readable(query, rules),
        Expr::InQuery { expr, query } => {
            within(expr, rules)?;
            to_readable(query, rules)
        }
    }
}
