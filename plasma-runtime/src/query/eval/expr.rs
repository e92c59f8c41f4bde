//! Expressions over a row and the rows around it.

use std::borrow::Cow;

use super::{Evaluator, Members};
use crate::error::{Error, ErrorKind, Result};
use crate::query::ir::{ColumnRef, CompareOp, Expr};
use crate::query::like;
use crate::schema::TableDef;
use crate::value::Value;
use crate::value::compare::{is_same, sql_compare};

/// The longest pattern SQLite takes, in bytes of its `GLOB` form (`SQLITE_MAX_LIKE_PATTERN_LENGTH`).
const MAX_PATTERN: usize = 50_000;

/// Up to this length a list is searched from its beginning.
const SHORT_LIST: usize = 16;

/// A row of a query, and the row of the query around it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    pub(super) table: &'static TableDef,
    pub(super) row: &'f [Value],
    pub(super) outer: Option<&'f Frame<'f>>,
}

impl<'f> Frame<'f> {
    fn column(frame: Option<&'f Frame<'f>>, reference: &ColumnRef) -> Result<&'f Value> {
        let mut at = frame;
        for _ in 0..reference.level {
            at = at.and_then(|frame| frame.outer);
        }
        at.and_then(|frame| frame.row.get(frame.table.column_index(reference.column)?)).ok_or_else(|| {
            Error::internal(format!(
                "the column `{}.{}` is not in scope at level {}",
                reference.table, reference.column, reference.level
            ))
        })
    }
}

/// A column of the query's own table that its filter sets equal to something known outside the query: what a source can
/// use an index for. `id` is the best there is; then a column of an outer query; then a constant.
pub(super) fn equality<'q>(table: &'static TableDef, filter: &'q Expr) -> Option<(&'static str, &'q Expr)> {
    fn visit<'q>(filter: &'q Expr, found: &mut dyn FnMut(&'static str, &'q Expr)) {
        match filter {
            Expr::And(all) => all.iter().for_each(|expr| visit(expr, found)),
            Expr::Compare { op: CompareOp::Eq, left, right } => {
                for (own, other) in [(left, right), (right, left)] {
                    if let (Expr::Column(own), Expr::Literal(_) | Expr::Column(ColumnRef { level: 1.., .. })) =
                        (&**own, &**other)
                        && own.level == 0
                    {
                        found(own.column, other);
                    }
                }
            }
            _ => {}
        }
    }
    let mut best: Option<(u8, &'static str, &'q Expr)> = None;
    visit(filter, &mut |column, other| {
        let rank = match other {
            _ if column == table.columns[table.id].name => 0,
            Expr::Column(_) => 1,
            _ => 2,
        };
        if best.is_none_or(|(other, ..)| rank < other) {
            best = Some((rank, column, other));
        }
    });
    best.map(|(_, column, expr)| (column, expr))
}

impl<'q> Evaluator<'q, '_> {
    /// The value of a side that [`equality`] found, seen from the query around: its levels count one less.
    pub(super) fn outside(&mut self, expr: &'q Expr, outer: Option<&Frame<'_>>) -> Result<Value> {
        match expr {
            Expr::Column(reference) => {
                let outside = ColumnRef { level: reference.level.saturating_sub(1), ..*reference };
                Frame::column(outer, &outside).cloned()
            }
            _ => self.value(expr, outer).map(Cow::into_owned),
        }
    }

    /// The value of an expression. A condition's is a boolean or, when unknown, NULL.
    pub(super) fn value<'v>(&mut self, expr: &'q Expr, frame: Option<&'v Frame<'v>>) -> Result<Cow<'v, Value>>
    where
        'q: 'v,
    {
        match expr {
            Expr::Column(reference) => Frame::column(frame, reference).map(Cow::Borrowed),
            Expr::Literal(value) => Ok(Cow::Borrowed(value)),
            condition => Ok(Cow::Owned(self.truth(condition, frame)?.map_or(Value::Null, Value::Bool))),
        }
    }

    /// The truth of a condition; `None` is unknown.
    pub(super) fn truth(&mut self, expr: &'q Expr, frame: Option<&Frame<'_>>) -> Result<Option<bool>> {
        match expr {
            Expr::Column(_) | Expr::Literal(_) => truth_of(&*self.value(expr, frame)?),
            Expr::Compare { op, left, right } => {
                let (left, right) = (self.value(left, frame)?, self.value(right, frame)?);
                if *op == CompareOp::Is {
                    return Ok(Some(is_same(&left, &right)));
                }
                Ok(sql_compare(&left, &right).map(|ordering| match op {
                    CompareOp::Eq | CompareOp::Is => ordering.is_eq(),
                    CompareOp::Ne => ordering.is_ne(),
                    CompareOp::Lt => ordering.is_lt(),
                    CompareOp::Lte => ordering.is_le(),
                    CompareOp::Gt => ordering.is_gt(),
                    CompareOp::Gte => ordering.is_ge(),
                }))
            }
            Expr::And(all) => self.decided(all, false, frame),
            Expr::Or(any) => self.decided(any, true, frame),
            Expr::Not(expr) => Ok(self.truth(expr, frame)?.map(|truth| !truth)),
            Expr::IsNull(expr) => Ok(Some(self.value(expr, frame)?.is_null())),
            Expr::In { expr, list } => {
                let value = self.value(expr, frame)?;
                if list.len() > SHORT_LIST {
                    return Ok(self.sorted_list(list).contain(&value));
                }
                Ok(in_list(&value, list))
            }
            Expr::Like { expr, pattern } => match &*self.value(expr, frame)? {
                Value::Null => Ok(None),
                Value::Text(text) | Value::Json(text) => {
                    if pattern.len() > MAX_PATTERN && like::glob(pattern).len() > MAX_PATTERN {
                        return Err(Error::new(ErrorKind::TooLarge, "the `like` pattern is longer than 50,000 bytes"));
                    }
                    Ok(Some(like::matches(text, pattern)))
                }
                other => Err(Error::internal(format!("`like` matches text, not {other:?}"))),
            },
            Expr::Exists(query) => self.exists(query, frame).map(Some),
            Expr::Scalar(_)
            | Expr::Arithmetic { .. }
            | Expr::Function { .. }
            | Expr::Case { .. }
            | Expr::Aggregate { .. } => Err(Error::internal("INTERIM")),
            Expr::InQuery { expr, query } => {
                let value = self.value(expr, frame)?.into_owned();
                self.is_member(&value, query, frame)
            }
        }
    }

    /// A long list, sorted once for the whole evaluation.
    fn sorted_list(&mut self, list: &'q Vec<Value>) -> &Members {
        let known = self.lists.iter().position(|(seen, _)| std::ptr::eq(*seen, list));
        let index = known.unwrap_or_else(|| {
            self.lists.push((list, Members::new(list.clone())));
            self.lists.len() - 1
        });
        &self.lists[index].1
    }

    /// `AND` and `OR`: the first part with the truth that decides (false, true) decides; else unknown if any part is.
    fn decided(&mut self, parts: &'q [Expr], decides: bool, frame: Option<&Frame<'_>>) -> Result<Option<bool>> {
        let mut answer = Some(!decides);
        for part in parts {
            match self.truth(part, frame)? {
                Some(truth) if truth == decides => return Ok(Some(decides)),
                Some(_) => {}
                None => answer = None,
            }
        }
        Ok(answer)
    }
}

/// A value as a condition: zero is false, as in SQLite.
fn truth_of(value: &Value) -> Result<Option<bool>> {
    match value {
        Value::Null => Ok(None),
        Value::Bool(b) => Ok(Some(*b)),
        Value::Int(n) => Ok(Some(*n != 0)),
        Value::Float(x) => Ok(Some(*x != 0.0)),
        other => Err(Error::internal(format!("{other:?} is not a condition"))),
    }
}

fn in_list(value: &Value, list: &[Value]) -> Option<bool> {
    if list.is_empty() {
        return Some(false);
    }
    if value.is_null() {
        return None;
    }
    if list.iter().any(|member| is_same(member, value)) {
        return Some(true);
    }
    if list.iter().any(Value::is_null) { None } else { Some(false) }
}
