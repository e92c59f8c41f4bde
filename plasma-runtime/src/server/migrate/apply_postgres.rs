//! The structural part of a migration, on Postgres: inside one transaction that has `_plasma_meta` to itself, which every
//! push and pull holds as long as it runs.
//!
//! What looks at all rows is done outside of it where that is possible ([`online_postgres`](super::online_postgres)): the
//! transaction takes up what is there already.

use super::apply::{Apply, Phase};
use super::diff::What;
use super::inspect_postgres::inspect;
use super::online_postgres::{made_ahead, misfit, new_key, new_not_null, new_unique};
use super::shape::{ColumnShape, Shape, TableShape};
use crate::error::{Error, Result};
use crate::schema::lock::{kind_word, on_delete_word};
use crate::schema::{ColumnDef, TableDef, fitting};
use crate::server::advisory;
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
        for table in schema.tables {
            match found.tables.get(table.name) {
                None => self.db.batch(&ddl::create_table(table)).await?,
                Some(found) => self.table_postgres(table, found).await.map_err(|error| misfit(table.name, error))?,
            }
        }
        if self.phase == Phase::Finish {
            self.drop_tables_postgres(&found).await?;
        }
        for table in schema.tables {
            for (_, column) in table.foreign_keys() {
                let is_new = found.tables.get(table.name).is_some_and(|had| !had.columns.contains_key(column.name));
                // Where every row holds NULL there is nothing to look at with the table taken.
                let later = is_new && column.default.is_none() && !self.is_filled(table, column);
                let sql = ddl::foreign_key(table, column, later);
                self.db.batch(&sql).await.map_err(|error| misfit(table.name, error))?;
            }
        }
        if self.phase == Phase::Finish {
            self.unique_sets().await?;
        }
        for change in &self.plan.changes {
            self.note_images(change).await?;
        }
        let known = self.known(&found);
        let shape = inspect(self.db, &known, &self.plan.declared).await?;
        self.triggers_postgres(&shape).await?;
        Ok(shape)
    }

    /// Unique sets that were not made ahead: rows that do not fit are a reason to take all of it back. Other indexes come
    /// behind the transaction. What was made ahead and is not wanted goes.
    async fn unique_sets(&mut self) -> Result<()> {
        for left in made_ahead(self.db).await? {
            self.db.batch(&left.drop()).await?;
        }
        let found = self.db.query(ddl::INDEXES, &[], &[Kind::Text, Kind::Text, Kind::Bool]).await?;
        let changes = ddl::index_changes(self.engine.definition.schema.tables, &found, false);
        for change in changes.iter().filter(|change| !change.starts_with("CREATE INDEX")) {
            self.db.batch(change).await.map_err(|error| misfit("an index", error))?;
        }
        Ok(())
    }

    async fn drop_tables_postgres(&mut self, found: &Shape) -> Result<()> {
        let dropped =
            self.plan.changes.iter().filter(|change| change.step.is_some() && change.what == What::DroppedTable);
        for change in dropped {
            // Columns that stay may still refer to it.
            let sql = "SELECT CAST(t.relname AS text), CAST(c.conname AS text) FROM pg_constraint c \
                       JOIN pg_class t ON t.oid = c.conrelid WHERE c.confrelid = to_regclass(?) AND c.contype = 'f' \
                       AND c.conrelid <> c.confrelid AND t.relnamespace = CAST(current_schema() AS regnamespace)";
            let keys = self.db.query(sql, &[Value::Text(quote(&change.table))], &[Kind::Text; 2]).await?;
            for row in &keys {
                let (Some(table), Some(key)) = (row[0].as_text(), row[1].as_text()) else { continue };
                // A table of somebody else is theirs to change: Postgres refuses.
                if found.tables.contains_key(table) {
                    self.db.batch(&format!("ALTER TABLE {} DROP CONSTRAINT {}", quote(table), quote(key))).await?;
                }
            }
            self.db.batch(&ddl::drop_table(&change.table)).await?;
            self.drop_functions(&change.table).await?;
        }
        Ok(())
    }

    /// Whether this phase writes the column's values.
    fn is_filled(&self, table: &TableDef, column: &ColumnDef) -> bool {
        self.phase == Phase::Finish && self.plan.fills.contains_key(&(table.name.to_owned(), column.name.to_owned()))
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
        let loose = ColumnDef { nullable: true, unique: false, default: None, ..*column };
        let new = if omittable && fill.is_none() { column } else { &loose };
        let mut add = format!("{alter} ADD COLUMN {}", ddl::unchecked_definition(table, index, new));
        if let Some(check) = ddl::column_check(table, index, column) {
            // All rows hold one value, which keeps it: that is looked at later, with nobody waiting.
            add.push_str(&format!(", ADD {check} NOT VALID"));
        }
        self.db.batch(&add).await?;
        let Some(fill) = fill else { return Ok(()) };
        self.drop_triggers(table.name).await?;
        let name = quote(column.name);
        self.db.batch(&format!("UPDATE {} SET {name} = ({fill})", quote(table.name))).await?;
        self.constrain(table, column, &loose).await
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
        let declared = (column.references.filter(|_| !is_id), on_delete_word(column.on_delete));
        let reference_differs = match declared.0 {
            Some(target) => have.references.as_deref() != Some(target) || have.on_delete != declared.1,
            None => have.references.is_some(),
        };
        if reference_differs {
            self.refer_anew(table, column).await?;
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
        self.constrain(table, column, &was).await
    }

    /// Default, NULL and uniqueness of a column that `was` is to become.
    async fn constrain(&mut self, table: &TableDef, column: &ColumnDef, was: &ColumnDef) -> Result<()> {
        let (alter, name) = (format!("ALTER TABLE {}", quote(table.name)), quote(column.name));
        if let (Some(default), None) = (ddl::default(column), was.default) {
            self.db.batch(&format!("{alter} ALTER COLUMN {name} SET DEFAULT {default}")).await?;
        }
        match (was.nullable, column.nullable) {
            (true, false) => {
                self.db.batch(&format!("{alter} ALTER COLUMN {name} SET NOT NULL")).await?;
                let ahead = quote(&new_not_null(column.name));
                self.db.batch(&format!("{alter} DROP CONSTRAINT IF EXISTS {ahead}")).await?;
            }
            (false, true) => self.db.batch(&format!("{alter} ALTER COLUMN {name} DROP NOT NULL")).await?,
            _ => {}
        }
        match (was.unique, column.unique) {
            (false, true) => self.make_unique(table, column).await,
            (true, false) => {
                for (key, _) in self.constraints(table.name, Some(column.name), "u").await? {
                    self.db.batch(&format!("{alter} DROP CONSTRAINT {}", quote(&key))).await?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn make_unique(&mut self, table: &TableDef, column: &ColumnDef) -> Result<()> {
        let alter = format!("ALTER TABLE {}", quote(table.name));
        let (ahead, key) =
            (new_unique(table.name, column.name), fitting(format!("{}_{}_key", table.name, column.name)));
        let sql = "SELECT i.indisvalid AND to_regclass(?) IS NULL FROM pg_index i WHERE i.indexrelid = to_regclass(?)";
        let ready = self.db.query(sql, &[Value::Text(quote(&key)), Value::Text(quote(&ahead))], &[Kind::Bool]).await?;
        let sql = match ready.first().is_some_and(|row| row[0] == Value::Bool(true)) {
            true => format!("{alter} ADD CONSTRAINT {} UNIQUE USING INDEX {}", quote(&key), quote(&ahead)),
            false => format!("{alter} ADD UNIQUE ({})", quote(column.name)),
        };
        self.db.batch(&sql).await
    }

    /// Drops the foreign key of a column that is to have another one or none. One that was made ahead takes its place; else
    /// it is made behind all tables.
    async fn refer_anew(&mut self, table: &TableDef, column: &ColumnDef) -> Result<()> {
        let alter = format!("ALTER TABLE {}", quote(table.name));
        let (key, ahead) = (ddl::foreign_key_name(table.name, column.name), new_key(table.name, column.name));
        let keys = self.constraints(table.name, Some(column.name), "f").await?;
        for (name, _) in keys.iter().filter(|(name, _)| *name != ahead) {
            self.db.batch(&format!("{alter} DROP CONSTRAINT {}", quote(name))).await?;
        }
        if keys.iter().any(|(name, _)| *name == ahead) && column.references.is_some() {
            self.db.batch(&format!("{alter} RENAME CONSTRAINT {} TO {}", quote(&ahead), quote(&key))).await?;
        }
        Ok(())
    }

    /// The constraints of this kind on one column, or on any: name and column.
    pub(super) async fn constraints(
        &mut self,
        table: &str,
        column: Option<&str>,
        kind: &str,
    ) -> Result<Vec<(String, String)>> {
        let sql = "SELECT CAST(c.conname AS text), CAST(a.attname AS text) FROM pg_constraint c JOIN pg_attribute a \
                   ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] AND array_length(c.conkey, 1) = 1 \
                   WHERE c.conrelid = to_regclass(?) AND coalesce(a.attname = ?, TRUE) AND CAST(c.contype AS text) = ?";
        let params = [Value::Text(quote(table)), column.map_or(Value::Null, Value::from), Value::from(kind)];
        let rows = self.db.query(sql, &params, &[Kind::Text; 2]).await?;
        let text = |value: &Value| value.as_text().map(str::to_owned);
        Ok(rows.iter().filter_map(|row| Some((text(&row[0])?, text(&row[1])?))).collect())
    }

    /// Makes the check of a column when it is missing.
    async fn check_postgres(&mut self, table: &TableDef, index: usize, alter: &str) -> Result<()> {
        let Some(check) = ddl::column_check(table, index, &table.columns[index]) else { return Ok(()) };
        let sql = "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass(?) AND conname = ?";
        let params = [Value::Text(quote(table.name)), Value::from(table.columns[index].name)];
        if self.db.query(sql, &params, &[Kind::Int]).await?.is_empty() {
            self.db.batch(&format!("{alter} ADD {check}")).await?;
        }
        Ok(())
    }

    pub(super) async fn drop_triggers(&mut self, table: &str) -> Result<()> {
        for name in triggers::NAMES {
            self.db.batch(&format!("DROP TRIGGER IF EXISTS {} ON {}", quote(name), quote(table))).await?;
        }
        Ok(())
    }

    pub(super) async fn drop_functions(&mut self, table: &str) -> Result<()> {
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

/// As on SQLite. A position is given by the sequencer, which is kept out: its part is done here, so that the tables and the
/// void come in one commit.
pub(super) async fn void_positions(db: &mut dyn SqlExecutor, now_ms: i64, mark: i64) -> Result<()> {
    let alone = format!("SELECT CAST(pg_advisory_xact_lock({}, {}) AS text)", advisory::SEQUENCER, advisory::THIS_LOG);
    const PENDING: &str = "WITH head AS (SELECT coalesce(max(row_version), 0) AS version FROM _plasma_commits), \
        pending AS (SELECT p.unit, row_number() OVER (ORDER BY p.last_seq, p.unit) AS at FROM _plasma_pending() p) \
        UPDATE _plasma_commits c SET row_version = head.version + pending.at, \
        mark = hashtextextended(CAST(gen_random_uuid() AS text), 0) FROM head, pending WHERE c.unit = pending.unit";
    const VOID: &str = "INSERT INTO _plasma_commits (unit, last_seq, row_version, mark, created_at) \
        SELECT nextval('_plasma_seq'), nextval('_plasma_seq'), coalesce(max(row_version), 0) + 1, ?, ? FROM _plasma_commits \
        RETURNING row_version";
    db.query(&alone, &[], &[Kind::Text]).await?;
    db.execute(PENDING, &[]).await?;
    let head = db.query(VOID, &[Value::Int(mark), Value::Int(now_ms)], &[Kind::BigInt]).await?;
    let head = first_int(&head).and_then(|head| u64::try_from(head).ok());
    Horizon::void_below(db, head.ok_or_else(|| Error::internal("the change log is empty"))?).await
}
