//! One page: operations until the limit, in count or in bytes, is reached.

use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::protocol::PatchOp;

/// What an operation costs besides its row: member names, punctuation.
const OVERHEAD: usize = 48;

/// A page that is being filled.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) patch: Vec<PatchOp>,
    operations: usize,
    bytes: usize,
}

impl Page {
    /// A page with room for this many operations and bytes. At least one operation always fits.
    pub(super) fn new(operations: usize, bytes: usize) -> Self {
        Page { patch: Vec::new(), operations: operations.max(1), bytes }
    }

    /// How many more operations fit.
    pub(super) fn room(&self) -> usize {
        self.operations - self.patch.len()
    }

    /// How many more bytes fit.
    pub(super) fn bytes_left(&self) -> usize {
        self.bytes
    }

    /// Adds an operation; false when it does not fit.
    #[must_use]
    pub(super) fn push(&mut self, op: PatchOp) -> bool {
        let size = OVERHEAD
            + match &op {
                PatchOp::Clear { table } => table.as_ref().map_or(0, String::len),
                PatchOp::Put { table, id, value } => table.len() + id.len() + value.get().len(),
                PatchOp::Del { table, id } => table.len() + id.len(),
            };
        // A row that is larger than a page still has to travel.
        if self.room() == 0 || (size > self.bytes && !self.patch.is_empty()) {
            return false;
        }
        self.bytes = self.bytes.saturating_sub(size);
        self.patch.push(op);
        true
    }
}

/// A `put` of this row, in wire form.
pub(super) fn put(table: &str, id: &str, json: String) -> Result<PatchOp> {
    let value = RawValue::from_string(json)
        .map_err(|e| Error::internal(format!("a row of `{table}` has no JSON form")).with_source(e))?;
    Ok(PatchOp::Put { table: table.to_owned(), id: id.to_owned(), value })
}

/// A `del` of this row.
pub(super) fn del(table: &str, id: &str) -> PatchOp {
    PatchOp::Del { table: table.to_owned(), id: id.to_owned() }
}
