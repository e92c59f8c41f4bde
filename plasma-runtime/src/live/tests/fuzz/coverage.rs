//! What a run has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::super::delta::Delta;
use crate::live::ivm::{Class, class_of};
use crate::query::ir::{Aggregate, Expr, Part, Query, Rows, Select};
use crate::value::Row;

/// What was compared, and how rich it was.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Live queries that saw at least one step.
    pub pairs: usize,
    /// Steps by their names.
    steps: BTreeMap<&'static str, usize>,
    /// Pairs by what the query has.
    features: BTreeMap<&'static str, usize>,
    /// Looks at a live query that found SQLite's answer.
    pub same: usize,
    /// Of those, with rows.
    pub filled: usize,
    /// A calculation left its range, on one side at least.
    pub overflows: usize,
    /// Deltas by what they say.
    deltas: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(super) fn pair(&mut self, query: &Query) {
        self.pairs += 1;
        for feature in features(query) {
            *self.features.entry(feature).or_default() += 1;
        }
    }

    pub(super) fn step(&mut self, name: &'static str) {
        *self.steps.entry(name).or_default() += 1;
    }

    pub(super) fn delta(&mut self, delta: &Delta<Row>) {
        let moved = delta.changed.iter().any(|changed| changed.old == changed.new);
        let several = delta.added.len() + delta.removed.len() + delta.changed.len() > 1;
        let changed = delta.changed.iter().any(|changed| changed.old != changed.new);
        let says = [
            ("all", true),
            ("added", !delta.added.is_empty()),
            ("removed", !delta.removed.is_empty()),
            ("changed", changed),
            ("moved", moved),
            ("several", several),
        ];
        for (name, _) in says.into_iter().filter(|(_, says)| *says) {
            *self.deltas.entry(name).or_default() += 1;
        }
    }

    /// Percents of the pairs that have a feature.
    pub(super) fn percent(&self, feature: &str) -> usize {
        self.features.get(feature).copied().unwrap_or(0) * 100 / self.pairs.max(1)
    }

    /// The run was worth something: at least so many percent of the pairs have these features, `filled` percent of the
    /// answers have rows, no kind of step or delta is missing.
    pub(super) fn assert_rich(&self, features: &[(&str, usize)], filled: usize) {
        for (feature, least) in features {
            assert!(self.percent(feature) >= *least, "fewer than {least} % of the pairs have `{feature}`: {self}");
        }
        assert!(self.overflows * 8 < self.same, "overflows hide too much: {self}");
        assert!(self.filled * 100 > self.same * filled, "too few answers have rows: {self}");
        assert_eq!(self.steps.len(), 10, "a kind of step is missing: {self}");
        let kinds = ["added", "removed", "changed", "several"];
        assert!(kinds.iter().all(|kind| self.deltas.contains_key(kind)), "a kind of delta is missing: {self}");
        assert!(self.deltas["all"] * 12 > self.same, "too little changes: {self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { pairs, same, filled, overflows, .. } = self;
        writeln!(f, "{pairs} pairs; {same} answers are the same, {filled} with rows, {overflows} overflows")?;
        let list = |counts: &BTreeMap<&'static str, usize>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
        };
        writeln!(f, "  steps: {}", list(&self.steps))?;
        writeln!(f, "  deltas: {}", list(&self.deltas))?;
        let percents: Vec<_> =
            self.features.keys().map(|feature| format!("{feature} {} %", self.percent(feature))).collect();
        write!(f, "  pairs with: {}", percents.join(", "))
    }
}

/// What a query has, at any depth.
fn features(query: &Query) -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    let class = class_of(query);
    let at_first = [
        ("incremental", !matches!(class, Class::None { .. })),
        ("window over a join", !query.joins.is_empty() && query.limit.is_some()),
        ("window with offset", query.limit.is_some() && query.offset.is_some_and(|offset| offset > 0)),
        ("group over a join", !query.joins.is_empty() && query.group.is_some()),
        ("order", !query.order.is_empty()),
        ("limit", query.limit.is_some()),
        ("nested", !query.nested.is_empty()),
        ("nested in nested", query.nested.iter().any(|nested| !nested.query.nested.is_empty())),
        ("window of nested rows", query.nested.iter().any(|nested| nested.query.limit.is_some())),
        ("two joins", query.joins.len() > 1),
    ];
    all.extend(at_first.into_iter().filter(|(_, has)| *has).map(|(name, _)| name));
    query.queries(&mut |query| {
        let tables: Vec<_> = query.sources().filter_map(|source| source.as_table()).collect();
        let keys = query.group.as_ref().map(|group| group.keys.len());
        let has = [
            ("inner join", query.joins.iter().any(|join| !join.left)),
            ("left join", query.joins.iter().any(|join| join.left)),
            ("derived table", query.sources().any(|source| matches!(source.rows, Rows::Query(..)))),
            ("same table twice", tables.iter().enumerate().any(|(at, table)| tables[..at].contains(table))),
            ("filter", query.filter.is_some()),
            ("group", keys.is_some()),
            ("one group", keys == Some(0)),
            ("having", query.group.as_ref().is_some_and(|group| group.having.is_some())),
            ("distinct", query.distinct),
            ("count of rows", query.select == Select::Count),
        ];
        all.extend(has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name));
        query.parts(&mut |part| {
            if let Part::Expr(expr) = part {
                in_expr(expr, &mut all);
            }
        });
    });
    all
}

fn in_expr(expr: &Expr, all: &mut BTreeSet<&'static str>) {
    let name = match expr {
        Expr::Exists(_) => Some("exists"),
        Expr::InQuery { .. } => Some("in query"),
        Expr::Scalar(_) => Some("scalar"),
        Expr::Not(inner) if matches!(**inner, Expr::Exists(_)) => Some("not exists"),
        Expr::Not(inner) if matches!(**inner, Expr::InQuery { .. }) => Some("not in query"),
        Expr::Aggregate { function, .. } => Some(match function {
            Aggregate::Count => "count",
            Aggregate::CountDistinct => "count distinct",
            Aggregate::Sum => "sum",
            Aggregate::Avg => "avg",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
        }),
        _ => None,
    };
    all.extend(name);
    expr.parts(&mut |part| match part {
        Part::Expr(expr) => in_expr(expr, all),
        Part::Query { query, .. } => {
            if query.is_correlated() {
                all.insert("correlated");
            }
        }
    });
}
