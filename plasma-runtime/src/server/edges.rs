//! How a change in a table that a policy reads finds the rows whose visibility it may change.
//!
//! A rule such as `exists(shares where shares.list_id = lists.id and shares.user = 'bob')` gives an [`Edge`]: a changed
//! share that meets the constants reaches the lists whose `id` equals its `list_id`. Sub-queries inside sub-queries give
//! chains. Whatever cannot be reached by an equality is listed as [`Unreachable`], with the reason: a change there makes
//! every row of the target a candidate.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::mutate::ErasedCtx;
use crate::query::ir::{ColumnRef, CompareOp, Expr, Part, Query, Select};
use crate::schema::TableDef;
use crate::value::Value;

/// Hops a chain may have. Each hop is one indexed read per changed row; longer chains fan out too far to be worth it.
const MAX_HOPS: usize = 4;

/// What a read rule depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Analysis {
    /// The ways from changed rows to the rows of the rule's table.
    pub(crate) edges: Vec<Edge>,
    /// The dependencies without a way.
    pub(crate) unreachable: Vec<Unreachable>,
    /// All tables the rule reads besides the row itself.
    pub(crate) deps: BTreeSet<&'static str>,
}

/// A way from a changed row of `dep` to rows of the rule's table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edge {
    /// The table the rule reads.
    pub(crate) dep: &'static TableDef,
    /// Positions of the columns of `dep` the rule looks at: a change of others changes nothing.
    pub(crate) columns: BTreeSet<usize>,
    /// What a row of `dep` must hold to matter: column position, and one of these values.
    pub(crate) constants: Vec<(usize, Vec<Value>)>,
    /// From `dep` up; the last step ends in the rule's table.
    pub(crate) steps: Vec<Step>,
}

/// From a row to the rows of `table` whose `column` equals the row's `from`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Position of the column in the row below.
    pub(crate) from: usize,
    /// The table above.
    pub(crate) table: &'static TableDef,
    /// Position of its column.
    pub(crate) column: usize,
}

/// A dependency that no equality ties to the rows that depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreachable {
    /// The table the rule reads.
    pub(crate) dep: &'static TableDef,
    /// Why, for the warning.
    pub(crate) reason: &'static str,
}

/// One enclosing query of the expression that is looked at, the rule's own table first.
struct Scope {
    table: &'static TableDef,
    /// From a row of this scope to the rule's table; none when there is no way.
    steps: Option<Vec<Step>>,
    columns: BTreeSet<usize>,
}

/// Analyses the read rule of `table`.
pub(crate) fn analyse(table: &'static TableDef, rule: &Expr) -> Analysis {
    let mut analysis = Analysis::default();
    let mut scopes = vec![Scope { table, steps: Some(Vec::new()), columns: BTreeSet::new() }];
    expression(rule, false, &mut scopes, &mut analysis);
    analysis
}

/// The same rule for the evaluation in memory: `x in (select c ..)` becomes `exists(.. where c = x)` where false and
/// unknown are the same, so that rows are looked up by what ties them and not by what they all have in common.
pub(crate) fn tied(rule: &Expr) -> Expr {
    match rule {
        Expr::And(all) => Expr::And(all.iter().map(tied).collect()),
        Expr::Or(any) => Expr::Or(any.iter().map(tied).collect()),
        Expr::Exists(query) => Expr::Exists(Box::new(tied_query(query, None))),
        Expr::InQuery { expr, query }
            if query.limit.is_none() && query.offset.is_none() && query.plain_table().is_some() =>
        {
            match (&**expr, &query.select) {
                (Expr::Column(outer), Select::Exprs(exprs)) if matches!(exprs.as_slice(), [Expr::Column(_)]) => {
                    let outer = Expr::Column(ColumnRef { level: outer.level + 1, ..*outer });
                    let pair = Expr::eq(exprs[0].clone(), outer);
                    Expr::Exists(Box::new(Query { select: Select::Row, ..tied_query(query, Some(pair)) }))
                }
                _ => rule.clone(),
            }
        }
        // Everything else may tell false from unknown, or has no sub-query.
        other => other.clone(),
    }
}

fn tied_query(query: &Query, pair: Option<Expr>) -> Query {
    let filter = query.filter.as_ref().map(tied);
    let filter = match (filter, pair) {
        (Some(filter), Some(pair)) => Some(filter.and(pair)),
        (filter, pair) => filter.or(pair),
    };
    Query { filter, ..query.clone() }
}

/// Warns about what makes pulls slow, once per table and reason in the life of the process.
///
/// Rules are known once they are bound to a caller, so this runs at the first pull that binds such a rule; an
/// application learns it earlier by [`ServerEngine::policy_warnings`](super::ServerEngine::policy_warnings).
pub(crate) fn warn_once(table: &'static TableDef, analysis: &Analysis) {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for warning in warnings(table, analysis) {
        if WARNED.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.clone()) {
            tracing::warn!(table = table.name, "{warning}");
        }
    }
}

/// What makes pulls under this rule slow, for people.
pub(crate) fn warnings(table: &TableDef, analysis: &Analysis) -> Vec<String> {
    let mut warnings = Vec::new();
    for Unreachable { dep, reason } in &analysis.unreachable {
        warnings.push(format!(
            "the read policy of `{}` reads `{}`, but {reason}: every change of `{}` makes pulls look at all rows of `{}`",
            table.name, dep.name, dep.name, table.name
        ));
    }
    for step in analysis.edges.iter().flat_map(|edge| &edge.steps) {
        if !step.table.is_indexed(step.column) {
            let column = step.table.columns[step.column].name;
            let warning = format!(
                "the read policy of `{}` compares `{}.{column}`, which has no index: pulls scan the table",
                table.name, step.table.name
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
    }
    warnings
}

impl super::ServerEngine {
    /// What makes pulls slow under the read policies of a caller with this context, one sentence each; empty when every
    /// table a policy reads is tied to the rows it protects by an equality on an indexed column. For tests and start-up.
    ///
    /// # Errors
    /// Whatever the application's policies fail with.
    pub fn policy_warnings(&self, ctx: &ErasedCtx) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for table in self.definition().schema.synced().filter(|table| !table.open) {
            if let Some(rules) = self.rules(ctx, table)? {
                found.extend(warnings(table, &analyse(table, &rules.read)));
            }
        }
        Ok(found)
    }
}

/// `negated`: under a `not` or inside a comparison, where false and unknown differ.
fn expression(expr: &Expr, negated: bool, scopes: &mut Vec<Scope>, analysis: &mut Analysis) {
    match expr {
        Expr::Column(column) => {
            let at = scopes.len().checked_sub(1 + usize::from(column.level));
            if let Some(scope) = at.and_then(|at| scopes.get_mut(at)) {
                scope.columns.extend(scope.table.column_index(column.column));
            }
        }
        Expr::Literal(_) => {}
        Expr::Compare { left, right, .. } => {
            expression(left, true, scopes, analysis);
            expression(right, true, scopes, analysis);
        }
        Expr::And(all) | Expr::Or(all) => all.iter().for_each(|expr| expression(expr, negated, scopes, analysis)),
        Expr::Not(expr) | Expr::IsNull(expr) => expression(expr, true, scopes, analysis),
        Expr::In { expr, .. } | Expr::Like { expr, .. } | Expr::Has { set: expr, .. } => {
            expression(expr, true, scopes, analysis);
        }
        Expr::Exists(query) => subquery(query, None, negated, scopes, analysis),
        Expr::Scalar(query) => opaque(query, "its value, not its rows, is used", scopes, analysis),
        Expr::Arithmetic { .. } | Expr::Function { .. } | Expr::Case { .. } | Expr::Aggregate { .. } => {
            expr.parts(&mut |part| {
                if let Part::Expr(expr) = part {
                    expression(expr, true, scopes, analysis);
                }
            });
        }
        Expr::InQuery { expr, query } => {
            expression(expr, true, scopes, analysis);
            subquery(query, Some(expr), negated, scopes, analysis);
        }
    }
}

fn subquery(query: &Query, tested: Option<&Expr>, negated: bool, scopes: &mut Vec<Scope>, analysis: &mut Analysis) {
    let Some(table) = query.plain_table() else {
        return opaque(query, "its sub-query joins or folds rows", scopes, analysis);
    };
    analysis.deps.insert(table.name);
    let steps = match way_up(query, table, tested, negated, scopes) {
        Ok(steps) => Some(steps),
        Err(reason) => {
            analysis.unreachable.push(Unreachable { dep: table, reason });
            None
        }
    };
    scopes.push(Scope { table, steps: steps.clone(), columns: BTreeSet::new() });
    let selected: &[Expr] = match &query.select {
        Select::Exprs(exprs) => exprs,
        Select::Row | Select::Count => &[],
    };
    for expr in query.filter.iter().chain(selected).chain(query.order.iter().map(|order| &order.expr)) {
        expression(expr, negated, scopes, analysis);
    }
    let scope = scopes.pop().expect("pushed above");
    if let Some(steps) = steps {
        let constants = constants(query, table);
        analysis.edges.push(Edge { dep: table, columns: scope.columns, constants, steps });
    }
}

/// A sub-query whose rows cannot be followed to the row the rule protects. What it looks at of the queries around it
/// still matters there.
fn opaque(query: &Query, reason: &'static str, scopes: &mut [Scope], analysis: &mut Analysis) {
    for table in query.tables() {
        analysis.deps.insert(table.name);
        analysis.unreachable.push(Unreachable { dep: table, reason });
    }
    query.parts(&mut |part| outer_columns(&part, 1, scopes));
}

/// Notes the columns of the scopes that a part reads which stands `depth` queries further in.
fn outer_columns(part: &Part<'_>, depth: usize, scopes: &mut [Scope]) {
    match part {
        Part::Expr(Expr::Column(column)) => {
            let level = usize::from(column.level).checked_sub(depth);
            let at = level.and_then(|level| scopes.len().checked_sub(1 + level));
            if let Some(scope) = at.and_then(|at| scopes.get_mut(at)) {
                scope.columns.extend(scope.table.column_index(column.column));
            }
        }
        Part::Expr(expr) => expr.parts(&mut |part| {
            let depth = depth + usize::from(matches!(part, Part::Query { .. }));
            outer_columns(&part, depth, scopes);
        }),
        // The parts of a query are inside of it: the depth was counted where it was met.
        Part::Query { query, correlated: true } => query.parts(&mut |part| outer_columns(&part, depth, scopes)),
        Part::Query { .. } => {}
    }
}

/// The steps from a row of `query` to the rule's table, over the equality that is best to read by.
fn way_up(
    query: &Query,
    table: &'static TableDef,
    tested: Option<&Expr>,
    negated: bool,
    scopes: &[Scope],
) -> Result<Vec<Step>, &'static str> {
    if query.offset.is_some() || query.limit.is_some() {
        return Err("its sub-query has a limit");
    }
    if query.select == Select::Count {
        return Err("its sub-query counts");
    }
    // Pairs of (column of the sub-query's table, scope, column of that scope's table).
    let mut pairs = Vec::new();
    if let (Some(Expr::Column(outer)), Select::Exprs(exprs)) = (tested, &query.select)
        && let [Expr::Column(inner)] = exprs.as_slice()
    {
        let nullable = table.column(inner.column).is_none_or(|column| column.nullable);
        // `x not in (.., NULL)` is unknown for every x: such a row concerns rows no equality finds.
        if inner.level == 0 && negated && nullable {
            return Err("a column that may be NULL is tested by a negated `in`");
        }
        if inner.level == 0 {
            pairs.push((inner.column, scopes.len().checked_sub(1 + usize::from(outer.level)), outer.column));
        }
    }
    for conjunct in conjuncts(query) {
        if let Expr::Compare { op: CompareOp::Eq, left, right } = conjunct
            && let (Expr::Column(a), Expr::Column(b)) = (&**left, &**right)
        {
            let (inner, outer) = if a.level == 0 { (a, b) } else { (b, a) };
            if inner.level == 0 && outer.level > 0 {
                pairs.push((inner.column, scopes.len().checked_sub(usize::from(outer.level)), outer.column));
            }
        }
    }
    let mut best: Option<(bool, Vec<Step>)> = None;
    let mut reason = "no equality ties its rows to the row it protects";
    for (from, scope, column) in pairs {
        let Some(scope) = scope.and_then(|at| scopes.get(at)) else { continue };
        let (Some(from), Some(column)) = (table.column_index(from), scope.table.column_index(column)) else {
            continue;
        };
        let Some(above) = &scope.steps else {
            reason = "it is read through a table that cannot be followed";
            continue;
        };
        if above.len() + 1 > MAX_HOPS {
            reason = "its chain of sub-queries is too long";
            continue;
        }
        let mut steps = vec![Step { from, table: scope.table, column }];
        steps.extend(above.iter().cloned());
        let indexed = steps.iter().all(|step| step.table.is_indexed(step.column));
        let better = match &best {
            None => true,
            Some((known, path)) => (indexed, usize::MAX - steps.len()) > (*known, usize::MAX - path.len()),
        };
        if better {
            best = Some((indexed, steps));
        }
    }
    best.map(|(_, steps)| steps).ok_or(reason)
}

/// The conditions that must all hold for a row of the sub-query.
fn conjuncts(query: &Query) -> Vec<&Expr> {
    let mut found = Vec::new();
    let mut rest: Vec<&Expr> = query.filter.iter().collect();
    while let Some(expr) = rest.pop() {
        match expr {
            Expr::And(all) => rest.extend(all),
            other => found.push(other),
        }
    }
    found
}

/// The columns of the sub-query's table that must hold one of given values.
fn constants(query: &Query, table: &TableDef) -> Vec<(usize, Vec<Value>)> {
    let mut found = Vec::new();
    let own = |expr: &Expr| match expr {
        Expr::Column(column) if column.level == 0 => table.column_index(column.column),
        _ => None,
    };
    for conjunct in conjuncts(query) {
        match conjunct {
            Expr::Compare { op: CompareOp::Eq | CompareOp::Is, left, right } => {
                let (column, literal) = match (&**left, &**right) {
                    (column, Expr::Literal(value)) | (Expr::Literal(value), column) => (own(column), value),
                    _ => continue,
                };
                if let (Some(column), false) = (column, literal.is_null()) {
                    found.push((column, vec![literal.clone()]));
                }
            }
            Expr::In { expr, list } => found.extend(own(expr).map(|column| (column, list.clone()))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
