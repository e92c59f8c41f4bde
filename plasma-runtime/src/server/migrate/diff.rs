//! The difference between what a database has and what a program declares.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::shape::{ColumnShape, Shape, TableShape};

/// What a change asks of whoever applies it, from the harmless to the grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Nothing is lost, and programs with the former schema go on working on the database.
    Additive,
    /// Nothing is lost, but programs with the former schema no longer fit: they stop serving.
    Breaking,
    /// Cannot be done without a written step that says how.
    NeedsStep,
    /// Loses data. Refused without a written step that wants it.
    Destructive,
}

/// A change of a table. Names are those of SQL, descriptions of columns are as in `plasma.lock`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum What {
    /// The table is new.
    NewTable,
    /// The schema has the table no more.
    DroppedTable,
    /// The table had another name.
    RenamedTable {
        /// The name it had.
        from: String,
    },
    /// The column is new.
    NewColumn {
        /// What it is.
        to: String,
    },
    /// The schema has the column no more.
    DroppedColumn {
        /// What it was.
        from: String,
        /// Programs that do not know it can go on inserting rows.
        omittable: bool,
    },
    /// The column had another name.
    RenamedColumn {
        /// The name it had.
        from: String,
    },
    /// The column holds values of another kind.
    Type {
        /// The kind it had.
        from: String,
        /// The kind it is to have.
        to: String,
    },
    /// The column takes NULL now (`nullable`), or no more.
    Nullability {
        /// What it is to be.
        nullable: bool,
    },
    /// Another value, or none, is stored by inserts that leave the column out.
    Default {
        /// The SQL it had.
        from: Option<String>,
        /// The SQL it is to have.
        to: Option<String>,
    },
    /// No two rows may be equal in these columns any more.
    NewUnique {
        /// The columns.
        columns: Vec<String>,
    },
    /// Rows may be equal in these columns now.
    DroppedUnique {
        /// The columns.
        columns: Vec<String>,
    },
    /// The column refers to another table, or does something else when the row it refers to is deleted.
    Reference {
        /// What it was.
        from: String,
        /// What it is to be.
        to: String,
    },
    /// The column is what it was, but not as this library writes it.
    Definition {
        /// The SQL it has.
        from: String,
        /// The SQL it is to have.
        to: String,
    },
    /// The table syncs from now on, or no more (`local_only`).
    LocalOnly {
        /// What it is to be.
        local_only: bool,
    },
    /// The index is new.
    NewIndex {
        /// Its name.
        index: String,
    },
    /// The schema has the index no more.
    DroppedIndex {
        /// Its name.
        index: String,
    },
    /// Rows that are written from now on keep this rule.
    NewCheck {
        /// The rule as it is written.
        check: String,
    },
    /// Rows need not keep this rule any more.
    DroppedCheck {
        /// The rule as it was written.
        check: String,
    },
    /// The triggers that write the change log are made anew.
    Triggers,
}

/// A change, what it means, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// The table, by the name it has in the program (the database's when the program has it no more).
    pub table: String,
    /// The column, when it is about one.
    pub column: Option<String>,
    /// What changes.
    #[serde(flatten)]
    pub what: What,
    /// What it asks for.
    pub class: Class,
    /// Why it is of this class.
    pub reason: String,
    /// The name of the written step that covers it.
    pub step: Option<String>,
}

/// What has to happen for a database to be what a program declares.
///
/// `Display` is for people, a line for every change; serde is for tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SchemaDiff {
    /// Name of the schema's type.
    pub schema: String,
    /// The version that the database was made or migrated for; none for an empty one.
    pub from: Option<String>,
    /// The version of the program.
    pub to: String,
    /// The changes, by table and column.
    pub changes: Vec<Change>,
    /// The names of the written steps that have not run yet, in their order.
    pub steps: Vec<String>,
}

impl SchemaDiff {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.steps.is_empty()
    }

    /// The gravest class of the changes that no written step covers.
    pub fn class(&self) -> Option<Class> {
        self.changes.iter().filter(|change| change.step.is_none()).map(|change| change.class).max()
    }

    /// The changes that a migration refuses: no written step covers them.
    pub fn refused(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.step.is_none() && change.class >= Class::NeedsStep)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Additive => "additive",
            Class::Breaking => "breaking",
            Class::NeedsStep => "needs a step",
            Class::Destructive => "destructive",
        })
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Change { table, column, what, class, reason, step } = self;
        let sign = match what {
            What::NewTable | What::NewColumn { .. } | What::NewIndex { .. } | What::NewCheck { .. } => '+',
            What::NewUnique { .. } => '+',
            What::DroppedTable | What::DroppedColumn { .. } | What::DroppedIndex { .. } => '-',
            What::DroppedCheck { .. } | What::DroppedUnique { .. } => '-',
            _ => '~',
        };
        write!(f, "{sign} `{table}")?;
        if let Some(column) = column {
            write!(f, ".{column}")?;
        }
        f.write_str("`: ")?;
        let none = "none";
        match what {
            What::NewTable => f.write_str("new table"),
            What::DroppedTable => f.write_str("the schema has the table no more"),
            What::RenamedTable { from } => write!(f, "renamed, was `{from}`"),
            What::NewColumn { to } => write!(f, "new column ({to})"),
            What::DroppedColumn { from, .. } => write!(f, "the schema has the column no more ({from})"),
            What::RenamedColumn { from } => write!(f, "renamed, was `{from}`"),
            What::Type { from, to } => write!(f, "{from} -> {to}"),
            What::Nullability { nullable: true } => f.write_str("takes NULL"),
            What::Nullability { nullable: false } => f.write_str("takes NULL no more"),
            What::Default { from, to } => {
                write!(f, "default {} -> {}", from.as_deref().unwrap_or(none), to.as_deref().unwrap_or(none))
            }
            What::NewUnique { columns } => write!(f, "unique({})", columns.join(", ")),
            What::DroppedUnique { columns } => write!(f, "no more unique({})", columns.join(", ")),
            What::Reference { from, to } => write!(f, "{from} -> {to}"),
            What::Definition { from, to } => write!(f, "`{from}` -> `{to}`"),
            What::LocalOnly { local_only: true } => f.write_str("syncs no more"),
            What::LocalOnly { local_only: false } => f.write_str("syncs from now on"),
            What::NewIndex { index } | What::DroppedIndex { index } => write!(f, "index `{index}`"),
            What::NewCheck { check } | What::DroppedCheck { check } => write!(f, "check `{check}`"),
            What::Triggers => f.write_str("triggers"),
        }?;
        match step {
            Some(step) => write!(f, " [{class}, by the step \"{step}\"]"),
            None if reason.is_empty() => write!(f, " [{class}]"),
            None => write!(f, " [{class}: {reason}]"),
        }
    }
}

impl fmt::Display for SchemaDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SchemaDiff { schema, from, to, changes, steps } = self;
        match from {
            Some(from) => write!(f, "schema `{schema}`: the database has version \"{from}\", the program \"{to}\"")?,
            None => write!(f, "schema `{schema}`: the database is empty, the program has version \"{to}\"")?,
        }
        if self.is_empty() {
            return f.write_str("; nothing to do");
        }
        for change in changes {
            write!(f, "\n  {change}")?;
        }
        for step in steps {
            write!(f, "\n  step \"{step}\"")?;
        }
        Ok(())
    }
}

fn change(table: &str, column: Option<&str>, what: What, class: Class, reason: &str) -> Change {
    let column = column.map(str::to_owned);
    Change { table: table.to_owned(), column, what, class, reason: reason.to_owned(), step: None }
}

/// What turns `found` into `declared`, in order of tables and columns.
pub(super) fn diff(found: &Shape, declared: &Shape) -> Vec<Change> {
    let mut changes = Vec::new();
    let names: BTreeSet<&String> = found.tables.keys().chain(declared.tables.keys()).collect();
    for name in names {
        match (found.tables.get(name), declared.tables.get(name)) {
            (None, _) => changes.push(change(name, None, What::NewTable, Class::Additive, "")),
            (_, None) => {
                changes.push(change(name, None, What::DroppedTable, Class::Destructive, "its rows would be lost"))
            }
            (Some(found), Some(declared)) => table(&mut changes, name, found, declared),
        }
    }
    changes
}

fn table(changes: &mut Vec<Change>, name: &str, found: &TableShape, declared: &TableShape) {
    if found.local_only != declared.local_only {
        let what = What::LocalOnly { local_only: declared.local_only };
        changes.push(change(name, None, what, Class::Breaking, "clients get the table anew, or lose it"));
    }
    let names: BTreeSet<&String> = found.columns.keys().chain(declared.columns.keys()).collect();
    for column in names {
        match (found.columns.get(column), declared.columns.get(column)) {
            (None, Some(to)) => {
                let (class, reason) = match to.omittable() {
                    true => (Class::Additive, ""),
                    false => (Class::NeedsStep, "it has no default: a step must say what the rows that are there hold"),
                };
                changes.push(change(name, Some(column), What::NewColumn { to: to.words() }, class, reason));
            }
            (Some(from), None) => {
                let what = What::DroppedColumn { from: from.words(), omittable: from.omittable() };
                changes.push(change(name, Some(column), what, Class::Destructive, "its values would be lost"));
            }
            (Some(from), Some(to)) => self::column(changes, name, column, from, to),
            (None, None) => {}
        }
    }
    for set in declared.unique.difference(&found.unique) {
        changes.push(change(name, None, What::NewUnique { columns: set.clone() }, Class::Breaking, UNIQUE));
    }
    for set in found.unique.difference(&declared.unique) {
        changes.push(change(name, None, What::DroppedUnique { columns: set.clone() }, Class::Breaking, NO_UNIQUE));
    }
    for index in declared.indexes.difference(&found.indexes) {
        changes.push(change(name, None, What::NewIndex { index: index.clone() }, Class::Additive, ""));
    }
    for index in found.indexes.difference(&declared.indexes) {
        changes.push(change(name, None, What::DroppedIndex { index: index.clone() }, Class::Additive, ""));
    }
    for check in declared.checks.difference(&found.checks) {
        let reason = "rows that are there are not looked at";
        changes.push(change(name, None, What::NewCheck { check: check.clone() }, Class::Additive, reason));
    }
    for check in found.checks.difference(&declared.checks) {
        changes.push(change(name, None, What::DroppedCheck { check: check.clone() }, Class::Additive, ""));
    }
}

const UNIQUE: &str = "programs with the former schema would be refused rows that it allows";
const NO_UNIQUE: &str = "programs with the former schema count on it";

fn column(changes: &mut Vec<Change>, table: &str, name: &str, from: &ColumnShape, to: &ColumnShape) {
    let before = changes.len();
    let mut push = |what, class, reason: &str| changes.push(change(table, Some(name), what, class, reason));
    if from.kind != to.kind {
        let what = What::Type { from: from.kind.clone(), to: to.kind.clone() };
        push(what, Class::NeedsStep, "a step must say how the values are converted");
    }
    match (from.nullable, to.nullable) {
        (true, false) => {
            let reason = "programs with the former schema would be refused NULL";
            push(What::Nullability { nullable: false }, Class::Breaking, reason);
        }
        (false, true) => {
            let reason = "programs with the former schema cannot read NULL";
            push(What::Nullability { nullable: true }, Class::Breaking, reason);
        }
        _ => {}
    }
    match (from.unique, to.unique) {
        (false, true) => push(What::NewUnique { columns: vec![name.to_owned()] }, Class::Breaking, UNIQUE),
        (true, false) => push(What::DroppedUnique { columns: vec![name.to_owned()] }, Class::Breaking, NO_UNIQUE),
        _ => {}
    }
    if (&from.references, &from.on_delete) != (&to.references, &to.on_delete) {
        let reason = "programs with the former schema count on what deletes do";
        push(What::Reference { from: from.words(), to: to.words() }, Class::Breaking, reason);
    }
    if from.default != to.default {
        let what = What::Default { from: from.default.clone(), to: to.default.clone() };
        push(what, Class::Additive, "of inserts that leave the column out");
    }
    if changes.len() == before && !from.definition.is_empty() && from.definition != to.definition {
        let what = What::Definition { from: from.definition.clone(), to: to.definition.clone() };
        changes.push(change(table, Some(name), what, Class::Breaking, "the rows that are there must fit"));
    }
}

impl Change {
    /// Whether a program can work on the database without it: what it does not know of, and what it does not need.
    pub(super) fn is_left_over(&self) -> bool {
        match self.what {
            What::DroppedTable | What::DroppedIndex { .. } | What::DroppedCheck { .. } | What::Default { .. } => true,
            What::DroppedColumn { omittable, .. } => omittable,
            What::NewIndex { .. } | What::NewCheck { .. } | What::Triggers => false,
            _ => false,
        }
    }
}
