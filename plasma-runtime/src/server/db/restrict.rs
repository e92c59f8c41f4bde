//! A query confined to the rows a caller may read, at every depth.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use crate::error::Result;
use crate::query::ir::{Expr, PartMut, Query, Rows, Source};
use crate::schema::TableDef;

/// The rule for a table; none when all rows may be read.
type Rules<'r> = dyn Fn(&TableDef) -> Result<Option<Expr>> + 'r;

/// Adds the read rule of each table where the query reads it. The rules themselves see everything: their columns are
/// relative to the query they stand in, so they are added as they are.
pub(super) fn to_readable(query: &mut Query, rules: &Rules<'_>) -> Result<()> {
    let mut result = Ok(());
    query.parts_mut(&mut |part| {
        if result.is_ok() {
            result = within(part, rules);
        }
    });
    result?;
    let joined = !query.joins.is_empty();
    for join in &mut query.joins {
        confine(&mut join.source, rules)?;
    }
    let Some(table) = query.from.as_table() else { return Ok(()) };
    if joined || query.from.name != table.name {
        return confine(&mut query.from, rules);
    }
    if let Some(rule) = rules(table)? {
        query.filter = Some(match query.filter.take() {
            None => rule,
            Some(filter) => Expr::And(vec![filter, rule]),
        });
    }
    Ok(())
}

/// Puts the readable rows of a table in the table's place: a rule beside the condition of a left join would drop rows
/// that the join must keep.
fn confine(source: &mut Source, rules: &Rules<'_>) -> Result<()> {
    let Some(table) = source.as_table() else { return Ok(()) };
    if let Some(rule) = rules(table)? {
        let names = table.columns.iter().map(|column| column.name).collect();
        source.rows = Rows::Query(Box::new(Query::all(table).filter(rule)), names);
    }
    Ok(())
}

fn within(part: PartMut<'_>, rules: &Rules<'_>) -> Result<()> {
    match part {
        PartMut::Query { query, .. } => to_readable(query, rules),
        PartMut::Expr(expr) => {
            let mut result = Ok(());
            expr.parts_mut(&mut |part| {
                if result.is_ok() {
                    result = within(part, rules);
                }
            });
            result
        }
    }
}
