//! Where an expression stands: a row, and the rows around it.

use crate::error::{Error, Result};
use crate::query::ir::{ColumnRef, Query};
use crate::schema::TableDef;
use crate::value::{Row, Value};

/// What the values of a frame's row are called.
#[derive(Clone, Copy)]
pub(super) enum Scope<'f> {
    /// The columns of one table.
    Table(&'static TableDef),
    /// The columns of a query's sources, one source after the other. While it joins, the row ends with the source in
    /// hand.
    Query(&'f Query),
}

/// A row of a query, and the row of the query around it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'f> {
    pub(super) scope: Scope<'f>,
    /// Of a group its first row: what is asked of it is the same in all.
    pub(super) row: &'f [Value],
    /// The rows of the group.
    pub(super) group: Option<&'f [Row]>,
    pub(super) outer: Option<&'f Frame<'f>>,
}

impl<'f> Frame<'f> {
    pub(super) fn column(frame: Option<&'f Frame<'f>>, reference: &ColumnRef) -> Result<&'f Value> {
        let mut at = frame;
        for _ in 0..reference.level {
            at = at.and_then(|frame| frame.outer);
        }
        at.and_then(|frame| frame.row.get(frame.scope.position(reference)?)).ok_or_else(|| {
            Error::internal(format!(
                "the column `{}.{}` is not in scope at level {}",
                reference.table, reference.column, reference.level
            ))
        })
    }
}

impl Scope<'_> {
    /// Where in the row the column is. Nothing is allocated: policies ask this for every row.
    pub(super) fn position(self, reference: &ColumnRef) -> Option<usize> {
        let query = match self {
            Scope::Table(table) => return table.column_index(reference.column),
            Scope::Query(query) => query,
        };
        // The only source needs no name.
        if query.joins.is_empty() {
            return query.from.column_index(reference.column);
        }
        let mut before = 0;
        for source in query.sources() {
            if source.name == reference.table {
                return source.column_index(reference.column).map(|index| before + index);
            }
            before += source.width();
        }
        None
    }
}
