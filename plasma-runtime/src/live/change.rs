//! What a transaction did to a row.

use crate::value::Row;

/// The net change of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowChange {
    /// SQL name of the table.
    pub table: &'static str,
    /// The row's id.
    pub id: String,
    /// The row before; none when it did not exist.
    pub before: Option<Row>,
    /// The row after; none when it is gone.
    pub after: Option<Row>,
}
