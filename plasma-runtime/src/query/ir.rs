//! The query representation everything reads: SQL lowering, the in-memory evaluator, policies, live queries.
//!
//! Columns are addressed relative to the query they stand in: `level` 0 is the nearest enclosing query, 1 the query
//! around it, and so on. So a condition can be moved into a sub-query without renaming anything.

use crate::schema::TableDef;
use crate::value::Value;

/// A query over one table. Rows come in the given order, ties (and no order at all) by `id`.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The table.
    pub table: &'static TableDef,
    /// The condition; none is all rows.
    pub filter: Option<Expr>,
    /// The order, first key first.
    pub order: Vec<Order>,
    /// At most this many rows.
    pub limit: Option<u64>,
    /// Skips this many rows.
    pub offset: Option<u64>,
    /// What comes back.
    pub select: Select,
}

/// What a query returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// All columns in declaration order.
    Row,
    /// These expressions.
    Exprs(Vec<Expr>),
    /// One row with one [`Value::Int`]: how many rows match.
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

/// A column of the query `level` queries up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnRef {
    /// 0 is the query the expression stands in.
    pub level: u8,
    /// SQL name of the table.
    pub table: &'static str,
    /// SQL name of the column.
    pub column: &'static str,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// `=`; unknown when either side is NULL.
    Eq,
    /// `<>`; unknown when either side is NULL.
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Lte,
    /// `>`
    Gt,
    /// `>=`
    Gte,
    /// `IS NOT DISTINCT FROM`: NULL is NULL, never unknown.
    Is,
}

/// An expression. Conditions follow SQL's three-valued logic.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column.
    Column(ColumnRef),
    /// A constant.
    Literal(Value),
    /// A comparison.
    Compare {
        /// The operator.
        op: CompareOp,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// All of them; true when empty.
    And(Vec<Expr>),
    /// One of them; false when empty.
    Or(Vec<Expr>),
    /// The opposite; unknown stays unknown.
    Not(Box<Expr>),
    /// Whether the value is NULL.
    IsNull(Box<Expr>),
    /// Whether the value is one of the list; unknown when the value is NULL.
    In {
        /// The value.
        expr: Box<Expr>,
        /// The list, of non-NULL values of the column's kind.
        list: Vec<Value>,
    },
    /// Pattern match, case-sensitive: `%` any run, `_` any one character, `\` escapes the next character.
    Like {
        /// The text.
        expr: Box<Expr>,
        /// The pattern.
        pattern: String,
    },
    /// Whether the query has a row.
    Exists(Box<Query>),
    /// Whether the value is among the query's rows. The query selects one expression.
    InQuery {
        /// The value.
        expr: Box<Expr>,
        /// The query.
        query: Box<Query>,
    },
}

impl Query {
    /// All rows of a table.
    pub fn all(table: &'static TableDef) -> Self {
        Query { table, filter: None, order: Vec::new(), limit: None, offset: None, select: Select::Row }
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

    /// The tables the query reads, its own first, sub-queries' after; each once.
    pub fn tables(&self) -> Vec<&'static TableDef> {
        let mut tables = vec![self.table];
        let mut visit = |query: &Query| {
            if !tables.contains(&query.table) {
                tables.push(query.table);
            }
        };
        self.subqueries(&mut visit);
        tables
    }

    /// Whether the query looks at a row of a query around it: then its answer may differ from row to row.
    pub fn is_correlated(&self) -> bool {
        self.reaches(0)
    }

    /// Whether a column of the query, `depth` queries down from the one in question, is of a query around that one.
    fn reaches(&self, depth: u8) -> bool {
        self.expressions().any(|expr| expr.reaches(depth))
    }

    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        let selected: &[Expr] = match &self.select {
            Select::Exprs(exprs) => exprs,
            Select::Row | Select::Count => &[],
        };
        self.filter.iter().chain(self.order.iter().map(|order| &order.expr)).chain(selected)
    }

    fn subqueries(&self, visit: &mut dyn FnMut(&Query)) {
        for expr in self.expressions() {
            expr.subqueries(visit);
        }
    }
}

impl Expr {
    /// A column of the query the expression stands in.
    pub fn column(table: &'static str, column: &'static str) -> Self {
        Expr::Column(ColumnRef { level: 0, table, column })
    }

    /// A comparison.
    pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Self {
        Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
    }

    /// `left = right`.
    pub fn eq(left: Expr, right: Expr) -> Self {
        Self::compare(CompareOp::Eq, left, right)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Expr) -> Self {
        match self {
            Expr::And(mut all) => {
                all.push(other);
                Expr::And(all)
            }
            first => Expr::And(vec![first, other]),
        }
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Expr) -> Self {
        match self {
            Expr::Or(mut any) => {
                any.push(other);
                Expr::Or(any)
            }
            first => Expr::Or(vec![first, other]),
        }
    }

    fn reaches(&self, depth: u8) -> bool {
        match self {
            Expr::Column(column) => column.level > depth,
            Expr::Literal(_) => false,
            Expr::Compare { left, right, .. } => left.reaches(depth) || right.reaches(depth),
            Expr::And(all) | Expr::Or(all) => all.iter().any(|expr| expr.reaches(depth)),
            Expr::Not(expr) | Expr::IsNull(expr) | Expr::In { expr, .. } | Expr::Like { expr, .. } => {
                expr.reaches(depth)
            }
            Expr::Exists(query) => query.reaches(depth.saturating_add(1)),
            Expr::InQuery { expr, query } => expr.reaches(depth) || query.reaches(depth.saturating_add(1)),
        }
    }

    /// Calls `visit` for every sub-query, at any depth.
    pub fn subqueries(&self, visit: &mut dyn FnMut(&Query)) {
        match self {
            Expr::Column(_) | Expr::Literal(_) => {}
            Expr::Compare { left, right, .. } => {
                left.subqueries(visit);
                right.subqueries(visit);
            }
            Expr::And(all) | Expr::Or(all) => all.iter().for_each(|expr| expr.subqueries(visit)),
            Expr::Not(expr) | Expr::IsNull(expr) | Expr::In { expr, .. } | Expr::Like { expr, .. } => {
                expr.subqueries(visit)
            }
            Expr::Exists(query) => {
                visit(query);
                query.subqueries(visit);
            }
            Expr::InQuery { expr, query } => {
                expr.subqueries(visit);
                visit(query);
                query.subqueries(visit);
            }
        }
    }
}

/// A write, as data. Executors turn it into row writes.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Inserts a whole row (defaults filled in). `conflict` when the id or a unique value exists.
    Insert {
        /// The table.
        table: &'static TableDef,
        /// The values in column order.
        row: crate::value::Row,
    },
    /// Changes one row. `not-found` when it does not exist.
    Update {
        /// The table.
        table: &'static TableDef,
        /// The row.
        id: String,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Changes every matching row; returns how many matched.
    UpdateWhere {
        /// The table.
        table: &'static TableDef,
        /// The condition.
        filter: Expr,
        /// The changes.
        changes: Vec<Change>,
    },
    /// Deletes one row. `not-found` when it does not exist.
    Delete {
        /// The table.
        table: &'static TableDef,
        /// The row.
        id: String,
    },
    /// Deletes every matching row; returns how many matched (cascades not counted).
    DeleteWhere {
        /// The table.
        table: &'static TableDef,
        /// The condition.
        filter: Expr,
    },
}

impl Write {
    /// The table written to.
    pub fn table(&self) -> &'static TableDef {
        match self {
            Write::Insert { table, .. }
            | Write::Update { table, .. }
            | Write::UpdateWhere { table, .. }
            | Write::Delete { table, .. }
            | Write::DeleteWhere { table, .. } => table,
        }
    }
}

/// The change of one column.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// SQL name of the column. Never `id`.
    pub column: &'static str,
    /// The new value, an expression over the row before the update (level 0).
    pub value: Expr,
}
