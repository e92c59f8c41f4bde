//! Where the conditions of a query are looked at: as early as they can be.

use crate::query::eval::position;
use crate::query::ir::{ColumnRef, CompareOp, Expr, Part, Query};

use super::Refusal;

/// The conditions of a query, by where they are looked at.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Of a single source, before anything else.
    pub(super) sources: Vec<Vec<Expr>>,
    /// Of the joins.
    pub(super) joins: Vec<OfJoin>,
    /// Of the joined row.
    pub(super) rows: Vec<Expr>,
    /// Those with sub-queries.
    pub(super) late: Vec<Expr>,
}

/// The conditions of a join: what of the rows so far must equal what of the source, and the rest.
pub(super) type OfJoin = (Vec<(Expr, Expr)>, Vec<Expr>);

/// The places of a query's columns.
#[derive(Debug)]
pub(super) struct Places<'q> {
    pub(super) query: &'q Query,
    /// Where each source begins; behind the last, the end.
    pub(super) starts: Vec<usize>,
}

impl<'q> Places<'q> {
    pub(super) fn new(query: &'q Query) -> Self {
        let mut starts = vec![0];
        for source in query.sources() {
            starts.push(starts.last().unwrap_or(&0) + source.width());
        }
        Places { query, starts }
    }

    /// How many values a joined row has.
    pub(super) fn width(&self) -> usize {
        *self.starts.last().unwrap_or(&0)
    }

    pub(super) fn of(&self, column: &ColumnRef) -> Result<usize, Refusal> {
        if column.level > 0 {
            return Err(Refusal::new("it looks at a row of the query around it by more than equalities"));
        }
        position(self.query, column)
            .ok_or_else(|| Refusal::new(&format!("there is no column `{}.{}`", column.table, column.column)))
    }

    fn source_of(&self, place: usize) -> usize {
        self.starts.partition_point(|start| *start <= place).saturating_sub(1).min(self.starts.len() - 2)
    }

    /// The sources that an expression without sub-queries reads: the first and the last.
    fn sources_of(&self, expr: &Expr) -> Option<(usize, usize)> {
        let mut range: Option<(usize, usize)> = None;
        columns(expr, &mut |column| {
            if let Ok(place) = self.of(column) {
                let source = self.source_of(place);
                let (first, last) = range.unwrap_or((source, source));
                range = Some((first.min(source), last.max(source)));
            }
        });
        range
    }
}

/// Calls `visit` for the columns of an expression, not for those of sub-queries.
pub(super) fn columns<'e>(expr: &'e Expr, visit: &mut dyn FnMut(&'e ColumnRef)) {
    if let Expr::Column(column) = expr {
        visit(column);
    }
    expr.parts(&mut |part| {
        if let Part::Expr(expr) = part {
            columns(expr, visit);
        }
    });
}

/// The conditions that must all hold.
pub(super) fn parts(condition: &Expr, found: &mut Vec<Expr>) {
    match condition {
        Expr::And(all) => all.iter().for_each(|part| parts(part, found)),
        other => found.push(other.clone()),
    }
}

/// Deals the conditions of a query out.
pub(super) fn deal(places: &Places<'_>) -> Result<Conditions, Refusal> {
    let query = places.query;
    let mut dealt = Conditions {
        sources: places.starts.iter().skip(1).map(|_| Vec::new()).collect(),
        joins: query.joins.iter().map(|_| Default::default()).collect(),
        ..Conditions::default()
    };
    let inner = |source: usize| source == 0 || !query.joins[source - 1].left;
    let mut wanted = Vec::new();
    query.filter.iter().for_each(|filter| parts(filter, &mut wanted));
    for (at, join) in query.joins.iter().enumerate() {
        let mut on = Vec::new();
        parts(&join.on, &mut on);
        if !join.left {
            // Of an inner join, what is asked of the pairs may as well be asked of the rows.
            wanted.append(&mut on);
            continue;
        }
        for condition in on {
            if condition.has_query() {
                return Err(Refusal::new("the condition of a left join asks a sub-query"));
            }
            match places.sources_of(&condition) {
                Some((first, last)) if first == at + 1 && last == at + 1 => dealt.sources[at + 1].push(condition),
                _ => to_join(places, at, condition, &mut dealt),
            }
        }
    }
    for condition in wanted {
        if condition.has_query() {
            dealt.late.push(condition);
            continue;
        }
        match places.sources_of(&condition) {
            Some((first, last)) if first == last && inner(first) => dealt.sources[first].push(condition),
            Some((_, last)) if last > 0 && inner(last) => to_join(places, last - 1, condition, &mut dealt),
            _ => dealt.rows.push(condition),
        }
    }
    carry_over(places, &mut dealt);
    Ok(dealt)
}

/// Gives a condition to a join: as an equality of both sides, if it is one.
fn to_join(places: &Places<'_>, at: usize, condition: Expr, dealt: &mut Conditions) {
    let (keys, rest) = &mut dealt.joins[at];
    if let Expr::Compare { op: CompareOp::Eq, left, right } = &condition {
        let sides = (places.sources_of(left), places.sources_of(right));
        let pair = match sides {
            (Some((_, so_far)), Some((first, last))) if so_far <= at && first == at + 1 && last == at + 1 => {
                Some((left, right))
            }
            (Some((first, last)), Some((_, so_far))) if so_far <= at && first == at + 1 && last == at + 1 => {
                Some((right, left))
            }
            _ => None,
        };
        if let Some((so_far, source)) = pair {
            keys.push((so_far.as_ref().clone(), source.as_ref().clone()));
            return;
        }
    }
    rest.push(condition);
}

/// What is joined to a column that must be one value must be that value too: then only those rows are held.
fn carry_over(places: &Places<'_>, dealt: &mut Conditions) {
    let query = places.query;
    let mut links = Vec::new();
    for (at, (keys, _)) in dealt.joins.iter().enumerate() {
        for (so_far, source) in keys {
            links.push((so_far.clone(), source.clone()));
            if !query.joins[at].left {
                links.push((source.clone(), so_far.clone()));
            }
        }
    }
    let mut known: Vec<(Expr, Expr)> = dealt.sources.iter().flatten().filter_map(constant).collect();
    let mut next = 0;
    while next < known.len() {
        let (column, value) = known[next].clone();
        next += 1;
        for (from, to) in &links {
            let Expr::Column(target) = to else { continue };
            let Ok(place) = places.of(target) else { continue };
            let source = places.source_of(place);
            // Of a left join, only what is asked of the rows so far is carried over to the source.
            if *from != column || known.iter().any(|(other, same)| other == to && *same == value) {
                continue;
            }
            dealt.sources[source].push(Expr::eq(to.clone(), value.clone()));
            known.push((to.clone(), value.clone()));
        }
    }
}

fn constant(condition: &Expr) -> Option<(Expr, Expr)> {
    match condition {
        Expr::Compare { op: CompareOp::Eq, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(_), Expr::Literal(_)) => Some((left.as_ref().clone(), right.as_ref().clone())),
            (Expr::Literal(_), Expr::Column(_)) => Some((right.as_ref().clone(), left.as_ref().clone())),
            _ => None,
        },
        _ => None,
    }
}
