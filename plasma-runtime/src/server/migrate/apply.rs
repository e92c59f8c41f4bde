//! The structural part of a migration, on SQLite: inside one transaction, from the tables a database has to those it is to
//! have.
//!
//! `ALTER TABLE` adds columns. Everything else makes the table anew, by the procedure of
//! <https://www.sqlite.org/lang_altertable.html#otheralter>: foreign keys are off, so that the drop of the old table does
//! not delete what refers to its rows, and are checked before the commit.

use std::collections::BTreeMap;

use super::diff::{Change, What};
use super::inspect::inspect;
use super::notes::Image;
use super::plan::{Plan, Rename, refused};
use super::shape::{ColumnShape, Shape, TableShape};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{ColumnDef, ColumnDefault, TableDef};
use crate::server::ServerEngine;
use crate::server::triggers::sqlite as triggers;
use crate::store::SqlExecutor;
use crate::store::ddl::{self, Side, quote};
use crate::value::{Kind, Value};

/// The name under which a table is made anew.
const NEW: &str = "_plasma_new";

/// How far a phase goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Renames, and what is new. What is there stays as it is, so that SQL steps and backfills can work on both.
    Expand,
    /// To the end: conversions, drops, constraints.
    Finish,
}

/// A phase under way, inside a transaction.
pub(super) struct Apply<'a> {
    pub(super) engine: &'a ServerEngine,
    pub(super) db: &'a mut dyn SqlExecutor,
    pub(super) plan: &'a Plan,
    pub(super) phase: Phase,
    pub(super) images: BTreeMap<String, Image>,
    /// Positions from before are void: the change log holds images that no longer fit.
    pub(super) restate: bool,
}

/// A column of a table that is made anew.
struct Target {
    name: String,
    definition: String,
    /// The SQL of its value over the old row.
    source: String,
}

impl Apply<'_> {
    /// Does it; returns the tables as they are now.
    ///
    /// # Errors
    /// [`MigrationRefused`](ErrorKind::MigrationRefused) when rows do not fit, [`Storage`](ErrorKind::Storage) when the
    /// database fails. The transaction is to be rolled back.
    pub(super) async fn run(&mut self) -> Result<Shape> {
        let schema = self.engine.definition.schema;
        self.renames().await?;
        let found = inspect(self.db, &self.plan.found, &self.plan.declared).await?;
        if self.phase == Phase::Finish {
            for change in self.plan.changes.iter().filter(|change| change.step.is_some()) {
                if change.what == What::DroppedTable {
                    self.db.batch(&ddl::drop_table(&change.table)).await?;
                }
            }
        }
        for table in schema.tables {
            match found.tables.get(table.name) {
                None => self.db.batch(&ddl::create_table(table, Side::Server)).await?,
                Some(found) => self.table(table, found).await?,
            }
        }
        for change in &self.plan.changes {
            self.note_images(change).await?;
        }
        self.indexes().await?;
        self.check_references().await?;
        let known = self.known(&found);
        let shape = inspect(self.db, &known, &self.plan.declared).await?;
        self.triggers(&shape).await?;
        Ok(shape)
    }

    async fn renames(&mut self) -> Result<()> {
        for rename in &self.plan.renames {
            let (Rename::Table { from: table, .. } | Rename::Column { table, .. }) = rename;
            for name in self.own_triggers(table).await?.into_keys() {
                self.db.batch(&format!("DROP TRIGGER {}", quote(&name))).await?;
            }
            let sql = match rename {
                Rename::Table { from, to } => format!("ALTER TABLE {} RENAME TO {}", quote(from), quote(to)),
                Rename::Column { table, from, to } => {
                    format!("ALTER TABLE {} RENAME COLUMN {} TO {}", quote(table), quote(from), quote(to))
                }
            };
            self.db.batch(&sql).await?;
        }
        Ok(())
    }

    /// Brings one table to what it is to be in this phase.
    async fn table(&mut self, table: &'static TableDef, found: &TableShape) -> Result<()> {
        let mut targets = Vec::new();
        let mut added = Vec::new();
        let mut anew = false;
        for (index, column) in table.columns.iter().enumerate() {
            let declared = ddl::column_sql(column, index == table.id, Side::Server);
            let (definition, source) = match found.columns.get(column.name) {
                Some(have) if self.phase == Phase::Expand => (have.definition.clone(), quote(column.name)),
                Some(have) => {
                    anew |= have.definition != declared;
                    (declared, self.converted(table, column, have))
                }
                None if self.phase == Phase::Expand && !(column.nullable || column.default.is_some()) => {
                    // It takes NULL until it is filled.
                    let loose = ColumnDef { nullable: true, unique: false, default: None, ..*column };
                    added.push((column.name, ddl::column_sql(&loose, false, Side::Server)));
                    continue;
                }
                None => {
                    let value = self.plan.fills.get(&place(table, column));
                    match value {
                        None if can_be_added(column) => {
                            added.push((column.name, declared));
                            continue;
                        }
                        _ => anew = true,
                    }
                    (declared, value.map_or_else(|| default_value(column), |value| format!("({value})")))
                }
            };
            targets.push(Target { name: column.name.to_owned(), definition, source });
        }
        for (name, have) in &found.columns {
            if table.column(name).is_some() {
                continue;
            }
            if self.phase == Phase::Finish && self.is_dropped(table.name, name) {
                anew = true;
                continue;
            }
            let definition = have.definition.clone();
            targets.push(Target { name: name.clone(), definition, source: quote(name) });
        }
        for (name, definition) in &found.foreign {
            targets.push(Target { name: name.clone(), definition: definition.clone(), source: quote(name) });
        }
        for (_, definition) in &added {
            self.db.batch(&format!("ALTER TABLE {} ADD COLUMN {definition}", quote(table.name))).await?;
        }
        if anew {
            let added = added.into_iter().map(|(name, definition)| (name.to_owned(), definition));
            targets.extend(added.map(|(name, definition)| Target { source: quote(&name), name, definition }));
            self.anew(table.name, &targets).await?;
        }
        Ok(())
    }

    pub(super) fn is_dropped(&self, table: &str, column: &str) -> bool {
        self.plan.changes.iter().any(|change| {
            change.table == table
                && change.column.as_deref() == Some(column)
                && change.step.is_some()
                && matches!(change.what, What::DroppedColumn { .. })
        })
    }

    /// The value that a column of a row has from now on.
    fn converted(&self, table: &TableDef, column: &ColumnDef, have: &ColumnShape) -> String {
        let place = place(table, column);
        let is_kind = have.kind == crate::schema::lock::kind_word(column.kind);
        let mut source = match self.plan.converts.get(&place).filter(|_| !is_kind) {
            Some(convert) => format!("({convert})"),
            None => quote(column.name),
        };
        if let Some(fill) = self.plan.fills.get(&place).filter(|_| !column.nullable && have.nullable) {
            source = format!("coalesce({source}, ({fill}))");
        }
        source
    }

    /// Makes a table anew, with its rows.
    async fn anew(&mut self, table: &str, targets: &[Target]) -> Result<()> {
        let list = |part: &dyn Fn(&Target) -> String| targets.iter().map(part).collect::<Vec<_>>().join(",\n  ");
        let (new, old) = (quote(NEW), quote(table));
        const OWN: &str = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type IN ('index', 'trigger') \
            AND sql IS NOT NULL AND substr(name, 1, 8) <> '_plasma_'";
        let own = self.db.query(OWN, &[Value::from(table)], &[Kind::Text]).await?;
        let create =
            format!("CREATE TABLE {new} (\n  {}\n) STRICT, WITHOUT ROWID", list(&|target| target.definition.clone()));
        self.db.batch(&create).await?;
        let copy = format!(
            "INSERT INTO {new} ({}) SELECT {} FROM {old}",
            list(&|target| quote(&target.name)),
            list(&|target| target.source.clone())
        );
        self.db.batch(&copy).await.map_err(|error| misfit(table, error))?;
        self.db.batch(&format!("DROP TABLE {old}")).await?;
        // The old table is gone: what mentions it must neither be changed nor looked at by the rename.
        let rename = format!(
            "PRAGMA legacy_alter_table = ON; ALTER TABLE {new} RENAME TO {old}; PRAGMA legacy_alter_table = OFF"
        );
        self.db.batch(&rename).await?;
        for row in own {
            let Some(sql) = row[0].as_text() else { continue };
            self.db.batch(sql).await.map_err(|error| {
                let reason =
                    format!("an index or trigger of your own does not fit any more: {}: {sql}", error.message());
                refused(&[(table.to_owned(), None, reason)]).with_source(error)
            })?;
        }
        Ok(())
    }

    async fn indexes(&mut self) -> Result<()> {
        let schema = self.engine.definition.schema;
        let found = self.db.query(ddl::INDEXES, &[], &[Kind::Text; 2]).await?;
        for change in ddl::index_changes(schema.tables, &found) {
            // Until the end a step may still have to make rows unique.
            if self.phase == Phase::Expand && change.starts_with("CREATE UNIQUE") {
                continue;
            }
            self.db.batch(&change).await.map_err(|error| misfit("an index", error))?;
        }
        Ok(())
    }

    async fn check_references(&mut self) -> Result<()> {
        let sql = "SELECT DISTINCT \"table\", parent FROM pragma_foreign_key_check";
        let broken = self.db.query(sql, &[], &[Kind::Text, Kind::Text]).await?;
        let ours =
            |row: &&Vec<Value>| row[0].as_text().is_some_and(|table| self.plan.declared.tables.contains_key(table));
        let reasons: Vec<_> = broken
            .iter()
            .filter(ours)
            .map(|row| {
                let (table, parent) = (row[0].as_text().unwrap_or_default(), row[1].as_text().unwrap_or_default());
                (table.to_owned(), None, format!("rows refer to rows of `{parent}` that do not exist"))
            })
            .collect();
        if reasons.is_empty() { Ok(()) } else { Err(refused(&reasons)) }
    }

    /// What the change means for the images that the change log holds.
    pub(super) async fn note_images(&mut self, change: &Change) -> Result<()> {
        let place = format!("{}.{}", change.table, change.column.as_deref().unwrap_or_default());
        let finish = self.phase == Phase::Finish;
        match &change.what {
            What::NewTable => {
                let sql = "SELECT 1 FROM _plasma_changes WHERE table_name = ? LIMIT 1";
                self.restate |=
                    !self.db.query(sql, &[Value::from(change.table.as_str())], &[Kind::Int]).await?.is_empty();
            }
            What::NewColumn { .. } => {
                let table = self.engine.definition.schema.table(&change.table);
                let column = table.and_then(|table| table.column(change.column.as_deref().unwrap_or_default()));
                let made_up = column.is_some_and(|column| matches!(column.default, Some(ColumnDefault::Now)));
                let place_of = (change.table.clone(), change.column.clone().unwrap_or_default());
                self.restate |= made_up || (finish && self.plan.fills.contains_key(&place_of));
                let (table, column) = &place_of;
                let declared = self.plan.declared.tables.get(table).and_then(|table| table.columns.get(column));
                let image = Image::Absent { default: declared.and_then(|column| column.default.clone()) };
                self.restate |= self.images.insert(place, image) == Some(Image::Stale);
            }
            What::RenamedTable { .. } | What::RenamedColumn { .. } => self.restate = true,
            What::Default { .. } => self.restate |= self.images.remove(&place).is_some(),
            What::Type { .. } | What::Nullability { .. } | What::LocalOnly { .. } => self.restate |= finish,
            What::DroppedColumn { .. } if finish && change.step.is_some() => {
                self.images.insert(place, Image::Stale);
            }
            What::DroppedTable if finish && change.step.is_some() => {
                let of_table = format!("{}.", change.table);
                self.images.retain(|place, _| !place.starts_with(&of_table));
            }
            _ => {}
        }
        Ok(())
    }

    /// What is known of the tables after this phase that the database does not say. `before` is as they were found.
    pub(super) fn known(&self, before: &Shape) -> Shape {
        let mut known = before.clone();
        for (name, declared) in &self.plan.declared.tables {
            let table = known.tables.entry(name.clone()).or_insert_with(|| declared.clone());
            for (column, shape) in &declared.columns {
                if self.phase == Phase::Finish {
                    table.columns.insert(column.clone(), shape.clone());
                } else {
                    table.columns.entry(column.clone()).or_insert_with(|| shape.clone());
                }
            }
            table.checks.clone_from(&declared.checks);
            if self.phase == Phase::Finish {
                table.local_only = declared.local_only;
            }
        }
        known
    }

    /// The library's triggers of a table: their names and texts.
    async fn own_triggers(&mut self, table: &str) -> Result<BTreeMap<String, String>> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? \
                   AND substr(name, 1, 8) = '_plasma_'";
        let rows = self.db.query(sql, &[Value::from(table)], &[Kind::Text; 2]).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| Some((row[0].as_text()?.to_owned(), row[1].as_text()?.to_owned())))
            .collect())
    }

    /// Makes the triggers of the tables whose triggers are not what they are to be.
    async fn triggers(&mut self, shape: &Shape) -> Result<()> {
        for table in self.engine.definition.schema.tables {
            let found = self.own_triggers(table.name).await?;
            let wanted = match shape.tables.get(table.name) {
                _ if !self.engine.is_logged(table) => BTreeMap::new(),
                Some(shape) if shape.columns.len() > table.columns.len() => statements(shape.leak(table.name)),
                _ => statements(table),
            };
            if found == wanted {
                continue;
            }
            for name in found.keys() {
                self.db.batch(&format!("DROP TRIGGER {}", quote(name))).await?;
            }
            for sql in wanted.values() {
                self.db.batch(sql).await?;
            }
        }
        Ok(())
    }
}

/// The triggers of a table by name, as SQLite keeps them.
fn statements(table: &TableDef) -> BTreeMap<String, String> {
    let kept = |sql: String| sql.trim_end_matches(';').to_owned();
    triggers::create(table).into_iter().map(|(name, sql)| (name, kept(sql))).collect()
}

fn place(table: &TableDef, column: &ColumnDef) -> (String, String) {
    (table.name.to_owned(), column.name.to_owned())
}

/// Whether `ALTER TABLE .. ADD COLUMN` takes it: <https://www.sqlite.org/lang_altertable.html#altertabaddcol>.
fn can_be_added(column: &ColumnDef) -> bool {
    let constant = !matches!(column.default, Some(ColumnDefault::Now));
    !column.unique && constant && (column.references.is_none() || column.default.is_none())
}

/// What rows that are there hold in a column that is new.
fn default_value(column: &ColumnDef) -> String {
    ddl::default_sql(column).unwrap_or_else(|| "NULL".to_owned())
}

/// A row that does not fit is a reason to refuse, everything else a fault.
fn misfit(table: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Conflict | ErrorKind::Overflow => {
            let reason = format!("rows do not fit: {}", error.message());
            refused(&[(table.to_owned(), None, reason)]).with_source(error)
        }
        _ => error,
    }
}
