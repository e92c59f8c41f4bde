//! Results before anybody reads their types.

use super::delta::Delta;
use super::diff::{Edit, diff};
use super::ivm::SharedRow;

/// A result: the rows and their keys, in order.
#[derive(Debug, Default)]
pub(crate) struct RawRows {
    pub keys: Vec<Box<str>>,
    pub values: Vec<SharedRow>,
}

impl RawRows {
    #[cfg(feature = "client")]
    pub(super) fn copy(&self) -> Self {
        RawRows { keys: self.keys.clone(), values: self.values.clone() }
    }

    /// What leads from `older` to this result, by places.
    pub(crate) fn edit_from(&self, older: &RawRows) -> Edit {
        diff(&older.keys, &self.keys, |old, new| older.values[old] == self.values[new])
    }

    /// What leads from `older` to this result.
    pub(crate) fn delta_from(&self, older: &RawRows) -> Delta<SharedRow> {
        Delta::of(&self.edit_from(older), &older.values, |at| self.values[at].clone())
    }
}
