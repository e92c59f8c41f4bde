//! Which constraint refused a write.

use serde::{Deserialize, Serialize};

use super::Error;

/// A constraint that refused a write: of which table, over which columns. It is the `data` of a `conflict`, and so comes
/// with a rejection too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// What kind of constraint.
    pub constraint: Constraint,
    /// SQL name of the table; `None` when the database did not say.
    #[serde(default)]
    pub table: Option<String>,
    /// SQL names of its columns: the key of a `unique`, the references without a row of a foreign key.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The rule of a `check`, as it is written in the table.
    #[serde(default, rename = "check", skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The kinds of constraints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Constraint {
    /// Another row has the same id, or the same values in unique columns.
    Unique,
    /// The referenced row does not exist; or, in a delete, the row is still referenced.
    ForeignKey,
    /// A column that needs a value has none.
    NotNull,
    /// A rule of the table, or of a column's type.
    Check,
    /// A trigger of the application.
    Trigger,
}

impl Error {
    /// The constraint that refused the write. None for other errors, and when the row in the way is one that the caller
    /// may not read: then the server says no more than `conflict`.
    pub fn violation(&self) -> Option<Violation> {
        Violation::deserialize(self.data()?).ok()
    }

    /// The same error, its constraint one of this table where the database did not say.
    pub(crate) fn in_table(mut self, table: &str) -> Self {
        if let Some(serde_json::Value::Object(data)) = &mut self.0.data
            && data.contains_key("constraint")
            && data.get("table").is_none_or(serde_json::Value::is_null)
        {
            data.insert("table".to_owned(), table.into());
        }
        self
    }
}
