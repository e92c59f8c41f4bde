//! Results before anybody reads their types.

use super::diff::{Edit, diff};
use crate::value::Row;

/// A result: the rows and their keys, in order.
#[derive(Debug, Default)]
pub(crate) struct RawRows {
    pub keys: Vec<Box<str>>,
    pub values: Vec<Row>,
}

impl RawRows {
    /// What leads from `older` to this result.
    pub(crate) fn edit_from(&self, older: &RawRows) -> Edit {
        diff(&older.keys, &self.keys, |old, new| older.values[old] == self.values[new])
    }
}
