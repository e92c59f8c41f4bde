//! What a migration does on Postgres outside of its transactions, so that nobody waits while it looks at every row.
//!
//! *Ahead* of its last transaction it makes what that only has to take up: a check that a column holds no NULL, which `SET
//! NOT NULL` believes; the index of a unique column; a foreign key. Rows that do not fit are found before anything is
//! changed. *Behind* the transaction come indexes and the look at constraints that hold for new rows already. All of it can
//! be cut off: what is there and whole is taken, what is not is made again.

use super::diff::{Change, What};
use super::plan::{Plan, refused};
use super::run::Run;
use super::transaction;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{SchemaDef, fitting};
use crate::server::ServerEngine;
use crate::store::SqlExecutor;
use crate::store::ddl::{postgres as ddl, quote};
use crate::value::{Kind, Value};

/// What the names of things that are made ahead begin with.
pub(super) const NEW: &str = "_plasma_new_";

/// The check that a column holds no NULL.
pub(super) fn new_not_null(column: &str) -> String {
    fitting(format!("{NEW}not_null:{column}"))
}

/// The index of a unique column.
pub(super) fn new_unique(table: &str, column: &str) -> String {
    fitting(format!("{NEW}unique:{table}:{column}"))
}

/// The foreign key of a column that has another one.
pub(super) fn new_key(table: &str, column: &str) -> String {
    fitting(format!("{NEW}key:{table}:{column}"))
}

/// A constraint or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Constraint { table: String, name: String },
    Index(String),
}

impl Named {
    /// The statement that drops it.
    pub(super) fn drop(&self) -> String {
        match self {
            Named::Constraint { table, name } => {
                format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", quote(table), quote(name))
            }
            Named::Index(name) => format!("DROP INDEX IF EXISTS {}", quote(name)),
        }
    }

    /// Whether it is whole; none when it is not there.
    async fn state(&self, db: &mut dyn SqlExecutor) -> Result<Option<bool>> {
        let (sql, params) = match self {
            Named::Constraint { table, name } => (
                "SELECT convalidated FROM pg_constraint WHERE conrelid = to_regclass(?) AND conname = ?",
                vec![Value::Text(quote(table)), Value::from(name.as_str())],
            ),
            Named::Index(name) => {
                ("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(?)", vec![Value::Text(quote(name))])
            }
        };
        let found = db.query(sql, &params, &[Kind::Bool]).await?;
        Ok(found.first().map(|row| row[0] == Value::Bool(true)))
    }
}

/// What was made ahead and not taken up.
pub(super) async fn made_ahead(db: &mut dyn SqlExecutor) -> Result<Vec<Named>> {
    const SQL: &str = "SELECT CAST(t.relname AS text), CAST(c.conname AS text) FROM pg_constraint c \
        JOIN pg_class t ON t.oid = c.conrelid \
        WHERE c.connamespace = CAST(current_schema() AS regnamespace) AND starts_with(c.conname, ?)";
    let found = db.query(SQL, &[Value::from(NEW)], &[Kind::Text; 2]).await?;
    let text = |value: &Value| value.as_text().map(str::to_owned);
    let constraint = |row: &Vec<Value>| Some(Named::Constraint { table: text(&row[0])?, name: text(&row[1])? });
    Ok(found.iter().filter_map(constraint).collect())
}

/// Something that is made ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ahead {
    table: String,
    what: Named,
    /// What makes it; a constraint takes the table for a moment.
    make: String,
}

/// What of a plan can be made ahead: of columns that are there and whose values stay.
fn of(plan: &Plan, schema: &SchemaDef) -> Vec<Ahead> {
    let place = |change: &Change, column: &str| (change.table.clone(), column.to_owned());
    let stays = |change: &Change, column: &str| {
        let is_converted = |other: &Change| {
            other.table == change.table
                && other.column.as_deref() == Some(column)
                && matches!(other.what, What::Type { .. } | What::NewColumn { .. })
        };
        !plan.fills.contains_key(&place(change, column)) && !plan.changes.iter().any(is_converted)
    };
    let one = |change: &Change| -> Option<Ahead> {
        let declared = schema.table(&change.table)?;
        let (what, make) = match (&change.what, &change.column) {
            (What::NewUnique { columns }, None) => {
                let mut indexes = declared.named_indexes().into_iter().filter(|index| index.unique);
                let index = indexes.find(|index| {
                    let mut set = index.columns.clone();
                    set.sort_unstable();
                    set == *columns
                })?;
                let same: Vec<String> = index.columns.iter().map(|&column| column.to_owned()).collect();
                // Of columns that are renamed it is made in the transaction.
                let unchanged = plan.former(&change.table, &same)? == (change.table.clone(), same.clone());
                if !unchanged || !same.iter().all(|column| stays(change, column)) {
                    return None;
                }
                (Named::Index(index.name.clone()), ddl::create_index(declared, &index, true))
            }
            (what, Some(name)) if stays(change, name) => {
                let column = declared.column(name)?;
                let (former, columns) = plan.former(&change.table, std::slice::from_ref(name))?;
                let (of, is) = (quote(&former), quote(columns.first()?));
                let constraint = |name: String, words: String| {
                    let make = format!("ALTER TABLE {of} ADD CONSTRAINT {} {words} NOT VALID", quote(&name));
                    (Named::Constraint { table: former.clone(), name }, make)
                };
                match what {
                    What::Nullability { nullable: false } => {
                        constraint(new_not_null(name), format!("CHECK ({is} IS NOT NULL)"))
                    }
                    What::NewUnique { .. } => {
                        let name = new_unique(&change.table, name);
                        let make = format!("CREATE UNIQUE INDEX CONCURRENTLY {} ON {of} ({is})", quote(&name));
                        (Named::Index(name), make)
                    }
                    What::Reference { .. } => {
                        let target = column.references?;
                        if plan.former(target, &[])?.0 != target {
                            return None;
                        }
                        let words = format!("FOREIGN KEY ({is}) {}", ddl::references(column));
                        constraint(new_key(&change.table, name), words)
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(Ahead { table: change.table.clone(), what, make })
    };
    plan.changes.iter().filter_map(one).collect()
}

impl Run<'_> {
    /// Makes ahead what can be.
    ///
    /// # Errors
    /// [`MigrationRefused`](ErrorKind::MigrationRefused) when rows do not fit.
    pub(super) async fn ahead(&mut self) -> Result<()> {
        let (_, plan) = self.look().await?;
        plan.check(self.keeps_left_over)?;
        if of(&plan, &self.engine.definition.schema).is_empty() {
            return Ok(());
        }
        let locked = transaction::lock(self.db).await?;
        let made = self.make_ahead().await;
        let unlocked = transaction::unlock(self.db, locked).await;
        made.and(unlocked)
    }

    /// With the other migrations kept out: they may have done it.
    async fn make_ahead(&mut self) -> Result<()> {
        let (_, plan) = self.look().await?;
        plan.check(self.keeps_left_over)?;
        for one in of(&plan, &self.engine.definition.schema) {
            one.make(self.db).await?;
        }
        Ok(())
    }
}

impl Ahead {
    async fn make(&self, db: &mut dyn SqlExecutor) -> Result<()> {
        let state = self.what.state(db).await?;
        let looked = match (&self.what, state) {
            (_, Some(true)) => return Ok(()),
            (Named::Constraint { table, name }, state) => {
                if state.is_none() {
                    transaction::short(db, &self.make).await?;
                }
                db.batch(&format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", quote(table), quote(name))).await
            }
            (Named::Index(name), state) => {
                if state.is_some() {
                    db.batch(&format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quote(name))).await?;
                }
                db.batch(self.make.trim_end_matches(';')).await
            }
        };
        let Err(error) = looked else { return Ok(()) };
        let error = misfit(&self.table, error);
        if error.kind() == ErrorKind::MigrationRefused {
            // It must not hold writers to what is not going to be.
            transaction::short(db, &self.what.drop()).await?;
        }
        Err(error)
    }
}

/// Brings the indexes to what the program declares (one that was cut off is not valid and is made again), and looks whether the rows keep the constraints that they were not held
/// to yet.
pub(super) async fn behind(engine: &ServerEngine, db: &mut dyn SqlExecutor) -> Result<()> {
    let found = db.query(ddl::INDEXES, &[], &[Kind::Text, Kind::Text, Kind::Bool]).await?;
    for change in ddl::index_changes(engine.definition.schema.tables, &found, true) {
        db.batch(change.trim_end_matches(';')).await.map_err(|error| misfit("an index", error))?;
    }
    const LATER: &str = "SELECT CAST(t.relname AS text), CAST(c.conname AS text) FROM pg_constraint c \
        JOIN pg_class t ON t.oid = c.conrelid WHERE c.connamespace = CAST(current_schema() AS regnamespace) \
        AND NOT c.convalidated AND c.contype IN ('c', 'f') ORDER BY 1, 2";
    for row in db.query(LATER, &[], &[Kind::Text; 2]).await? {
        let (Some(table), Some(name)) = (row[0].as_text(), row[1].as_text()) else { continue };
        let ours = engine.definition.schema.table(table).is_some_and(|table| {
            let is = |column: &str| name == column || name == ddl::foreign_key_name(table.name, column);
            table.columns.iter().any(|column| is(column.name))
        });
        if ours {
            let validate = format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", quote(table), quote(name));
            db.batch(&validate).await.map_err(|error| misfit(table, error))?;
        }
    }
    Ok(())
}

/// A row that does not fit is a reason to refuse, everything else a fault.
pub(super) fn misfit(table: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::Overflow => {
            let reason = format!("rows do not fit: {}", error.message());
            refused(&[(table.to_owned(), None, reason)]).with_source(error)
        }
        _ => error,
    }
}
