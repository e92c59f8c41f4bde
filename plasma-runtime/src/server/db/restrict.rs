//! A query confined to the rows a caller may read, at every depth.
//!
//! A database may ask its conditions in any order, so a calculation can fail on a row before the rule drops that row; the
//! error would tell of a row that the caller may not read. Where something can fail, the rules are made to come first.

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use crate::error::Result;
use crate::query::ir::{Aggregate, Expr, Function, Part, PartMut, Query, Rows, Source};
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
    let fails = may_fail(query);
    for source in std::iter::once(&mut query.from).chain(query.joins.iter_mut().map(|join| &mut join.source)) {
        if let (true, Rows::Query(inner, _)) = (fails, &mut source.rows) {
            fence(inner);
        }
    }
    let joined = !query.joins.is_empty();
    for join in &mut query.joins {
        confine(&mut join.source, fails, rules)?;
    }
    let Some(table) = query.from.as_table() else { return Ok(()) };
    let alias = query.from.name != table.name;
    if joined || fails || alias {
        confine(&mut query.from, fails, rules)?;
        if let (true, Rows::Query(readable, _)) = (fails && !joined && !alias, &mut query.from.rows) {
            narrow(readable, &mut query.filter);
        }
        return Ok(());
    }
    if let Some(rule) = rules(table)? {
        query.filter = Some(match query.filter.take() {
            None => rule,
            Some(filter) => Expr::And(vec![filter, rule]),
        });
    }
    Ok(())
}

/// Whether what decides which rows there are can fail: a condition, or a column of a derived table, with a calculation.
/// What is selected of the rows that are left is calculated from no others.
fn may_fail(query: &Query) -> bool {
    let derived = query.sources().any(|source| matches!(&source.rows, Rows::Query(inner, _) if calculates(inner)));
    derived || query.filter.iter().chain(query.joins.iter().map(|join| &join.on)).any(has_calculation)
}

fn calculates(query: &Query) -> bool {
    let mut found = false;
    query.parts(&mut |part| found |= part_calculates(&part));
    found
}

fn has_calculation(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Arithmetic { .. } => true,
        Expr::Function { function, .. } => matches!(function, Function::Date | Function::Negate | Function::ValueOf(_)),
        Expr::Aggregate { function, .. } => matches!(function, Aggregate::Sum | Aggregate::Avg),
        _ => false,
    };
    let mut found = own;
    expr.parts(&mut |part| found |= part_calculates(&part));
    found
}

fn part_calculates(part: &Part<'_>) -> bool {
    match part {
        Part::Expr(expr) => has_calculation(expr),
        Part::Query { query, .. } => calculates(query),
    }
}

/// Moves the conditions that cannot fail in to the rule: an index may serve them there. What looks at a query around this
/// one cannot stand in a derived table.
fn narrow(readable: &mut Query, filter: &mut Option<Expr>) {
    let all = match filter.take() {
        Some(Expr::And(all)) => all,
        other => other.into_iter().collect(),
    };
    let (stay, safe): (Vec<Expr>, Vec<Expr>) =
        all.into_iter().partition(|condition| has_calculation(condition) || condition.looks_outside());
    readable.filter = readable.filter.take().map(|rule| Expr::And(safe.into_iter().chain([rule]).collect()));
    *filter = Some(Expr::And(stay));
}

/// Keeps the database from asking conditions of the outer query inside of this one: a limit must count first.
fn fence(query: &mut Query) {
    query.limit.get_or_insert(i64::MAX as u64);
}

/// Puts the readable rows of a table in the table's place: a rule beside the condition of a left join would drop rows
/// that the join must keep.
fn confine(source: &mut Source, fenced: bool, rules: &Rules<'_>) -> Result<()> {
    let Some(table) = source.as_table() else { return Ok(()) };
    if let Some(rule) = rules(table)? {
        let names = table.columns.iter().map(|column| column.name).collect();
        let mut readable = Query::all(table).filter(rule);
        if fenced {
            fence(&mut readable);
        }
        source.rows = Rows::Query(Box::new(readable), names);
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
