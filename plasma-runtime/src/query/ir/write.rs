//! Writes, as data.

use super::Expr;
use crate::schema::TableDef;

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
