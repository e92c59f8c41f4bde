//! Random queries.

use std::sync::LazyLock;

use super::Choices;
use super::scope::{Column, Level, Scope};
use crate::query::ir::{Expr, Group, Join, Nested, Order, Query, Rows, Select, Source};
use crate::schema::TableDef;
use crate::value::Kind;

/// Where a query stands: decides what it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// The whole, or related rows so many levels down.
    Rows { nesting: usize },
    /// It has one column, of this kind.
    Value(Kind),
    /// Only whether it has rows matters.
    Exists,
    /// A derived table.
    Table,
}

/// Names for sources that come a second time, and for derived tables. Some are also names of columns, or need quotes.
const ALIASES: [&str; 6] = ["other", "text", "select", "o'ther\"", "few2", "Ω"];

/// Columns of a derived table at most.
const WIDEST: usize = 30;

/// Names for the columns of derived tables.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let plain = (2..WIDEST).map(|n| &*Box::leak(format!("c{n}").into_boxed_str()));
    ["id", "order"].into_iter().chain(plain).collect()
});

pub(super) fn outermost(choices: &mut Choices<'_>) -> Query {
    let depth = 3 + choices.below(3);
    query(choices, &mut Vec::new(), Place::Rows { nesting: 0 }, depth).0
}

pub(super) fn filter(choices: &mut Choices<'_>, table: &'static TableDef) -> Expr {
    let (_, columns) = named(Source::table(table), &kinds_of(table));
    choices.condition(&mut vec![Level { columns, keys: None }], 3)
}

/// A query inside of an expression.
pub(super) fn inner(choices: &mut Choices<'_>, scope: &mut Scope, place: Place, depth: usize) -> Query {
    query(choices, scope, place, depth).0
}

/// A query and the kinds of its columns.
fn query(choices: &mut Choices<'_>, around: &mut Scope, place: Place, depth: usize) -> (Query, Vec<Kind>) {
    let nested_place = matches!(place, Place::Rows { nesting: 1.. });
    let (from, columns) = choices.source(&[], depth, nested_place);
    around.push(Level { columns, keys: None });
    let mut query = Query::of(from);
    choices.joins(&mut query, around, depth);
    if choices.below(5) > if nested_place { 3 } else { 1 } {
        query.filter = Some(choices.condition(around, depth));
    }
    if !nested_place && choices.below(5) > 2 {
        choices.group(&mut query, around, depth);
    }
    let kinds = choices.selected(&mut query, around, place, depth);
    let related = matches!(place, Place::Rows { .. }) && query.group.is_none() && query.select != Select::Count;
    query.distinct = !nested_place && query.select != Select::Count && choices.once_in(5);
    for _ in 0..choices.below(3) + usize::from(nested_place) {
        let expr = choices.order_key(&query, around, depth.min(2));
        query.order.push(Order { expr, descending: choices.once_in(2) });
    }
    query.limit = choices.once_in(3).then(|| choices.pick(&[3, 2, 1, 100, 0]));
    query.offset = choices.once_in(4).then(|| choices.below(3) as u64);
    if let (Place::Rows { nesting: nesting @ 0..3 }, true, false) = (place, related, query.distinct) {
        choices.nested(&mut query, around, nesting, depth);
    }
    around.pop();
    (query, kinds)
}

fn kinds_of(table: &TableDef) -> Vec<Kind> {
    table.columns.iter().map(|column| column.kind).collect()
}

/// A source and its columns.
fn named(source: Source, kinds: &[Kind]) -> (Source, Vec<Column>) {
    let names = source.columns().into_iter().zip(kinds);
    let columns = names.map(|(name, kind)| Column { source: source.name, name, kind: *kind }).collect();
    (source, columns)
}

impl Choices<'_> {
    /// A source under a name that is not taken.
    fn source(&mut self, taken: &[&'static str], depth: usize, only_table: bool) -> (Source, Vec<Column>) {
        self.sources = self.sources.saturating_sub(1);
        if !only_table && depth > 0 && self.sources > 0 && self.once_in(6) {
            // It sees nothing of what is around it.
            let (query, kinds) = query(self, &mut Vec::new(), Place::Table, depth - 1);
            let name = self.alias(taken);
            return named(Source { name, rows: Rows::Query(Box::new(query), NAMES[..kinds.len()].to_vec()) }, &kinds);
        }
        let table = self.table();
        let name = if taken.contains(&table.name) || self.once_in(6) { self.alias(taken) } else { table.name };
        named(Source { name, rows: Rows::Table(table) }, &kinds_of(table))
    }

    fn alias(&mut self, taken: &[&'static str]) -> &'static str {
        let free: Vec<_> = ALIASES.into_iter().filter(|name| !taken.contains(name)).collect();
        self.pick(&free)
    }

    fn joins(&mut self, query: &mut Query, around: &mut Scope, depth: usize) {
        let most = self.sources.min(if depth > 1 { 3 } else { 1 });
        for _ in 0..self.below(most + 1) {
            let taken: Vec<_> = query.sources().map(|source| source.name).collect();
            let (source, columns) = self.source(&taken, depth, false);
            let level = around.len() - 1;
            let before = around[level].columns.clone();
            around[level].columns.extend(&columns);
            // Mostly by a column of the same kind, as joins are; with more conditions, or another one altogether.
            let mut on = Vec::new();
            if !self.once_in(5) {
                let kind = self.pick(&[Kind::Id, Kind::Id, Kind::Id, Kind::Int, Kind::Text, Kind::Float, Kind::Bool]);
                let left: Vec<_> = before.iter().filter(|column| column.kind == kind).collect();
                let right: Vec<_> = columns.iter().filter(|column| column.kind == kind).collect();
                if !left.is_empty() && !right.is_empty() {
                    on.push(Expr::eq(self.pick(&left).expr(0), self.pick(&right).expr(0)));
                }
            }
            if on.is_empty() || self.once_in(4) {
                on.push(self.condition(around, depth.min(3)));
            }
            let on = if on.len() == 1 && self.once_in(2) { on.remove(0) } else { Expr::And(on) };
            query.joins.push(Join { left: self.once_in(2), source, on });
        }
    }

    fn group(&mut self, query: &mut Query, around: &mut Scope, depth: usize) {
        let keys: Vec<(Expr, Kind)> = (0..self.below(3))
            .map(|_| {
                let kind = self.kind();
                (self.expr(around, kind, depth.min(2)), kind)
            })
            .collect();
        let exprs = keys.iter().map(|(key, _)| key.clone()).collect();
        if let Some(level) = around.last_mut() {
            level.keys = Some(keys);
        }
        let having = self.once_in(2).then(|| self.condition(around, depth.min(4)));
        query.group = Some(Group { keys: exprs, having });
    }

    fn selected(&mut self, query: &mut Query, around: &mut Scope, place: Place, depth: usize) -> Vec<Kind> {
        let exprs = |this: &mut Self, around: &mut Scope, kinds: Vec<Kind>| {
            let exprs = kinds.iter().map(|kind| this.expr(around, *kind, depth.min(4))).collect();
            (Select::Exprs(exprs), kinds)
        };
        let count_fits = match place {
            Place::Value(kind) => kind == Kind::BigInt,
            Place::Rows { nesting } => nesting == 0,
            Place::Exists | Place::Table => true,
        };
        let (select, kinds) = match (place, self.below(5)) {
            (_, 4) if count_fits => (Select::Count, vec![Kind::BigInt]),
            (Place::Value(kind), _) => exprs(self, around, vec![kind]),
            (_, 0 | 1 | 4) if query.group.is_none() && (place != Place::Table || query.width() <= WIDEST) => {
                let columns = &around.last().expect("the query's own level").columns;
                (Select::Row, columns.iter().map(|column| column.kind).collect())
            }
            _ => {
                let kinds = (0..1 + self.below(3)).map(|_| self.kind()).collect();
                exprs(self, around, kinds)
            }
        };
        query.select = select;
        kinds
    }

    /// Of a distinct query something selected, of a group something of it, else anything.
    fn order_key(&mut self, query: &Query, around: &mut Scope, depth: usize) -> Expr {
        match (&query.select, query.distinct) {
            (Select::Exprs(exprs), true) => self.pick(exprs),
            (_, true) => {
                let columns = around.last().map_or(&[][..], |level| &level.columns);
                self.pick(columns).expr(0)
            }
            _ => {
                let kind = self.kind();
                self.expr(around, kind, depth)
            }
        }
    }

    fn nested(&mut self, parent: &mut Query, around: &Scope, nesting: usize, depth: usize) {
        let columns: Vec<Column> = around.last().map_or(&[][..], |level| &level.columns).to_vec();
        for _ in 0..self.below(4) {
            let by: Vec<_> = columns.iter().filter(|column| column.kind == Kind::Id).collect();
            if by.is_empty() || self.sources == 0 {
                return;
            }
            let by = self.pick(&by);
            let (query, _) =
                query(self, &mut Vec::new(), Place::Rows { nesting: nesting + 1 }, depth.saturating_sub(1));
            let column = self.pick(&["ref", "ref", "id"]);
            let Expr::Column(parent_column) = by.expr(0) else { return };
            parent.nested.push(Nested { parent: parent_column, column, query });
        }
    }
}
