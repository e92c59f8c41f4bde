//! Written steps: what a migration cannot know by itself.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::query::lower::Dialect;
use crate::server::ddl::hex;

/// SQL, in the words of each database.
///
/// A text is the same for all: `"lower(name)"`. [`Sql::each`] has one for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sql {
    sqlite: String,
    postgres: String,
}

impl Sql {
    /// SQL that differs between databases.
    pub fn each(sqlite: impl Into<String>, postgres: impl Into<String>) -> Self {
        Sql { sqlite: sqlite.into(), postgres: postgres.into() }
    }

    pub(super) fn of(&self, dialect: Dialect) -> &str {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        }
    }
}

impl<T: Into<String>> From<T> for Sql {
    fn from(sql: T) -> Self {
        let sql = sql.into();
        Sql { sqlite: sql.clone(), postgres: sql }
    }
}

/// A written step of a migration.
///
/// Names are those of SQL. Expressions are SQL over the columns of one row. Steps run once in a database, in the order in
/// which they are given within each part of a migration: renames and everything that is new come first, then SQL and
/// backfills, at last conversions, drops and constraints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step(pub(super) Action);

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) enum Action {
    RenameTable { from: String, to: String },
    RenameColumn { table: String, from: String, to: String },
    DropTable { table: String },
    DropColumn { table: String, column: String },
    ChangeType { table: String, column: String, convert: Sql },
    Fill { table: String, column: String, value: Sql },
    Backfill { table: String, set: Vec<(String, Sql)>, filter: Option<Sql>, batch: u32 },
    Sql(Sql),
}

impl Step {
    /// The table `to` is what was the table `from`.
    pub fn rename_table(from: impl Into<String>, to: impl Into<String>) -> Self {
        Step(Action::RenameTable { from: from.into(), to: to.into() })
    }

    /// The column `to` of `table` is what was the column `from`.
    pub fn rename_column(table: impl Into<String>, from: impl Into<String>, to: impl Into<String>) -> Self {
        Step(Action::RenameColumn { table: table.into(), from: from.into(), to: to.into() })
    }

    /// The rows of `table` are no longer wanted.
    pub fn drop_table(table: impl Into<String>) -> Self {
        Step(Action::DropTable { table: table.into() })
    }

    /// The values of a column are no longer wanted.
    pub fn drop_column(table: impl Into<String>, column: impl Into<String>) -> Self {
        Step(Action::DropColumn { table: table.into(), column: column.into() })
    }

    /// The values of a column are of another kind from now on: `convert` makes the new one from the row as it was, in the
    /// form in which the database stores the new kind.
    pub fn change_type(table: impl Into<String>, column: impl Into<String>, convert: impl Into<Sql>) -> Self {
        Step(Action::ChangeType { table: table.into(), column: column.into(), convert: convert.into() })
    }

    /// What a column that takes no NULL holds in rows that have no value for it: rows that are there when the column is
    /// new, rows with NULL when it took NULL. In one statement, together with the other changes of the table.
    pub fn fill(table: impl Into<String>, column: impl Into<String>, value: impl Into<Sql>) -> Self {
        Step(Action::Fill { table: table.into(), column: column.into(), value: value.into() })
    }

    /// Updates the rows of a table, some at a time: [`Step::set`] says what, [`Step::only`] which, [`Step::batch`] how many.
    /// What it writes reaches clients as any write does.
    pub fn backfill(table: impl Into<String>) -> Self {
        Step(Action::Backfill { table: table.into(), set: Vec::new(), filter: None, batch: 1_000 })
    }

    /// SQL of one's own: statements separated by `;`, run in one transaction.
    pub fn sql(sql: impl Into<Sql>) -> Self {
        Step(Action::Sql(sql.into()))
    }

    /// A backfill that also stores `value` in `column`. Other steps stay what they are.
    #[must_use]
    pub fn set(mut self, column: impl Into<String>, value: impl Into<Sql>) -> Self {
        if let Action::Backfill { set, .. } = &mut self.0 {
            set.push((column.into(), value.into()));
        }
        self
    }

    /// A backfill of the rows for which this holds. Other steps stay what they are.
    #[must_use]
    pub fn only(mut self, condition: impl Into<Sql>) -> Self {
        if let Action::Backfill { filter, .. } = &mut self.0 {
            *filter = Some(condition.into());
        }
        self
    }

    /// A backfill that looks at this many rows in a transaction, at least one; 1,000 unless said. Other steps stay what they are.
    #[must_use]
    pub fn batch(mut self, rows: u32) -> Self {
        if let Action::Backfill { batch, .. } = &mut self.0 {
            *batch = rows.max(1);
        }
        self
    }

    /// Whether it runs between what is new and what goes, in transactions of its own.
    pub(super) fn is_data(&self) -> bool {
        matches!(self.0, Action::Backfill { .. } | Action::Sql(_))
    }

    /// Tells whether a step is the one that ran. How many rows a transaction takes makes no difference.
    pub(super) fn checksum(&self) -> String {
        let mut action = self.0.clone();
        if let Action::Backfill { batch, .. } = &mut action {
            *batch = 0;
        }
        // A value of these types is always JSON.
        hex(&Sha256::digest(serde_json::to_vec(&action).unwrap_or_default())[..16])
    }
}

/// A step with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Named {
    pub(super) name: String,
    pub(super) step: Step,
}
