//! The queries around an expression: where its columns are, and of which kind they and everything made of them are.

use sea_query::{Alias, Expr as Sql};

use super::Dialect;
use crate::crdt::CrdtKind;
use crate::query::ir::{Aggregate, ColumnRef, Expr, Function, Query, Rows, Select};
use crate::schema::TableDef;
use crate::value::{Kind, Value};

/// The queries around an expression, outermost first.
pub(super) struct Scope<'r> {
    pub(super) dialect: Dialect,
    levels: Vec<Level>,
    rename: &'r dyn Fn(&str) -> String,
    /// Whether a query had groups by calculated keys.
    pub(super) calculated_groups: bool,
}

struct Level {
    sources: Vec<Named>,
    /// Nothing of the queries around it is seen from here.
    closed: bool,
}

/// A source under its alias.
struct Named {
    name: &'static str,
    alias: String,
    columns: Columns,
    /// Its columns are NULL where a left join found no row.
    optional: bool,
}

enum Columns {
    Table(&'static TableDef),
    /// None is the kind of what is always NULL.
    Query(Vec<(&'static str, Option<Kind>)>),
}

impl Columns {
    fn kind(&self, name: &str) -> Option<Kind> {
        match self {
            Columns::Table(table) => table.column(name).map(|column| column.kind),
            Columns::Query(columns) => columns.iter().find(|(column, _)| *column == name)?.1,
        }
    }

    fn kinds(&self) -> Vec<Option<Kind>> {
        match self {
            Columns::Table(table) => table.columns.iter().map(|column| Some(column.kind)).collect(),
            Columns::Query(columns) => columns.iter().map(|(_, kind)| *kind).collect(),
        }
    }
}

impl<'r> Scope<'r> {
    pub(super) fn new(dialect: Dialect, rename: &'r dyn Fn(&str) -> String) -> Self {
        Scope { dialect, levels: Vec::new(), rename, calculated_groups: false }
    }

    /// Enters a query. A closed one stands as a table.
    pub(super) fn enter(&mut self, query: &Query, closed: bool) {
        let depth = self.levels.len();
        let mut sources = Vec::with_capacity(1 + query.joins.len());
        for (index, source) in query.sources().enumerate() {
            // No user table has a name of this shape.
            let alias = if index == 0 { format!("_plasma_{depth}") } else { format!("_plasma_{depth}_{index}") };
            let columns = match &source.rows {
                Rows::Table(table) => Columns::Table(table),
                Rows::Query(query, names) => {
                    Columns::Query(names.iter().copied().zip(self.known_kinds(query, true)).collect())
                }
                Rows::Nothing => Columns::Query(Vec::new()),
            };
            let optional = index > 0 && query.joins[index - 1].left;
            sources.push(Named { name: source.name, alias, columns, optional });
        }
        self.calculated_groups |=
            query.group.iter().any(|group| group.keys.iter().any(|key| !matches!(key, Expr::Column(_))));
        self.levels.push(Level { sources, closed });
    }

    /// Enters a table that is already there.
    pub(super) fn enter_table(&mut self, table: &'static TableDef, alias: String) {
        let source = Named { name: table.name, alias, columns: Columns::Table(table), optional: false };
        self.levels.push(Level { sources: vec![source], closed: false });
    }

    pub(super) fn leave(&mut self) {
        self.levels.pop();
    }

    pub(super) fn table_name(&self, table: &TableDef) -> Alias {
        Alias::new((self.rename)(table.name))
    }

    /// The alias of a source of the query that was entered last.
    pub(super) fn alias(&self, source: usize) -> Alias {
        let named = self.levels.last().and_then(|level| level.sources.get(source));
        Alias::new(named.map_or(OUT_OF_SCOPE, |named| &named.alias))
    }

    /// Some column of the query that was entered last.
    pub(super) fn any_column(&self) -> Sql {
        let named = self.levels.last().and_then(|level| level.sources.first());
        let name = named.and_then(|named| match &named.columns {
            Columns::Table(table) => table.columns.first().map(|column| column.name),
            Columns::Query(columns) => columns.first().map(|(name, _)| *name),
        });
        column(&self.alias(0), name.unwrap_or(OUT_OF_SCOPE))
    }

    fn source(&self, reference: &ColumnRef) -> Option<&Named> {
        let mut levels = self.levels.iter().rev();
        for _ in 0..reference.level {
            if levels.next()?.closed {
                return None;
            }
        }
        levels.next()?.sources.iter().find(|source| source.name == reference.table)
    }

    pub(super) fn column(&self, reference: &ColumnRef) -> Sql {
        // Out of scope: a name that does not exist, so that preparing the statement says so.
        let alias = self.source(reference).map_or(OUT_OF_SCOPE, |source| &source.alias);
        column(&Alias::new(alias), reference.column)
    }

    /// Whether the expression may be NULL, as far as one sees at once.
    pub(super) fn is_nullable(&self, expr: &Expr) -> bool {
        let Expr::Column(reference) = expr else { return true };
        self.source(reference).is_none_or(|source| match &source.columns {
            Columns::Table(table) => source.optional || table.column(reference.column).is_none_or(|c| c.nullable),
            Columns::Query(_) => true,
        })
    }

    /// Whether it is always NULL, and the database would take it for text.
    pub(super) fn is_untyped(&mut self, expr: &Expr) -> bool {
        let may_be = matches!(
            expr,
            Expr::Column(_)
                | Expr::Function { function: Function::Coalesce, .. }
                | Expr::Case { .. }
                | Expr::Scalar(_)
                | Expr::Aggregate { function: Aggregate::Sum | Aggregate::Min | Aggregate::Max, .. }
        );
        let known = |reference: &ColumnRef| {
            self.source(reference).is_some_and(|source| match &source.columns {
                Columns::Table(_) => false,
                Columns::Query(columns) => {
                    columns.iter().any(|(column, kind)| *column == reference.column && kind.is_none())
                }
            })
        };
        self.dialect == Dialect::Postgres
            && may_be
            && match expr {
                Expr::Column(reference) => known(reference),
                _ => self.kind(expr).is_none(),
            }
    }

    /// Whether it is always NULL, as far as the types say.
    pub(super) fn is_always_null(&mut self, expr: &Expr) -> bool {
        matches!(expr, Expr::Literal(Value::Null)) || self.is_untyped(expr)
    }

    /// The kinds of a query's result columns.
    pub(super) fn kinds(&mut self, query: &Query, closed: bool) -> Vec<Kind> {
        self.known_kinds(query, closed).into_iter().map(|kind| kind.unwrap_or(Kind::Text)).collect()
    }

    /// The same, none for what is always NULL.
    fn known_kinds(&mut self, query: &Query, closed: bool) -> Vec<Option<Kind>> {
        if query.select == Select::Count {
            return vec![Some(Kind::BigInt)];
        }
        self.enter(query, closed);
        let kinds = match &query.select {
            Select::Exprs(exprs) => exprs.iter().map(|expr| self.kind(expr)).collect(),
            _ => self
                .levels
                .last()
                .into_iter()
                .flat_map(|level| &level.sources)
                .flat_map(|s| s.columns.kinds())
                .collect(),
        };
        self.leave();
        kinds
    }

    /// The kind of an expression's values; none when it is always NULL.
    pub(super) fn kind(&mut self, expr: &Expr) -> Option<Kind> {
        Some(match expr {
            Expr::Column(reference) => {
                return self.source(reference).and_then(|source| source.columns.kind(reference.column));
            }
            Expr::Literal(value) => match value {
                Value::Null => return None,
                Value::Text(_) => Kind::Text,
                Value::Bool(_) => Kind::Bool,
                Value::Int(_) => Kind::BigInt,
                Value::Float(_) => Kind::Float,
                Value::Blob(_) => Kind::Blob,
                Value::Json(_) | Value::Rows(_) => Kind::Json,
            },
            Expr::Arithmetic { kind, .. } => *kind,
            Expr::Function { function, args } => match function {
                Function::Lower | Function::Upper | Function::Trim | Function::Concat => Kind::Text,
                Function::Length => Kind::BigInt,
                Function::Date => Kind::Date,
                Function::Now => Kind::Timestamp,
                Function::ValueOf(CrdtKind::Lww(of)) => **of,
                #[cfg(feature = "text")]
                Function::ValueOf(CrdtKind::Text) => Kind::Text,
                Function::ValueOf(_) => Kind::BigInt,
                Function::Coalesce => return args.iter().find_map(|arg| self.kind(arg)),
                Function::Negate => return args.first().and_then(|arg| self.kind(arg)).map(widened),
            },
            Expr::Case { when, otherwise } => {
                return when.iter().map(|(_, value)| value).chain([&**otherwise]).find_map(|value| self.kind(value));
            }
            Expr::Aggregate { function, expr } => match (function, expr) {
                (Aggregate::Count | Aggregate::CountDistinct, _) | (_, None) => Kind::BigInt,
                (Aggregate::Avg, _) => Kind::Float,
                (Aggregate::Sum, Some(expr)) => return self.kind(expr).map(widened),
                (Aggregate::Min | Aggregate::Max, Some(expr)) => return self.kind(expr),
            },
            Expr::Scalar(query) => return self.known_kinds(query, false).into_iter().next().flatten(),
            Expr::Compare { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::In { .. }
            | Expr::Like { .. }
            | Expr::Has { .. }
            | Expr::Exists(_)
            | Expr::InQuery { .. } => Kind::Bool,
        })
    }
}

const OUT_OF_SCOPE: &str = "_plasma_out_of_scope";

/// What may leave the 32 bits of its values.
fn widened(kind: Kind) -> Kind {
    if kind == Kind::Int { Kind::BigInt } else { kind }
}

pub(super) fn column(alias: &Alias, name: &'static str) -> Sql {
    Sql::col((alias.clone(), name))
}
