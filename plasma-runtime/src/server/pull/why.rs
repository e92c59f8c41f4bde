//! Which parts of a rule do not hold for a row, judged by the code that serves pulls.

use super::log::{Head, Log};
use super::source::{Moment, Tables};
use crate::error::{Error, Result};
use crate::protocol::cookie::Mark;
use crate::query::ir::Expr;
use crate::schema::TableDef;
use crate::server::denial::{Reason, text};
use crate::store::SqlExecutor;
use crate::value::Row;

/// Rounds of reading in which every rule comes to an end: one a level of sub-queries.
const ROUNDS: usize = 1_000;

/// What does not hold; nothing when the rule holds. The row need not be stored; the rows that sub-queries ask for are those
/// of now.
pub(in crate::server) async fn denied(
    db: &mut dyn SqlExecutor,
    rule: &Expr,
    table: &'static TableDef,
    row: &Row,
) -> Result<Vec<Reason>> {
    let log = Log::empty(Head { version: 0, mark: Mark(0) });
    let mut tables = Tables::new(&log);
    let moment = Moment { at: 0, with_deleted_by: None };
    for _ in 0..ROUNDS {
        let mut missed = false;
        let mut holds = |part: &Expr| -> Result<bool> {
            let answer = tables.holds(part, table, row, moment)?;
            missed |= answer.is_none();
            Ok(answer == Some(true))
        };
        let reasons = failing(rule, table, &mut holds)?;
        if !missed {
            return Ok(reasons);
        }
        tables.fetch(db).await?;
    }
    Err(Error::internal(format!("the rule of `{}` asks for ever more rows", table.name)))
}

fn failing(rule: &Expr, table: &'static TableDef, holds: &mut dyn FnMut(&Expr) -> Result<bool>) -> Result<Vec<Reason>> {
    if holds(rule)? {
        return Ok(Vec::new());
    }
    match rule {
        Expr::And(parts) => {
            let mut reasons = Vec::new();
            for part in parts {
                reasons.extend(failing(part, table, holds)?);
            }
            Ok(reasons)
        }
        Expr::Or(parts) if parts.is_empty() => Ok(vec![Reason::Nobody]),
        Expr::Or(parts) => {
            let alternatives = parts.iter().map(|part| failing(part, table, holds)).collect::<Result<_>>()?;
            Ok(vec![Reason::NoneOf(alternatives)])
        }
        part => Ok(vec![Reason::Condition(text(table, part))]),
    }
}
