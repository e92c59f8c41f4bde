//! The query representation everything reads: SQL lowering, the in-memory evaluator, policies, live queries.
//!
//! Columns are addressed relative to the query they stand in: `level` 0 is the nearest enclosing query, 1 the query
//! around it, and so on. So a condition can be moved into a sub-query without renaming anything. Within a query a column
//! names its [`Source`]: a table, an alias of a table, or a query that stands as a table.

mod by_id;
mod expr;
mod now;
mod write;

pub use expr::{Aggregate, ArithmeticOp, ColumnRef, CompareOp, Expr, Function, Part, PartMut};
pub use write::{Change, Write};

use crate::schema::TableDef;

/// A query.
///
/// What happens, in this order: the rows of [`from`](Query::from) are joined with those of [`joins`](Query::joins),
/// [`filter`](Query::filter) keeps some, [`group`](Query::group) folds them, [`select`](Query::select) says what of a
/// row comes back, [`distinct`](Query::distinct) drops repetitions, [`order`](Query::order) sorts,
/// [`offset`](Query::offset) and [`limit`](Query::limit) cut, and [`nested`](Query::nested) appends related rows.
///
/// Rows come in the given order, ties by [`identity`](Query::identity).
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What the rows are made of.
    pub from: Source,
    /// What is joined to them, one after the other.
    pub joins: Vec<Join>,
    /// The condition; none is all rows.
    pub filter: Option<Expr>,
    /// Folds the rows into groups; none is one result row for each row.
    pub group: Option<Group>,
    /// What comes back.
    pub select: Select,
    /// Equal result rows come once. Not with [`nested`](Query::nested), nor with [`Select::Count`].
    pub distinct: bool,
    /// The order, first key first. Over the rows, or over the groups of a grouped query; of a distinct query only what
    /// is selected.
    pub order: Vec<Order>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// Skips this many rows.
    pub offset: Option<u64>,
    /// Related rows, each a [`Value::Rows`](crate::value::Value::Rows) behind the selected values. Only of the
    /// outermost query and of nested ones, never grouped or distinct.
    pub nested: Vec<Nested>,
}

/// Something that has rows, under the name its columns are called by. The names in a query differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The table's SQL name, an alias, or the name of the derived table.
    pub name: &'static str,
    /// Its rows.
    pub rows: Rows,
}

/// Where the rows of a source come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// A table.
    Table(&'static TableDef),
    /// A query in the place of a table, with names for its result columns. It sees nothing of the queries around it,
    /// and its order matters only for its own cut.
    Query(Box<Query>, Vec<&'static str>),
    /// Nowhere: no rows and no columns.
    Nothing,
}

/// A source joined to those before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// A row without a match stays, with NULL in all columns of the source.
    pub left: bool,
    /// What is joined.
    pub source: Source,
    /// The condition, over the sources so far and this one.
    pub on: Expr,
}

/// How rows are folded.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Rows that agree in these (NULL with NULL) are one group. Without keys all rows are one group, also when there is
    /// none.
    pub keys: Vec<Expr>,
    /// Keeps some of the groups: a condition over keys and aggregates.
    pub having: Option<Expr>,
}

/// What a query returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// All columns in declaration order, source by source. Not of a grouped query.
    Row,
    /// These expressions.
    Exprs(Vec<Expr>),
    /// One row with one [`Value::Int`](crate::value::Value::Int): how many rows the query would have, after its cut.
    /// Of a grouped query the number of groups.
    Count,
}

/// One key of an order. NULL comes first ascending and last descending; text is compared by bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The key.
    pub expr: Expr,
    /// Greatest first.
    pub descending: bool,
}

/// Rows that belong to each row of a query. `query` is run once for all of them, as if it were run for each: its
/// condition, order, limit and offset mean the rows of one parent.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// The column of the parent query (level 0 there). NULL has no related rows.
    pub parent: ColumnRef,
    /// SQL name of the column of the nested query's [`from`](Query::from) table that equals it.
    pub column: &'static str,
    /// The related rows: a plain table as `from`, neither grouped nor distinct, and no [`Select::Count`].
    pub query: Query,
}

impl Source {
    /// A table under its own name.
    pub fn table(table: &'static TableDef) -> Self {
        Source { name: table.name, rows: Rows::Table(table) }
    }

    /// The table, when it is one.
    pub fn as_table(&self) -> Option<&'static TableDef> {
        match self.rows {
            Rows::Table(table) => Some(table),
            Rows::Query(..) | Rows::Nothing => None,
        }
    }

    /// SQL names of its columns.
    pub fn columns(&self) -> Vec<&'static str> {
        match &self.rows {
            Rows::Table(table) => table.columns.iter().map(|column| column.name).collect(),
            Rows::Query(_, names) => names.clone(),
            Rows::Nothing => Vec::new(),
        }
    }

    /// Position of a column.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        match &self.rows {
            Rows::Table(table) => table.column_index(name),
            Rows::Query(_, names) => names.iter().position(|column| *column == name),
            Rows::Nothing => None,
        }
    }

    /// How many columns it has.
    pub fn width(&self) -> usize {
        match &self.rows {
            Rows::Table(table) => table.columns.len(),
            Rows::Query(_, names) => names.len(),
            Rows::Nothing => 0,
        }
    }

    fn column(&self, column: &'static str) -> Expr {
        Expr::column(self.name, column)
    }

    /// The columns that tell its rows apart, as far as anything does.
    pub(crate) fn identity(&self) -> Vec<Expr> {
        match &self.rows {
            Rows::Table(table) => vec![self.column(table.columns[table.id].name)],
            // A table confined to some of its rows is still known by its id.
            Rows::Query(query, names) => match (query.plain_table(), &query.select) {
                (Some(table), Select::Row) => names.get(table.id).map(|name| self.column(name)).into_iter().collect(),
                _ => names.iter().map(|name| self.column(name)).collect(),
            },
            Rows::Nothing => Vec::new(),
        }
    }
}

impl Query {
    /// All rows of a table.
    pub fn all(table: &'static TableDef) -> Self {
        Query::of(Source::table(table))
    }

    /// All rows of a source.
    pub fn of(source: Source) -> Self {
        Query {
            from: source,
            joins: Vec::new(),
            filter: None,
            group: None,
            select: Select::Row,
            distinct: false,
            order: Vec::new(),
            limit: None,
            offset: None,
            nested: Vec::new(),
        }
    }

    /// Adds a condition to those there are.
    #[must_use]
    pub fn filter(mut self, condition: Expr) -> Self {
        self.filter = Some(match self.filter.take() {
            None => condition,
            Some(first) => first.and(condition),
        });
        self
    }

    /// The sources, in order.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.from).chain(self.joins.iter().map(|join| &join.source))
    }

    /// The one table of a query that neither joins nor folds nor nests: each result row is one row of it.
    pub fn plain_table(&self) -> Option<&'static TableDef> {
        let plain = self.joins.is_empty() && self.group.is_none() && !self.distinct && self.nested.is_empty();
        if plain { self.from.as_table() } else { None }
    }

    /// What decides between rows that are equal by [`order`](Query::order), all ascending: of a distinct query what it
    /// selects; of a grouped query the keys; else the ids of the sources.
    pub fn identity(&self) -> Vec<Expr> {
        match (&self.select, &self.group) {
            (Select::Exprs(exprs), _) if self.distinct => exprs.clone(),
            (_, Some(group)) => group.keys.clone(),
            _ => self.sources().flat_map(Source::identity).collect(),
        }
    }

    /// Every column of every source, in order: what [`Select::Row`] stands for.
    pub fn columns(&self) -> Vec<Expr> {
        self.sources().flat_map(|source| source.columns().into_iter().map(|column| source.column(column))).collect()
    }

    /// How many values a result row has, without [`nested`](Query::nested).
    pub fn width(&self) -> usize {
        match &self.select {
            Select::Row => self.sources().map(Source::width).sum(),
            Select::Exprs(exprs) => exprs.len(),
            Select::Count => 1,
        }
    }

    /// The tables the query reads: its own first, then those of derived tables, nested queries and sub-queries; each
    /// once.
    pub fn tables(&self) -> Vec<&'static TableDef> {
        let mut tables = Vec::new();
        self.queries(&mut |query| {
            for table in query.sources().filter_map(Source::as_table) {
                if !tables.contains(&table) {
                    tables.push(table);
                }
            }
        });
        tables
    }

    /// Calls `visit` for this query and every query in it, at any depth.
    pub fn queries<'q>(&'q self, visit: &mut dyn FnMut(&'q Query)) {
        visit(self);
        self.parts(&mut |part| match part {
            Part::Expr(expr) => expr.queries(visit),
            Part::Query { query, .. } => query.queries(visit),
        });
    }

    /// Whether the query looks at a row of a query around it: then its answer may differ from row to row.
    pub fn is_correlated(&self) -> bool {
        self.reaches(0)
    }

    /// Whether a column of the query, `depth` queries down from the one in question, is of a query around that one.
    fn reaches(&self, depth: u8) -> bool {
        let mut found = false;
        self.parts(&mut |part| match part {
            Part::Expr(expr) => found |= expr.reaches(depth),
            Part::Query { query, correlated: true } => found |= query.reaches(depth.saturating_add(1)),
            Part::Query { .. } => {}
        });
        found
    }

    /// Calls `visit` for every expression of the query and for every query that stands as a table or is nested; not for
    /// what is inside of those.
    pub fn parts<'q>(&'q self, visit: &mut dyn FnMut(Part<'q>)) {
        for source in self.sources() {
            if let Rows::Query(query, _) = &source.rows {
                visit(Part::Query { query, correlated: false });
            }
        }
        self.joins.iter().for_each(|join| visit(Part::Expr(&join.on)));
        self.filter.iter().for_each(|expr| visit(Part::Expr(expr)));
        if let Some(group) = &self.group {
            group.keys.iter().chain(&group.having).for_each(|expr| visit(Part::Expr(expr)));
        }
        if let Select::Exprs(exprs) = &self.select {
            exprs.iter().for_each(|expr| visit(Part::Expr(expr)));
        }
        self.order.iter().for_each(|order| visit(Part::Expr(&order.expr)));
        self.nested.iter().for_each(|nested| visit(Part::Query { query: &nested.query, correlated: false }));
    }

    /// [`parts`](Query::parts), to be changed.
    pub fn parts_mut(&mut self, visit: &mut dyn FnMut(PartMut<'_>)) {
        let joined = self.joins.iter_mut().map(|join| &mut join.source);
        for source in std::iter::once(&mut self.from).chain(joined) {
            if let Rows::Query(query, _) = &mut source.rows {
                visit(PartMut::Query { query, correlated: false });
            }
        }
        self.joins.iter_mut().for_each(|join| visit(PartMut::Expr(&mut join.on)));
        self.filter.iter_mut().for_each(|expr| visit(PartMut::Expr(expr)));
        if let Some(group) = &mut self.group {
            group.keys.iter_mut().chain(&mut group.having).for_each(|expr| visit(PartMut::Expr(expr)));
        }
        if let Select::Exprs(exprs) = &mut self.select {
            exprs.iter_mut().for_each(|expr| visit(PartMut::Expr(expr)));
        }
        self.order.iter_mut().for_each(|order| visit(PartMut::Expr(&mut order.expr)));
        for nested in &mut self.nested {
            visit(PartMut::Query { query: &mut nested.query, correlated: false });
        }
    }
}
