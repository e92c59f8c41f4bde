//! The rows of a query's sources, joined and filtered.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::frame::{Frame, Scope};
use super::{Evaluator, Key};
use crate::error::Result;
use crate::query::ir::{ColumnRef, CompareOp, Expr, Join, Query, Rows, Source};
use crate::value::{Row, Value};

/// Up to so many rows, a source is asked for the matches of each; for more it is read whole, once.
const FEW: usize = 16;

/// What a row may be joined to: at least its matches.
enum Candidates {
    All(Rc<[Row]>),
    /// By the value of the column in the join's equality.
    Index(Rc<[Row]>, BTreeMap<Key, Vec<usize>>),
}

impl<'q> Evaluator<'q, '_> {
    /// The joined rows that match the filter, at most `enough` of them; neither grouped nor ordered nor cut.
    pub(super) fn matching(&mut self, query: &'q Query, outer: Option<&Frame<'_>>, enough: u64) -> Result<Vec<Row>> {
        if enough == 0 {
            return Ok(Vec::new());
        }
        let mut rows = self.first(query, outer)?;
        for join in &query.joins {
            rows = self.joined(query, join, rows, outer)?;
        }
        let Some(filter) = &query.filter else { return Ok(rows) };
        let mut kept = Vec::new();
        for row in rows {
            let frame = Frame { scope: Scope::Query(query), row: &row, group: None, outer };
            if self.truth(filter, Some(&frame))? == Some(true) {
                kept.push(row);
                if kept.len() as u64 >= enough {
                    break;
                }
            }
        }
        Ok(kept)
    }

    /// The rows of `from`, at least those that can match the filter.
    fn first(&mut self, query: &'q Query, outer: Option<&Frame<'_>>) -> Result<Vec<Row>> {
        let table = match &query.from.rows {
            Rows::Table(table) => *table,
            Rows::Query(derived, _) => return Ok(self.derived(derived)?.to_vec()),
            Rows::Nothing => return Ok(Vec::new()),
        };
        // A name is needed only where there are several.
        let is_own = |column: &ColumnRef| query.joins.is_empty() || column.table == query.from.name;
        let is_known = |expr: &Expr| matches!(expr, Expr::Literal(_) | Expr::Column(ColumnRef { level: 1.., .. }));
        match query.filter.as_ref().and_then(|filter| equality(&query.from, filter, &is_own, &is_known)) {
            None => self.source.rows(table, None),
            Some((column, expr)) => match self.outside(expr, outer)? {
                // Equal to NULL is nothing.
                Value::Null => Ok(Vec::new()),
                value => self.source.rows(table, Some((column, &value))),
            },
        }
    }

    /// The rows of a derived table. It sees nothing around it, so they are the same all the time.
    fn derived(&mut self, query: &'q Query) -> Result<Rc<[Row]>> {
        if let Some((_, rows)) = self.derived.iter().find(|(seen, _)| std::ptr::eq(*seen, query)) {
            return Ok(rows.clone());
        }
        let rows: Rc<[Row]> = self.select(query, None)?.into();
        self.derived.push((query, rows.clone()));
        Ok(rows)
    }

    fn joined(
        &mut self,
        query: &'q Query,
        join: &'q Join,
        rows: Vec<Row>,
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Row>> {
        let scope = Scope::Query(query);
        let is_own = |column: &ColumnRef| column.table == join.source.name;
        let is_known = |expr: &Expr| match expr {
            Expr::Literal(_) => true,
            Expr::Column(column) => column.level > 0 || !is_own(column),
            _ => false,
        };
        let link = equality(&join.source, &join.on, &is_own, &is_known);
        let all = match (join.source.as_table(), link) {
            (Some(_), Some(_)) if rows.len() <= FEW => None,
            _ => Some(self.candidates(&join.source, link.map(|(column, _)| column))?),
        };
        let mut both = Vec::new();
        for mut row in rows {
            // What the join's equality asks for.
            let wanted = match link {
                Some((_, expr)) => {
                    let frame = Frame { scope, row: &row, group: None, outer };
                    Some(self.value(expr, Some(&frame))?.into_owned())
                }
                None => None,
            };
            let before = both.len();
            let mut pair = row.clone();
            let mut attempt = |this: &mut Self, other: &[Value]| -> Result<()> {
                pair.truncate(row.len());
                pair.extend_from_slice(other);
                let frame = Frame { scope, row: &pair, group: None, outer };
                if this.truth(&join.on, Some(&frame))? == Some(true) {
                    both.push(pair.clone());
                }
                Ok(())
            };
            match (&all, wanted) {
                // Equal to NULL is nothing.
                (_, Some(Value::Null)) => {}
                (Some(Candidates::Index(others, index)), Some(wanted)) => {
                    for at in index.get(&Key(vec![wanted])).into_iter().flatten() {
                        attempt(self, &others[*at])?;
                    }
                }
                (Some(Candidates::All(others) | Candidates::Index(others, _)), _) => {
                    for other in others.iter() {
                        attempt(self, other)?;
                    }
                }
                (None, wanted) => {
                    let Some(table) = join.source.as_table() else { continue };
                    let hint = link.zip(wanted.as_ref()).map(|((column, _), value)| (column, value));
                    for other in self.source.rows(table, hint)? {
                        attempt(self, &other)?;
                    }
                }
            }
            if join.left && both.len() == before {
                row.resize(row.len() + join.source.width(), Value::Null);
                both.push(row);
            }
        }
        Ok(both)
    }

    fn candidates(&mut self, source: &'q Source, column: Option<&str>) -> Result<Candidates> {
        let rows: Rc<[Row]> = match &source.rows {
            Rows::Table(table) => self.source.rows(table, None)?.into(),
            Rows::Query(derived, _) => self.derived(derived)?,
            Rows::Nothing => Rc::from([]),
        };
        let Some(position) = column.and_then(|column| source.column_index(column)) else {
            return Ok(Candidates::All(rows));
        };
        let mut index: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            if !row[position].is_null() {
                index.entry(Key(vec![row[position].clone()])).or_default().push(at);
            }
        }
        Ok(Candidates::Index(rows, index))
    }

    /// The value of a side that [`equality`] found, seen from the query around: its levels count one less.
    fn outside(&mut self, expr: &'q Expr, outer: Option<&Frame<'_>>) -> Result<Value> {
        match expr {
            Expr::Column(reference) => {
                let outside = ColumnRef { level: reference.level.saturating_sub(1), ..*reference };
                Frame::column(outer, &outside).cloned()
            }
            _ => self.value(expr, outer).map(std::borrow::Cow::into_owned),
        }
    }
}

/// A column of the source that the condition sets equal to something known without it: what a store can use an index
/// for. `id` is the best there is; then another column; then a constant.
fn equality<'q>(
    source: &Source,
    condition: &'q Expr,
    is_own: &dyn Fn(&ColumnRef) -> bool,
    is_known: &dyn Fn(&Expr) -> bool,
) -> Option<(&'static str, &'q Expr)> {
    fn visit<'q>(condition: &'q Expr, found: &mut dyn FnMut(&'q Expr, &'q Expr)) {
        match condition {
            Expr::And(all) => all.iter().for_each(|expr| visit(expr, found)),
            Expr::Compare { op: CompareOp::Eq, left, right } => {
                found(left, right);
                found(right, left);
            }
            _ => {}
        }
    }
    let id = source.as_table().map(|table| table.columns[table.id].name);
    let mut best: Option<(u8, &'static str, &'q Expr)> = None;
    visit(condition, &mut |own, other| {
        let Expr::Column(own) = own else { return };
        if own.level > 0 || !is_own(own) || !is_known(other) {
            return;
        }
        let rank = match other {
            _ if id == Some(own.column) => 0,
            Expr::Column(_) => 1,
            _ => 2,
        };
        if best.is_none_or(|(other, ..)| rank < other) {
            best = Some((rank, own.column, other));
        }
    });
    best.map(|(_, column, expr)| (column, expr))
}
