//! What an expression may name where it stands.

use crate::query::ir::{ColumnRef, Expr};
use crate::value::Kind;

/// A column of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) source: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

impl Column {
    pub(crate) fn expr(self, level: u8) -> Expr {
        Expr::Column(ColumnRef { level, table: self.source, column: self.name })
    }
}

/// One query around an expression.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    /// The columns of its sources.
    pub(crate) columns: Vec<Column>,
    /// What its rows are folded by, where the expression is about the groups.
    pub(crate) keys: Option<Vec<(Expr, Kind)>>,
}

impl Level {
    /// The columns an expression may name: of a group those that are keys.
    fn columns(&self) -> impl Iterator<Item = Column> {
        self.columns
            .iter()
            .copied()
            .filter(|column| self.keys.as_ref().is_none_or(|keys| keys.iter().any(|(key, _)| *key == column.expr(0))))
    }
}

/// The queries around an expression, outermost first.
pub(crate) type Scope = Vec<Level>;

/// Everything of a kind that can be named here.
pub(crate) fn leaves(scope: &Scope, kind: Kind) -> Vec<Expr> {
    let mut leaves: Vec<Expr> = Vec::new();
    for (level, query) in (0u8..).zip(scope.iter().rev()) {
        leaves.extend(query.columns().filter(|column| column.kind == kind).map(|column| column.expr(level)));
        if let (0, Some(keys)) = (level, &query.keys) {
            let computed = keys.iter().filter(|(key, of)| *of == kind && !matches!(key, Expr::Column(_)));
            leaves.extend(computed.map(|(key, _)| key.clone()));
        }
    }
    leaves
}

/// Whether the expression stands where aggregates may.
pub(crate) fn is_grouped(scope: &Scope) -> bool {
    scope.last().is_some_and(|level| level.keys.is_some())
}

/// Calls `inside` where the rows of the group are, as the argument of an aggregate.
pub(crate) fn in_group<T>(scope: &mut Scope, inside: impl FnOnce(&mut Scope) -> T) -> T {
    let keys = scope.last_mut().and_then(|level| level.keys.take());
    let result = inside(scope);
    if let Some(level) = scope.last_mut() {
        level.keys = keys;
    }
    result
}
