//! Random queries of the shapes that applications keep live: less wild than those of the evaluator's comparison, so that
//! joins meet, groups grow and shrink, and a change of one row moves the edge of a window.

use super::rows::constant;
use crate::query::eval::tests::generate::Choices;
use crate::query::eval::tests::generate::scope::{Column, Level};
use crate::query::ir::{
    Aggregate, ColumnRef, CompareOp, Expr, Group, Join, Nested, Order, Query, Rows, Select, Source,
};
use crate::schema::TableDef;
use crate::value::Kind;

/// What a run is mostly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// One table, ordered and cut; related rows.
    Windows,
    /// Joins, `exists`, `in`, scalars.
    Joins,
    /// Groups, `having`, distinct rows, derived tables.
    Groups,
    /// The queries of the evaluator's own comparison.
    Anything,
}

/// Kinds with few values, which rows share.
const SHARED: [Kind; 6] = [Kind::Bool, Kind::Int, Kind::Id, Kind::Text, Kind::BigInt, Kind::Float];
const COMPARISONS: [CompareOp; 7] =
    [CompareOp::Gte, CompareOp::Ne, CompareOp::Lte, CompareOp::Eq, CompareOp::Gt, CompareOp::Lt, CompareOp::Is];
const ALIASES: [&str; 4] = ["other", "text", "o'ther\"", "Ω"];
/// Columns of a derived table.
const NAMES: [&str; 6] = ["id", "order", "c2", "c3", "c4", "c5"];

/// A query.
pub(super) fn query(choices: &mut Choices<'_>, lane: Lane) -> Query {
    if lane == Lane::Anything { choices.query() } else { outermost(choices, lane) }
}

fn outermost(choices: &mut Choices<'_>, lane: Lane) -> Query {
    let derived = choices.once_in(if lane == Lane::Groups { 5 } else { 10 });
    let (from, mut columns) = source(choices, &[], derived);
    let mut query = Query::of(from);
    let joins = match lane {
        Lane::Windows => usize::from(choices.once_in(8)),
        Lane::Joins => 1 + choices.below(2),
        Lane::Groups | Lane::Anything => usize::from(choices.once_in(2)),
    };
    for _ in 0..joins {
        join(choices, &mut query, &mut columns);
    }
    if choices.once_in(2) {
        query.filter = Some(condition(choices, &columns, 2));
    }
    if choices.once_in(if lane == Lane::Groups { 2 } else { 10 }) {
        grouped(choices, &mut query, &columns);
    } else {
        selected(choices, &mut query, &columns, lane);
    }
    cut(choices, &mut query, lane == Lane::Windows);
    let related = query.group.is_none() && !query.distinct && query.select != Select::Count;
    if related && choices.once_in(3) {
        nested(choices, &mut query, &columns, 2);
    }
    query
}

/// A table under a name that is free, or a derived table.
fn source(choices: &mut Choices<'_>, taken: &[&'static str], derived: bool) -> (Source, Vec<Column>) {
    let free: Vec<_> = ALIASES.into_iter().filter(|name| !taken.contains(name)).collect();
    if !derived {
        let table = choices.table();
        let name = if taken.contains(&table.name) { choices.pick(&free) } else { table.name };
        return (Source { name, rows: Rows::Table(table) }, columns_of(name, table));
    }
    let (from, columns) = source(choices, &[], false);
    let mut query = Query::of(from);
    if choices.once_in(2) {
        query.filter = Some(condition(choices, &columns, 1));
    }
    let name = choices.pick(&free);
    let (names, kinds): (Vec<&'static str>, Vec<Kind>) = match choices.below(3) {
        // Some rows of a table, as they are.
        0 => columns.iter().map(|column| (column.name, column.kind)).unzip(),
        1 => {
            grouped(choices, &mut query, &columns);
            let kinds = kinds_of(&query, &columns);
            (NAMES[..kinds.len()].to_vec(), kinds)
        }
        _ => {
            let chosen: Vec<Column> = (0..1 + choices.below(2)).map(|_| shared(choices, &columns)).collect();
            query.select = Select::Exprs(chosen.iter().map(|column| column.expr(0)).collect());
            query.distinct = choices.once_in(2);
            (NAMES[..chosen.len()].to_vec(), chosen.iter().map(|column| column.kind).collect())
        }
    };
    cut(choices, &mut query, true);
    let columns = names.iter().zip(kinds).map(|(column, kind)| Column { source: name, name: column, kind }).collect();
    (Source { name, rows: Rows::Query(Box::new(query), names) }, columns)
}

fn columns_of(source: &'static str, table: &TableDef) -> Vec<Column> {
    table.columns.iter().map(|column| Column { source, name: column.name, kind: column.kind }).collect()
}

/// A column with few values; any where there is none.
fn shared(choices: &mut Choices<'_>, columns: &[Column]) -> Column {
    let few: Vec<Column> = columns.iter().copied().filter(|column| SHARED.contains(&column.kind)).collect();
    choices.pick(if few.is_empty() { columns } else { &few })
}

fn ids(columns: &[Column]) -> Vec<Column> {
    columns.iter().copied().filter(|column| column.kind == Kind::Id).collect()
}

fn join(choices: &mut Choices<'_>, query: &mut Query, columns: &mut Vec<Column>) {
    let taken: Vec<_> = query.sources().map(|source| source.name).collect();
    let derived = choices.once_in(10);
    let (source, right) = source(choices, &taken, derived);
    let mut on = Vec::new();
    let other = if choices.once_in(5) { choices.pick(&[Kind::Int, Kind::Text, Kind::Bool]) } else { Kind::Id };
    let of_kind =
        |columns: &[Column]| columns.iter().copied().filter(|column| column.kind == other).collect::<Vec<_>>();
    let (ours, theirs) = (of_kind(columns), of_kind(&right));
    if !ours.is_empty() && !theirs.is_empty() {
        on.push(Expr::eq(choices.pick(&ours).expr(0), choices.pick(&theirs).expr(0)));
    }
    if on.is_empty() || choices.once_in(4) {
        let side = if choices.once_in(3) { columns.clone() } else { right.clone() };
        on.push(simple(choices, &side));
    }
    columns.extend(right);
    if choices.once_in(8) {
        on.push(condition(choices, columns, 1));
    }
    let on = if on.len() == 1 { on.remove(0) } else { Expr::And(on) };
    query.joins.push(Join { left: choices.once_in(2), source, on });
}

/// A condition of the query's own rows, or one that looks at other tables.
fn condition(choices: &mut Choices<'_>, columns: &[Column], depth: usize) -> Expr {
    if depth == 0 {
        return simple(choices, columns);
    }
    match choices.below(13) {
        0..=4 => simple(choices, columns),
        5 | 6 => Expr::Exists(Box::new(related(choices, columns, depth))),
        7 => Expr::Not(Box::new(Expr::Exists(Box::new(related(choices, columns, depth))))),
        8 => {
            let kind = choices.pick(&[Kind::Id, Kind::Id, Kind::Int, Kind::Text]);
            let mut query = related(choices, columns, depth);
            let inner = scope_of(&query);
            let of: Vec<Column> = inner.iter().copied().filter(|column| column.kind == kind).collect();
            let ours: Vec<Column> = columns.iter().copied().filter(|column| column.kind == kind).collect();
            if of.is_empty() || ours.is_empty() {
                return Expr::Exists(Box::new(query));
            }
            query.select = Select::Exprs(vec![choices.pick(&of).expr(0)]);
            query.distinct = choices.once_in(4);
            if query.distinct {
                query.order.clear();
            }
            let within = Expr::InQuery { expr: Box::new(choices.pick(&ours).expr(0)), query: Box::new(query) };
            if choices.once_in(3) { Expr::Not(Box::new(within)) } else { within }
        }
        9 => {
            let mut query = related(choices, columns, depth);
            let inner = scope_of(&query);
            if choices.once_in(2) {
                query.select = Select::Count;
                let op = choices.pick(&COMPARISONS);
                let count = choices.pick(&[1, 0, 2]);
                return Expr::compare(op, Expr::Scalar(Box::new(query)), Expr::Literal(count.into()));
            }
            let (expr, kind) = aggregate(choices, &inner);
            query.group = Some(Group { keys: Vec::new(), having: None });
            query.order.clear();
            query.select = Select::Exprs(vec![expr]);
            compared(choices, Expr::Scalar(Box::new(query)), kind)
        }
        10 => Expr::And(vec![condition(choices, columns, depth - 1), condition(choices, columns, depth - 1)]),
        11 => Expr::Or(vec![condition(choices, columns, depth - 1), condition(choices, columns, depth - 1)]),
        // One of the evaluator's own.
        _ => choices.condition(&mut vec![Level { columns: columns.to_vec(), keys: None }], depth),
    }
}

/// A condition of one column.
fn simple(choices: &mut Choices<'_>, columns: &[Column]) -> Expr {
    let column = shared(choices, columns);
    match choices.below(9) {
        8 => super::states::condition(choices, columns).unwrap_or_else(|| simple(choices, columns)),
        0..=4 => compared(choices, column.expr(0), column.kind),
        5 => {
            let null = Expr::IsNull(Box::new(column.expr(0)));
            if choices.once_in(2) { Expr::Not(Box::new(null)) } else { null }
        }
        6 => {
            let count = 1 + choices.below(3);
            let list = (0..count).map(|_| constant(choices, column.kind)).filter(|value| !value.is_null()).collect();
            Expr::In { expr: Box::new(column.expr(0)), list }
        }
        _ => {
            let text: Vec<Column> = columns.iter().copied().filter(|column| column.kind == Kind::Text).collect();
            if text.is_empty() {
                return compared(choices, column.expr(0), column.kind);
            }
            let pattern = choices.pick(&["a%", "%b", "_", "%", "A%"]).to_owned();
            Expr::Like { expr: Box::new(choices.pick(&text).expr(0)), pattern }
        }
    }
}

pub(super) fn compared(choices: &mut Choices<'_>, left: Expr, kind: Kind) -> Expr {
    // One id is few rows: mostly all but that one.
    let op = if kind == Kind::Id && !choices.once_in(4) { CompareOp::Ne } else { choices.pick(&COMPARISONS) };
    Expr::compare(op, left, Expr::Literal(constant(choices, kind)))
}

/// A query over another table, mostly about rows that belong to a row of the one around it.
fn related(choices: &mut Choices<'_>, around: &[Column], depth: usize) -> Query {
    let (from, mut columns) = source(choices, &[], false);
    let mut query = Query::of(from);
    let (outer, inner) = (ids(around), ids(&columns));
    let mut all = Vec::new();
    if !outer.is_empty() && !choices.once_in(6) {
        all.push(Expr::eq(choices.pick(&inner).expr(0), choices.pick(&outer).expr(1)));
    }
    if choices.once_in(6) {
        join(choices, &mut query, &mut columns);
    }
    if choices.once_in(2) {
        all.push(condition(choices, &columns, depth - 1));
    }
    if !all.is_empty() {
        query.filter = Some(if all.len() == 1 { all.remove(0) } else { Expr::And(all) });
    }
    if choices.once_in(8) {
        cut(choices, &mut query, true);
    }
    query
}

/// The columns of a query's sources that are tables.
fn scope_of(query: &Query) -> Vec<Column> {
    let tables = query.sources().filter_map(|source| Some((source.name, source.as_table()?)));
    tables.flat_map(|(name, table)| columns_of(name, table)).collect()
}

/// An aggregate, and the kind of its values.
fn aggregate(choices: &mut Choices<'_>, columns: &[Column]) -> (Expr, Kind) {
    let of_kinds = |kinds: &[Kind]| columns.iter().copied().filter(|c| kinds.contains(&c.kind)).collect::<Vec<_>>();
    let numbers = of_kinds(&[Kind::Int, Kind::BigInt, Kind::Float]);
    let with = |function, column: Column| Expr::Aggregate { function, expr: Some(Box::new(column.expr(0))) };
    match choices.below(9) {
        0 => (Expr::Aggregate { function: Aggregate::Count, expr: None }, Kind::BigInt),
        1 => (with(Aggregate::Count, shared(choices, columns)), Kind::BigInt),
        2 => (with(Aggregate::CountDistinct, shared(choices, columns)), Kind::BigInt),
        3 | 4 if !numbers.is_empty() => {
            let column = choices.pick(&numbers);
            let kind = if column.kind == Kind::Float { Kind::Float } else { Kind::BigInt };
            (with(Aggregate::Sum, column), kind)
        }
        5 if !numbers.is_empty() => (with(Aggregate::Avg, choices.pick(&numbers)), Kind::Float),
        n => {
            let column = if choices.once_in(4) { choices.pick(columns) } else { shared(choices, columns) };
            (with(if n % 2 == 0 { Aggregate::Min } else { Aggregate::Max }, column), column.kind)
        }
    }
}

fn grouped(choices: &mut Choices<'_>, query: &mut Query, columns: &[Column]) {
    let keys: Vec<Column> = (0..choices.pick(&[1, 1, 0, 2])).map(|_| shared(choices, columns)).collect();
    let mut exprs: Vec<Expr> = keys.iter().map(|column| column.expr(0)).collect();
    let having = choices.once_in(3).then(|| {
        let (left, kind) = aggregate(choices, columns);
        compared(choices, left, kind)
    });
    query.group = Some(Group { keys: exprs.clone(), having });
    if choices.once_in(10) {
        query.select = Select::Count;
        return;
    }
    for _ in 0..1 + choices.below(3) {
        exprs.push(aggregate(choices, columns).0);
    }
    query.distinct = choices.once_in(10);
    query.select = Select::Exprs(exprs);
}

fn selected(choices: &mut Choices<'_>, query: &mut Query, columns: &[Column], lane: Lane) {
    let distinct = choices.once_in(if lane == Lane::Groups { 2 } else { 8 });
    let mut exprs: Vec<Expr> = match choices.below(10) {
        0..=4 if !distinct => return,
        9 if !distinct => {
            query.select = Select::Count;
            return;
        }
        _ => (0..1 + choices.below(3)).map(|_| shared(choices, columns).expr(0)).collect(),
    };
    if choices.once_in(4) {
        let kind = choices.pick(&[Kind::Int, Kind::Text, Kind::Bool]);
        exprs.push(choices.expr(&mut vec![Level { columns: columns.to_vec(), keys: None }], kind, 2));
    }
    query.select = Select::Exprs(exprs);
    query.distinct = distinct;
}

/// An order and a window.
fn cut(choices: &mut Choices<'_>, query: &mut Query, often: bool) {
    let columns: Vec<Expr> = match (&query.select, &query.group, query.distinct) {
        (Select::Exprs(exprs), Some(_), _) | (Select::Exprs(exprs), None, true) => exprs.clone(),
        (_, Some(group), _) => group.keys.clone(),
        _ => query.columns(),
    };
    for _ in 0..choices.pick(&[1, 0, 2]) {
        if columns.is_empty() {
            break;
        }
        let expr = choices.pick(&columns);
        query.order.push(Order { expr, descending: choices.once_in(2) });
    }
    if choices.below(4) < if often { 3 } else { 1 } {
        query.limit = Some(choices.pick(&[2, 1, 3, 4, 5, 2, 3, 4, 2, 3, 0]));
        query.offset = choices.once_in(2).then(|| choices.pick(&[1, 2, 3, 0]));
    } else if choices.once_in(8) {
        query.offset = Some(choices.pick(&[1, 2]));
    }
}

fn nested(choices: &mut Choices<'_>, parent: &mut Query, columns: &[Column], levels: usize) {
    for _ in 0..1 + choices.below(2) {
        let by = ids(columns);
        if by.is_empty() {
            return;
        }
        let Expr::Column(parent_column) = choices.pick(&by).expr(0) else { return };
        let (from, mut inner) = source(choices, &[], false);
        let column = choices.pick(&["ref", "id", "ref"]);
        let mut query = Query::of(from);
        if choices.once_in(8) {
            join(choices, &mut query, &mut inner);
        }
        if choices.once_in(2) {
            query.filter = Some(condition(choices, &inner, 1));
        }
        if choices.once_in(2) {
            let exprs = (0..1 + choices.below(2)).map(|_| shared(choices, &inner).expr(0)).collect();
            query.select = Select::Exprs(exprs);
        }
        cut(choices, &mut query, true);
        if levels > 1 && choices.once_in(3) {
            nested(choices, &mut query, &inner, levels - 1);
        }
        parent.nested.push(Nested { parent: parent_column, column, query });
    }
}

/// Kinds of what a query selects.
fn kinds_of(query: &Query, columns: &[Column]) -> Vec<Kind> {
    match &query.select {
        Select::Exprs(exprs) => exprs.iter().map(|expr| kind_of(expr, columns)).collect(),
        Select::Row => columns.iter().map(|column| column.kind).collect(),
        Select::Count => vec![Kind::BigInt],
    }
}

/// The kind of a column or of an aggregate of one.
fn kind_of(expr: &Expr, columns: &[Column]) -> Kind {
    let of = |column: &ColumnRef| {
        let found = columns.iter().find(|c| c.source == column.table && c.name == column.column);
        found.map_or(Kind::Text, |column| column.kind)
    };
    match expr {
        Expr::Column(column) => of(column),
        Expr::Aggregate { function: Aggregate::Count | Aggregate::CountDistinct, .. } => Kind::BigInt,
        Expr::Aggregate { function: Aggregate::Avg, .. } => Kind::Float,
        Expr::Aggregate { function, expr: Some(expr) } => match (function, kind_of(expr, columns)) {
            (Aggregate::Sum, Kind::Int) => Kind::BigInt,
            (_, kind) => kind,
        },
        _ => Kind::Text,
    }
}
