//! Where the evaluator's rows come from.

use crate::error::{Error, Result};
use crate::schema::TableDef;
use crate::value::{Row, Value};

/// Gives the evaluator the rows of a table.
pub trait RowSource {
    /// The rows of a table, in any order, each once.
    ///
    /// With `equal` only rows whose column has this value (never NULL) are asked for; a source with an index uses it,
    /// another may return more.
    ///
    /// # Errors
    /// Whatever reading fails with.
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>>;
}

/// A source without tables, for conditions without sub-queries.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTables;

impl RowSource for NoTables {
    fn rows(&mut self, table: &'static TableDef, _: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        Err(Error::internal(format!("the condition reads `{}`, which is not at hand here", table.name)))
    }
}

/// The tables of a database as they are now.
#[cfg(feature = "sqlite")]
pub struct SqlRows<'c>(pub &'c mut dyn crate::store::SqlConnection);

#[cfg(feature = "sqlite")]
impl std::fmt::Debug for SqlRows<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SqlRows")
    }
}

#[cfg(feature = "sqlite")]
impl RowSource for SqlRows<'_> {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        use crate::query::ir::{Expr, Query};
        use crate::query::lower::{Dialect, select};
        let mut query = Query::all(table);
        if let Some((name, value)) = equal
            && let Some(column) = table.column(name)
        {
            query = query.filter(Expr::eq(Expr::column(table.name, column.name), Expr::Literal(value.clone())));
        }
        let lowered = select(Dialect::Sqlite, &query);
        self.0.query(&lowered.sql, &lowered.params, &lowered.kinds)
    }
}
