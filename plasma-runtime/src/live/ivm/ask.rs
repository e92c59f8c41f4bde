//! Sub-queries, prepared to be asked by rows.

use super::Refusal;
use super::attach::{Asked, AskedFor};
use super::bound::{self, Names};
use super::compile::compile;
use super::conditions::{Places, columns, parts};
use super::copies::Copies;
use crate::query::ir::{Aggregate, ColumnRef, CompareOp, Expr, Query, Select};

/// The names of a query's rows, and of the values attached to them.
pub(super) struct RowNames<'q> {
    pub(super) places: &'q Places<'q>,
    /// Which columns anybody asks for.
    pub(super) used: Vec<bool>,
    /// The sub-queries, as they stand in the query and prepared. Their values stand behind `base` others.
    pub(super) asked: Vec<(Expr, Asked)>,
    pub(super) base: usize,
    /// Values that stand in the rows already: sub-queries, and aggregates.
    pub(super) known: Vec<(Expr, usize)>,
}

impl<'q> RowNames<'q> {
    pub(super) fn new(places: &'q Places<'q>) -> Self {
        RowNames {
            places,
            used: vec![false; places.width()],
            asked: Vec::new(),
            base: places.width(),
            known: Vec::new(),
        }
    }

    fn prepared(&mut self, expr: &Expr) -> Result<Asked, Refusal> {
        if expr.looks_outside() {
            return Err(Refusal::new("a sub-query looks at a row of the query around the one it stands in"));
        }
        let (value, query) = match expr {
            Expr::Exists(query) | Expr::Scalar(query) => (None, query),
            Expr::InQuery { expr, query } => (Some(expr), query),
            _ => return Err(Refusal::new("this is no sub-query")),
        };
        if let Some(pipeline) = self.pipeline(expr, query)? {
            return Ok(pipeline);
        }
        if value.is_some_and(|value| value.has_aggregate()) {
            return Err(Refusal::new("a value of a group is looked for in rows that look at the group"));
        }
        // The evaluator may ask for any column.
        self.used.fill(true);
        let copies = Copies::new(expr.clone(), self.places.query.clone());
        Ok(Asked { by: Vec::new(), kind: AskedFor::Evaluated(Box::new(copies)) })
    }

    /// The sub-query as stages of its own: when it looks at the row that asks by equalities only.
    fn pipeline(&mut self, expr: &Expr, query: &Query) -> Result<Option<Asked>, Refusal> {
        let Some((mut alone, inside, outside)) = untied(query) else { return Ok(None) };
        let exists = matches!(expr, Expr::Exists(_));
        if exists && query.select == Select::Count {
            return Ok(None);
        }
        if exists && query.group.is_none() && !query.distinct {
            // Only their number matters.
            alone.select = Select::Count;
            alone.order.clear();
        }
        let Ok(pipeline) = compile(&alone, &inside, false) else { return Ok(None) };
        let query = Box::new(pipeline);
        let by = bound::all(&outside, self)?;
        let kind = match expr {
            Expr::Exists(_) => AskedFor::Exists(query),
            Expr::InQuery { expr: value, .. } => {
                let value = bound::bind(value, self)?;
                AskedFor::Among { value, query, members: Default::default() }
            }
            _ => AskedFor::First(query),
        };
        Ok(Some(Asked { by, kind }))
    }
}

impl Names for RowNames<'_> {
    fn column(&mut self, column: &ColumnRef) -> Result<usize, Refusal> {
        let place = self.places.of(column)?;
        if let Some(used) = self.used.get_mut(place) {
            *used = true;
        }
        Ok(place)
    }

    fn query(&mut self, expr: &Expr) -> Result<usize, Refusal> {
        if let Some((_, place)) = self.known.iter().find(|(known, _)| known == expr) {
            return Ok(*place);
        }
        if let Some(at) = self.asked.iter().position(|(known, _)| known == expr) {
            return Ok(self.base + at);
        }
        let asked = self.prepared(expr)?;
        self.asked.push((expr.clone(), asked));
        Ok(self.base + self.asked.len() - 1)
    }

    fn aggregate(&mut self, function: Aggregate, expr: Option<&Expr>) -> Result<usize, Refusal> {
        let wanted = Expr::Aggregate { function, expr: expr.map(|expr| Box::new(expr.clone())) };
        let known = self.known.iter().find(|(known, _)| *known == wanted);
        known.map(|(_, place)| *place).ok_or_else(|| Refusal::new("an aggregate stands outside of a group"))
    }
}

/// A sub-query without the equalities that tie it to the row that asks; and those: what of its rows equals what of the
/// row that asks. None when it looks at that row in another way.
fn untied(query: &Query) -> Option<(Query, Vec<Expr>, Vec<Expr>)> {
    let mut conditions = Vec::new();
    query.filter.iter().for_each(|filter| parts(filter, &mut conditions));
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    conditions.retain(|condition| match tie(condition) {
        Some((inner, outer)) => {
            inside.push(inner);
            outside.push(outer);
            false
        }
        None => true,
    });
    let mut alone = query.clone();
    alone.filter = match conditions.len() {
        0 => None,
        _ => Some(Expr::And(conditions)),
    };
    (!alone.is_correlated()).then_some((alone, inside, outside))
}

/// `column of the sub-query = column of the row that asks`, either way round.
fn tie(condition: &Expr) -> Option<(Expr, Expr)> {
    let Expr::Compare { op: CompareOp::Eq, left, right } = condition else { return None };
    let (inner, outer) = match (levels(left)?, levels(right)?) {
        ((0, 0), (1, 1)) => (left, right),
        ((1, 1), (0, 0)) => (right, left),
        _ => return None,
    };
    let mut outer = outer.as_ref().clone();
    raise(&mut outer);
    Some((inner.as_ref().clone(), outer))
}

/// The lowest and the highest level of an expression's columns; none without columns, or with a sub-query.
fn levels(expr: &Expr) -> Option<(u8, u8)> {
    if expr.has_query() || expr.has_aggregate() {
        return None;
    }
    let mut found: Option<(u8, u8)> = None;
    columns(expr, &mut |column| {
        let (low, high) = found.unwrap_or((column.level, column.level));
        found = Some((low.min(column.level), high.max(column.level)));
    });
    found
}

/// The same expression, one query further out.
fn raise(expr: &mut Expr) {
    if let Expr::Column(column) = expr {
        column.level = column.level.saturating_sub(1);
    }
    expr.parts_mut(&mut |part| {
        if let crate::query::ir::PartMut::Expr(expr) = part {
            raise(expr);
        }
    });
}
