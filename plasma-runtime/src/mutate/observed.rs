//! What the operations of a mutation on CRDT columns had seen when it was made.
//!
//! A mutation runs again over newer rows, on the client and on the server. An increment simply counts again; but a
//! removal may take away only what its caller had seen, a write of a register keeps the place in time of its call, and
//! an edit of a text stands beside the characters that its caller saw. So the first run takes down what such an operation
//! looked at, cell by cell and in order, and every later run of the mutation is told the same.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// What was seen in the cells of a mutation: by table, row and column, in the order in which the run asked.
type Seen = BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<Value>>>>;

/// What the operations of a mutation had seen, and how far this run has come with it.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    seen: Seen,
    /// How often this run has asked for a cell.
    asked: BTreeMap<(&'static str, String, &'static str), usize>,
}

impl Observed {
    /// Reads the member `observed` of a mutation. Cells that no operation asks for are no mistake: a program of another
    /// version may have made it.
    ///
    /// # Errors
    /// [`InvalidArgs`](ErrorKind::InvalidArgs) when it is not lists by table, row and column.
    pub(crate) fn from_json(json: &str) -> Result<Self> {
        let seen = serde_json::from_str(json).map_err(|error| {
            let message = format!("`observed` is not lists by table, row and column: {error}");
            Error::new(ErrorKind::InvalidArgs, message)
        })?;
        Ok(Observed { seen, asked: BTreeMap::new() })
    }

    /// As the member `observed` of a mutation; none when nothing was seen.
    pub(crate) fn to_json(&self) -> Option<String> {
        if self.seen.is_empty() {
            return None;
        }
        Some(serde_json::to_string(&self.seen).expect("maps with text keys are JSON"))
    }

    /// Takes down what this run sees.
    pub(super) fn record(&mut self, table: &str, row: &str, column: &str, value: Value) {
        let rows = self.seen.entry(table.to_owned()).or_default();
        let columns = rows.entry(row.to_owned()).or_default();
        columns.entry(column.to_owned()).or_default().push(value);
    }

    /// What the first run saw when it asked for this cell as often as this run has by now.
    pub(super) fn next(&mut self, table: &'static str, row: &str, column: &'static str) -> Option<Value> {
        let asked = self.asked.entry((table, row.to_owned(), column)).or_default();
        let value = self.seen.get(table)?.get(row)?.get(column)?.get(*asked).cloned();
        *asked += 1;
        value
    }

    /// The same run once more, from its beginning.
    pub(super) fn restart(&mut self) {
        self.asked.clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_seen_comes_back_in_order_cell_by_cell() {
        let mut first = Observed::default();
        assert_eq!(first.to_json(), None, "nothing is nothing to send");
        for (row, column, value) in [
            ("1", "tags", json!(["a:1"])),
            ("1", "tags", json!([])),
            ("2", "tags", json!(7)),
            ("1", "status", json!(8)),
        ] {
            first.record("notes", row, column, value);
        }
        let text = first.to_json().expect("something was seen");
        assert_eq!(text, r#"{"notes":{"1":{"status":[8],"tags":[["a:1"],[]]},"2":{"tags":[7]}}}"#);
        let mut later = Observed::from_json(&text).expect("its own form");
        assert_eq!(later.to_json().as_deref(), Some(&*text));
        for _ in 0..2 {
            assert_eq!(later.next("notes", "2", "tags"), Some(json!(7)));
            assert_eq!(later.next("notes", "1", "tags"), Some(json!(["a:1"])));
            assert_eq!(later.next("notes", "1", "tags"), Some(json!([])));
            assert_eq!(later.next("notes", "1", "tags"), None, "the first run asked twice");
            assert_eq!(later.next("notes", "3", "tags"), None);
            assert_eq!(later.next("todos", "1", "tags"), None);
            later.restart();
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for wrong in ["[]", "7", r#"{"notes":[]}"#, r#"{"notes":{"1":{"tags":{}}}}"#, r#"{"notes":{"1":[1]}}"#] {
            assert_eq!(Observed::from_json(wrong).expect_err(wrong).kind(), ErrorKind::InvalidArgs);
        }
    }
}
