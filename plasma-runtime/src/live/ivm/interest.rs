//! Which changes of a table may concern a query.

use super::pipeline::Pipeline;
use super::source::{Rows, Table};
use crate::query::ir::{ColumnRef, CompareOp, Expr};
use crate::schema::TableDef;
use crate::value::compare::compare;
use crate::value::{Kind, Value};

/// The changes of one table that a query has to be told of: those whose row, before or after, satisfies this.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interest {
    /// SQL name of the table.
    pub table: &'static str,
    pub what: What,
}

/// Which rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// All of them.
    All,
    /// Those with one of these values in this column.
    Equal(usize, Vec<Value>),
    /// Those with a value in this range in this column.
    Range(usize, Range),
}

/// A range of values; an end that is not there is open. The flag says whether the end is inside.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Range {
    pub from: Option<(Value, bool)>,
    pub to: Option<(Value, bool)>,
}

impl Interest {
    pub(crate) fn all(table: &'static str) -> Self {
        Interest { table, what: What::All }
    }
}

impl Pipeline {
    /// The changes the query has to be told of. Others cannot change it.
    pub(crate) fn interests(&self) -> Vec<Interest> {
        let mut found = Vec::new();
        self.collect_interests(&mut found);
        // All changes of a table include the others.
        let all: Vec<_> = found.iter().filter(|one| one.what == What::All).map(|one| one.table).collect();
        let mut kept: Vec<Interest> = Vec::new();
        for interest in found {
            let covered = interest.what != What::All && all.contains(&interest.table);
            if !covered && !kept.contains(&interest) {
                kept.push(interest);
            }
        }
        kept
    }

    fn collect_interests(&self, found: &mut Vec<Interest>) {
        for source in &self.sources {
            match &source.rows {
                Rows::Table(table) => found.push(of(table)),
                Rows::Query(query) => query.collect_interests(found),
                Rows::Nothing => {}
            }
        }
        for attach in self.attach.iter().chain(&self.attach_to_groups) {
            for asked in &attach.asked {
                match asked.query() {
                    Some(query) => query.collect_interests(found),
                    None => found.extend(asked.tables().into_iter().map(Interest::all)),
                }
            }
        }
        for query in self.related.iter().flat_map(|related| &related.queries) {
            query.collect_interests(found);
        }
    }
}

/// The best that the conditions of a table give.
fn of(table: &Table) -> Interest {
    let mut best: Option<(u8, What)> = None;
    let mut offer = |rank: u8, what: What| {
        if best.as_ref().is_none_or(|(other, _)| rank < *other) {
            best = Some((rank, what));
        }
    };
    let mut ranges: Vec<(usize, Range)> = Vec::new();
    for condition in table.conditions() {
        match condition {
            Expr::Compare { op, left, right } => {
                let (column, op, value) = match (left.as_ref(), right.as_ref()) {
                    (Expr::Column(column), Expr::Literal(value)) => (column, *op, value),
                    (Expr::Literal(value), Expr::Column(column)) => (column, mirrored(*op), value),
                    _ => continue,
                };
                let Some(at) = index(table.table, column) else { continue };
                if value.is_null() {
                    continue;
                }
                if op == CompareOp::Eq {
                    // There are not many booleans.
                    let rank = if table.table.columns[at].kind == Kind::Bool { 3 } else { 0 };
                    offer(rank, What::Equal(at, vec![value.clone()]));
                } else if let Some(range) = range(op, value) {
                    ranges.push((at, range));
                }
            }
            Expr::In { expr, list } if list.iter().all(|value| !value.is_null()) => {
                if let Expr::Column(column) = expr.as_ref()
                    && let Some(at) = index(table.table, column)
                {
                    offer(1, What::Equal(at, list.clone()));
                }
            }
            _ => {}
        }
    }
    if let Some((at, _)) = ranges.first() {
        let at = *at;
        let all = ranges.into_iter().filter(|(other, _)| *other == at).map(|(_, range)| range);
        offer(2, What::Range(at, all.fold(Range::default(), Range::and)));
    }
    Interest { table: table.table.name, what: best.map_or(What::All, |(_, what)| what) }
}

fn index(table: &TableDef, column: &ColumnRef) -> Option<usize> {
    if column.level > 0 { None } else { table.column_index(column.column) }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Lte => CompareOp::Gte,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Gte => CompareOp::Lte,
        other => other,
    }
}

fn range(op: CompareOp, value: &Value) -> Option<Range> {
    let end = |inside| Some((value.clone(), inside));
    Some(match op {
        CompareOp::Lt => Range { from: None, to: end(false) },
        CompareOp::Lte => Range { from: None, to: end(true) },
        CompareOp::Gt => Range { from: end(false), to: None },
        CompareOp::Gte => Range { from: end(true), to: None },
        CompareOp::Eq | CompareOp::Ne | CompareOp::Is => return None,
    })
}

impl Range {
    /// What is in both.
    fn and(self, other: Range) -> Range {
        let later = |a: &(Value, bool), b: &(Value, bool)| compare(&a.0, &b.0).then(b.1.cmp(&a.1));
        let from = self.from.into_iter().chain(other.from).max_by(|a, b| later(a, b));
        let earlier = |a: &(Value, bool), b: &(Value, bool)| compare(&a.0, &b.0).then(a.1.cmp(&b.1));
        let to = self.to.into_iter().chain(other.to).min_by(|a, b| earlier(a, b));
        Range { from, to }
    }

    /// Whether a value is in it. NULL is in none.
    pub(crate) fn contains(&self, value: &Value) -> bool {
        let above = |(end, inside): &(Value, bool)| {
            let ordering = compare(value, end);
            ordering.is_gt() || *inside && ordering.is_eq()
        };
        let below = |(end, inside): &(Value, bool)| {
            let ordering = compare(value, end);
            ordering.is_lt() || *inside && ordering.is_eq()
        };
        !value.is_null() && self.from.as_ref().is_none_or(above) && self.to.as_ref().is_none_or(below)
    }
}
