//! Whether the names in a query mean something: what the types do not know of [`col_ref`](super::col_ref).

use crate::error::{Error, Result};
use crate::query::ir::{ColumnRef, Expr, Function, Part, Query, Source};
use crate::schema::TableDef;

/// Checks that every column of the query is one of its sources, at any depth.
///
/// # Errors
/// [`Validation`](crate::ErrorKind::Validation), naming the first that is not, and what there is.
pub(super) fn check(query: &Query) -> Result<()> {
    in_query(query, &mut Vec::new())
}

/// [`check`] of a condition on rows of a table.
///
/// # Errors
/// As [`check`].
pub(super) fn check_condition(table: &'static TableDef, condition: &Expr) -> Result<()> {
    let rows = Query::all(table);
    in_part(Part::Expr(condition), &mut vec![&rows])
}

/// `around` are the queries around this one, outermost first.
fn in_query<'q>(query: &'q Query, around: &mut Vec<&'q Query>) -> Result<()> {
    around.push(query);
    let mut result = Ok(());
    query.parts(&mut |part| {
        if result.is_ok() {
            result = in_part(part, around);
        }
    });
    around.pop();
    result
}

fn in_part<'q>(part: Part<'q>, around: &mut Vec<&'q Query>) -> Result<()> {
    match part {
        Part::Expr(Expr::Column(column)) => in_scope(*column, around),
        Part::Expr(Expr::Function { function: Function::Now, .. }) => Err(Error::validation(
            "`now()` is the time of a mutation: outside of one compare with a time that you have",
        )),
        Part::Expr(expr) => {
            let mut result = Ok(());
            expr.parts(&mut |part| {
                if result.is_ok() {
                    result = in_part(part, around);
                }
            });
            result
        }
        Part::Query { query, correlated: true } => in_query(query, around),
        Part::Query { query, correlated: false } => in_query(query, &mut Vec::new()),
    }
}

fn in_scope(column: ColumnRef, around: &[&Query]) -> Result<()> {
    let level = around.len().checked_sub(1 + usize::from(column.level));
    let Some(query) = level.and_then(|level| around.get(level)) else {
        return Err(Error::validation(format!("no query around this one has a table `{}`", column.table)));
    };
    let Some(source) = query.sources().find(|source| source.name == column.table) else {
        let there = list(query.sources().map(|source| source.name));
        return Err(Error::validation(format!("the query has no table `{}`: it has {there}", column.table)));
    };
    if source.column_index(column.column).is_some() {
        return Ok(());
    }
    let there = list(Source::columns(source).into_iter());
    Err(Error::validation(format!("`{}` has no column `{}`: it has {there}", column.table, column.column)))
}

fn list(names: impl Iterator<Item = &'static str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
