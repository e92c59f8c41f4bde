//! The structural part of a migration, on Postgres: inside one transaction that has `_plasma_meta` to itself, which every
//! push and pull holds as long as it runs.
//!
//! Indexes are made afterwards, without holding up writers: [`indexes`].

use super::apply::{Apply, Phase};
use super::diff::What;
use super::inspect_postgres::inspect;
use super::plan::{Rename, refused};
use super::shape::{ColumnShape, Shape, TableShape};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::lock::{kind_word, on_delete_word};
use crate::schema::{ColumnDef, TableDef};
use crate::server::ServerEngine;
use crate::server::compaction::Horizon;
use crate::server::ddl::{first_int, hex, postgres as server_ddl};
use crate::server::triggers::postgres as triggers;
use crate::store::SqlExecutor;
use crate::store::ddl::{postgres as ddl, quote, quote_text};
use crate::value::{Kind, Value};
use sha2::{Digest, Sha256};

impl Apply<'_> {
    /// [`run`](Self::run) on Postgres.
    pub(super) async fn run_postgres(&mut self) -> Result<Shape> {
        let schema = self.engine.definition.schema;
        self.renames_postgres().await?;
        let found = inspect(self.db, &self.plan.found, &self.plan.declared).await?;
        if self.phase == Phase::Finish {
            for change in self.plan.changes.iter().filter(|change| change.step.is_some()) {
                if change.what == What::DroppedTable {
                    self.db.batch(&ddl::drop_table(&change.table)).await?;
                    self.drop_functions(&change.table).await?;
                }
            }
        }
        for table in schema.tables {
            match found.tables.get(table.name) {
                None => self.db.batch(&ddl::create_table(table)).await?,
                Some(found) => self.table_postgres(table, found).await.map_err(|error| misfit(table.name, error))?,
            }
        }
        for table in schema.tables {
            for sql in ddl::foreign_keys(table) {
                self.db.batch(&sql).await.map_err(|error| misfit(table.name, error))?;
            }
        }
        for change in &self.plan.changes {
            self.note_images(change).await?;
        }
        let known = self.known(&found);
        let shape = inspect(self.db, &known, &self.plan.declared).await?;
        self.triggers_postgres(&shape).await?;
        Ok(shape)
    }

    async fn renames_postgres(&mut self) -> Result<()> {
        for rename in &self.plan.renames {
            match rename {
                Rename::Table { from, to } => {
                    self.drop_triggers(from).await?;
                    self.drop_functions(from).await?;
                    // Their names are of the table's: they are made again.
                    for name in self.constraints(&quote(from), None, "f").await? {
                        self.db.batch(&format!("ALTER TABLE {} DROP CONSTRAINT {}", quote(from), quote(&name))).await?;
                    }
                    self.db.batch(&format!("ALTER TABLE {} RENAME TO {}", quote(from), quote(to))).await?;
                }
                Rename::Column { table, from, to } => {
                    self.drop_triggers(table).await?;
                    self.drop_references(table, from).await?;
                    let (table, from, to) = (quote(table), quote(from), quote(to));
                    self.db.batch(&format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}")).await?;
                    // Errors name the column by it. It is made again when it is missing.
                    self.db.batch(&format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {from}")).await?;
                }
            }
        }
        Ok(())
    }

    async fn table_postgres(&mut self, table: &'static TableDef, found: &TableShape) -> Result<()> {
        let finish = self.phase == Phase::Finish;
        let dropped: Vec<&String> = found
            .columns
            .keys()
            .filter(|name| finish && table.column(name).is_none() && self.is_dropped(table.name, name))
            .collect();
        let changed = |(column, have): (&ColumnDef, &ColumnShape)| {
            have.kind != kind_word(column.kind) || have.nullable != column.nullable
        };
        let known = table.columns.iter().filter_map(|column| Some((column, found.columns.get(column.name)?)));
        if !dropped.is_empty() || (finish && known.clone().any(changed)) {
            // They depend on the columns, and what fills them is no write of its own.
            self.drop_triggers(table.name).await?;
        }
        let alter = format!("ALTER TABLE {}", quote(table.name));
        for (index, column) in table.columns.iter().enumerate() {
            match found.columns.get(column.name) {
                None => self.add_postgres(table, index, &alter).await?,
                Some(have) if finish => self.change_postgres(table, index, have, &alter).await?,
                Some(_) => {}
            }
        }
        for name in dropped {
            self.db.batch(&format!("{alter} DROP COLUMN {}", quote(name))).await?;
        }
        Ok(())
    }

    async fn add_postgres(&mut self, table: &'static TableDef, index: usize, alter: &str) -> Result<()> {
        let column = &table.columns[index];
        let fill = self.plan.fills.get(&(table.name.to_owned(), column.name.to_owned()));
        let omittable = column.nullable || column.default.is_some();
        let fill = fill.filter(|_| self.phase == Phase::Finish);
        if omittable && fill.is_none() {
            return self
                .db
                .batch(&format!("{alter} ADD COLUMN {}", ddl::column_definition(table, index, column)))
                .await;
        }
        let loose = ColumnDef { nullable: true, unique: false, default: None, ..*column };
        self.db.batch(&format!("{alter} ADD COLUMN {}", ddl::column_definition(table, index, &loose))).await?;
        let Some(fill) = fill else { return Ok(()) };
        self.drop_triggers(table.name).await?;
        let name = quote(column.name);
        self.db.batch(&format!("UPDATE {} SET {name} = ({fill})", quote(table.name))).await?;
        self.constrain(column, alter, &ColumnDef { nullable: true, unique: false, default: None, ..*column }).await
    }

    /// Brings a column that is there to what it is to be.
    async fn change_postgres(
        &mut self,
        table: &'static TableDef,
        index: usize,
        have: &ColumnShape,
        alter: &str,
    ) -> Result<()> {
        let column = &table.columns[index];
        let (name, place) = (quote(column.name), (table.name.to_owned(), column.name.to_owned()));
        let is_id = index == table.id;
        let key = ddl::foreign_key_name(table, column);
        let declared = (column.references.filter(|_| !is_id), on_delete_word(column.on_delete));
        let reference_differs = match declared.0 {
            Some(target) => have.references.as_deref() != Some(target) || have.on_delete != declared.1,
            None => have.references.is_some(),
        };
        if reference_differs {
            // Made again behind all tables.
            self.drop_references(table.name, column.name).await?;
            self.db.batch(&format!("{alter} DROP CONSTRAINT IF EXISTS {}", quote(&key))).await?;
        }
        let mut was = ColumnDef { nullable: have.nullable, unique: have.unique, ..*column };
        let default = ddl::default(column);
        if have.kind != kind_word(column.kind) {
            let convert = self.plan.converts.get(&place).map_or_else(|| name.clone(), |sql| format!("({sql})"));
            self.db
                .batch(&format!("{alter} DROP CONSTRAINT IF EXISTS {name}, ALTER COLUMN {name} DROP DEFAULT"))
                .await?;
            let to = ddl::column_type(column.kind);
            self.db.batch(&format!("{alter} ALTER COLUMN {name} TYPE {to} USING {convert}")).await?;
            was.default = None;
        } else if have.default != default {
            was.default = None;
        }
        if let Some(fill) = self.plan.fills.get(&place).filter(|_| !column.nullable && have.nullable) {
            let table = quote(table.name);
            self.db.batch(&format!("UPDATE {table} SET {name} = ({fill}) WHERE {name} IS NULL")).await?;
        }
        if default.is_none() && have.default.is_some() {
            self.db.batch(&format!("{alter} ALTER COLUMN {name} DROP DEFAULT")).await?;
        }
        self.check_postgres(table, index, alter).await?;
        self.constrain(column, alter, &was).await
    }

    /// Default, NULL and uniqueness of a column that `was` is to become.
    async fn constrain(&mut self, column: &ColumnDef, alter: &str, was: &ColumnDef) -> Result<()> {
        let name = quote(column.name);
        if let (Some(default), None) = (ddl::default(column), was.default) {
            self.db.batch(&format!("{alter} ALTER COLUMN {name} SET DEFAULT {default}")).await?;
        }
        match (was.nullable, column.nullable) {
            (true, false) => self.db.batch(&format!("{alter} ALTER COLUMN {name} SET NOT NULL")).await?,
            (false, true) => self.db.batch(&format!("{alter} ALTER COLUMN {name} DROP NOT NULL")).await?,
            _ => {}
        }
        match (was.unique, column.unique) {
            (false, true) => self.db.batch(&format!("{alter} ADD UNIQUE ({name})")).await,
            (true, false) => self.drop_unique(alter, column.name).await,
            _ => Ok(()),
        }
    }

    async fn drop_unique(&mut self, alter: &str, column: &str) -> Result<()> {
        let table = alter.trim_start_matches("ALTER TABLE ").to_owned();
        for name in self.constraints(&table, Some(column), "u").await? {
            self.db.batch(&format!("{alter} DROP CONSTRAINT {}", quote(&name))).await?;
        }
        Ok(())
    }

    async fn drop_references(&mut self, table: &str, column: &str) -> Result<()> {
        for name in self.constraints(&quote(table), Some(column), "f").await? {
            self.db.batch(&format!("ALTER TABLE {} DROP CONSTRAINT {}", quote(table), quote(&name))).await?;
        }
        Ok(())
    }

    /// The names of the constraints of this kind on one column, or on any.
    async fn constraints(&mut self, table: &str, column: Option<&str>, kind: &str) -> Result<Vec<String>> {
        let sql = "SELECT CAST(c.conname AS text) FROM pg_constraint c JOIN pg_attribute a \
                   ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] AND array_length(c.conkey, 1) = 1 \
                   WHERE c.conrelid = to_regclass(?) AND coalesce(a.attname = ?, TRUE) AND CAST(c.contype AS text) = ?";
        let params = [Value::from(table), column.map_or(Value::Null, Value::from), Value::from(kind)];
        let rows = self.db.query(sql, &params, &[Kind::Text]).await?;
        Ok(rows.iter().flatten().filter_map(|name| name.as_text().map(str::to_owned)).collect())
    }

    /// Makes the check of a column when it is missing.
    async fn check_postgres(&mut self, table: &TableDef, index: usize, alter: &str) -> Result<()> {
        let column = &table.columns[index];
        let name = quote(column.name);
        let foreign = column.references.is_some() && index != table.id;
        let Some(check) = ddl::check(column.kind, &name).filter(|_| !foreign) else { return Ok(()) };
        let sql = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(?) AND conname = ?";
        let there =
            self.db.query(sql, &[Value::Text(quote(table.name)), Value::from(column.name)], &[Kind::Int]).await?;
        if there.is_empty() {
            self.db.batch(&format!("{alter} ADD CONSTRAINT {name} CHECK ({check})")).await?;
        }
        Ok(())
    }

    async fn drop_triggers(&mut self, table: &str) -> Result<()> {
        for name in triggers::NAMES {
            self.db.batch(&format!("DROP TRIGGER IF EXISTS {} ON {}", quote(name), quote(table))).await?;
        }
        Ok(())
    }

    async fn drop_functions(&mut self, table: &str) -> Result<()> {
        let shape = TableShape { columns: [("id".to_owned(), an_id())].into(), ..TableShape::default() };
        for function in triggers::functions(shape.leak(table)) {
            self.db.batch(&format!("DROP FUNCTION IF EXISTS {}()", quote(&function))).await?;
        }
        Ok(())
    }

    /// Makes the triggers of the tables whose triggers are not what they are to be. A comment on the first says which
    /// they are.
    async fn triggers_postgres(&mut self, shape: &Shape) -> Result<()> {
        let schema = server_ddl::current_schema(self.db).await?;
        for table in self.engine.definition.schema.tables {
            if !self.engine.is_logged(table) {
                self.drop_triggers(table.name).await?;
                continue;
            }
            let sql = match shape.tables.get(table.name) {
                Some(shape) if shape.columns.len() > table.columns.len() => {
                    server_ddl::log_of(shape.leak(table.name), &schema)
                }
                _ => server_ddl::log_of(table, &schema),
            };
            let digest = hex(&Sha256::digest(&sql)[..16]);
            let known = "SELECT CAST(obj_description(t.oid, 'pg_trigger') AS text) FROM pg_trigger t \
                         WHERE t.tgrelid = to_regclass(?) AND t.tgname = ?";
            let params = [Value::Text(quote(table.name)), Value::from(triggers::NAMES[0])];
            let found = self.db.query(known, &params, &[Kind::Text]).await?;
            if found.first().and_then(|row| row[0].as_text()) == Some(&*digest) {
                continue;
            }
            self.db.batch(&sql).await?;
            let (trigger, table) = (quote(triggers::NAMES[0]), quote(table.name));
            self.db.batch(&format!("COMMENT ON TRIGGER {trigger} ON {table} IS {}", quote_text(&digest))).await?;
        }
        Ok(())
    }
}

fn an_id() -> ColumnShape {
    ColumnShape {
        kind: kind_word(Kind::Id).to_owned(),
        nullable: false,
        unique: false,
        default: None,
        references: None,
        on_delete: String::new(),
        definition: String::new(),
    }
}

/// Brings the indexes to what the program declares, outside of a transaction and without holding up writers. One that was
/// cut off is not valid and is made again.
pub(super) async fn indexes(engine: &ServerEngine, db: &mut dyn SqlExecutor) -> Result<()> {
    let found = db.query(ddl::INDEXES, &[], &[Kind::Text, Kind::Text, Kind::Bool]).await?;
    for change in ddl::index_changes(engine.definition.schema.tables, &found, true) {
        db.batch(change.trim_end_matches(';')).await.map_err(|error| misfit("an index", error))?;
    }
    Ok(())
}

/// As on SQLite. A position is given by the sequencer, which is kept out: its part is done here, so that the tables and the
/// void come in one commit.
pub(super) async fn void_positions(db: &mut dyn SqlExecutor, now_ms: i64, mark: i64) -> Result<()> {
    const ALONE: &str = "SELECT CAST(pg_advisory_xact_lock(1886151027, CAST(CAST(CAST('_plasma_commits' AS regclass) AS oid) AS \
        integer)) AS text)";
    const PENDING: &str = "WITH head AS (SELECT coalesce(max(row_version), 0) AS version FROM _plasma_commits), \
        pending AS (SELECT p.unit, row_number() OVER (ORDER BY p.last_seq, p.unit) AS at FROM _plasma_pending() p) \
        UPDATE _plasma_commits c SET row_version = head.version + pending.at, \
        mark = hashtextextended(CAST(gen_random_uuid() AS text), 0) FROM head, pending WHERE c.unit = pending.unit";
    const VOID: &str = "INSERT INTO _plasma_commits (unit, last_seq, row_version, mark, created_at) \
        SELECT nextval('_plasma_seq'), nextval('_plasma_seq'), coalesce(max(row_version), 0) + 1, ?, ? FROM _plasma_commits \
        RETURNING row_version";
    db.query(ALONE, &[], &[Kind::Text]).await?;
    db.execute(PENDING, &[]).await?;
    let head = db.query(VOID, &[Value::Int(mark), Value::Int(now_ms)], &[Kind::BigInt]).await?;
    let head = first_int(&head).and_then(|head| u64::try_from(head).ok());
    Horizon::void_below(db, head.ok_or_else(|| Error::internal("the change log is empty"))?).await
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
