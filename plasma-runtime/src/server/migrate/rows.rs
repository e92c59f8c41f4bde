//! What a migration does with rows: it looks whether they fit, and backfills them.

use super::diff::{Class, What};
use super::notes::Notes;
use super::plan::{Plan, Rename};
use super::run::Run;
use crate::error::Result;
use crate::query::lower::Dialect;
use crate::server::ddl::first_int;
use crate::server::pull::end_reading;
use crate::store::SqlExecutor;
use crate::store::ddl::quote;
use crate::value::{Kind, Value};

impl Run<'_> {
    /// [`look`](Self::look), at the rows, too, however long that takes.
    pub(super) async fn look_at_all(&mut self) -> Result<(Notes, Plan)> {
        if self.db.dialect() == Dialect::Sqlite || self.db.in_transaction() {
            return self.look_at_rows().await;
        }
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL statement_timeout = 0";
        self.db.batch(BEGIN).await?;
        let looked = self.look_at_rows().await;
        end_reading(self.db, looked).await
    }

    async fn look_at_rows(&mut self) -> Result<(Notes, Plan)> {
        let (notes, mut plan) = self.look().await?;
        self.count_rows(&mut plan).await?;
        Ok((notes, plan))
    }

    /// What only the rows can tell: NULL where there must be none, rows that are equal where they must not be.
    async fn count_rows(&mut self, plan: &mut Plan) -> Result<()> {
        let mut changes = std::mem::take(&mut plan.changes);
        for change in changes.iter_mut().filter(|change| change.step.is_none()) {
            let columns = match (&change.what, &change.column) {
                (What::NewUnique { columns }, _) => columns.clone(),
                (What::Nullability { nullable: false }, Some(column)) => vec![column.clone()],
                _ => continue,
            };
            let Some((table, columns)) = plan.former(&change.table, &columns) else { continue };
            let unique = matches!(change.what, What::NewUnique { .. });
            let (table, columns): (String, Vec<String>) = (quote(&table), columns.iter().map(|c| quote(c)).collect());
            let sql = if unique {
                let given = columns.iter().map(|c| format!("{c} IS NOT NULL")).collect::<Vec<_>>().join(" AND ");
                let list = columns.join(", ");
                format!(
                    "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {given} GROUP BY {list} HAVING count(*) > 1) t"
                )
            } else {
                format!("SELECT count(*) FROM {table} WHERE {} IS NULL", columns.concat())
            };
            let count = first_int(&self.db.query(&sql, &[], &[Kind::BigInt]).await?).unwrap_or(0);
            if count > 0 {
                change.class = Class::NeedsStep;
                change.reason = match unique {
                    true => format!("{count} values or sets of values are there more than once"),
                    false => format!("{count} rows hold NULL"),
                };
            }
        }
        plan.changes = changes;
        Ok(())
    }
}

impl Plan {
    /// What table and columns are called before the renames. None: they are not all there.
    pub(super) fn former(&self, table: &str, columns: &[String]) -> Option<(String, Vec<String>)> {
        let shape = self.found.tables.get(table)?;
        let mut former = table.to_owned();
        let mut names = columns.to_vec();
        if !names.iter().all(|name| shape.columns.contains_key(name)) {
            return None;
        }
        for rename in self.renames.iter().rev() {
            match rename {
                Rename::Table { from, to } if *to == former => former.clone_from(from),
                Rename::Column { table, from, to } if *table == former => {
                    names.iter_mut().filter(|name| *name == to).for_each(|name| name.clone_from(from));
                }
                _ => {}
            }
        }
        Some((former, names))
    }
}

/// The next rows of a backfill.
pub(super) struct Batch<'b> {
    pub(super) table: &'b str,
    /// The id of the last row that was looked at; empty at first.
    pub(super) progress: &'b str,
    pub(super) rows: u32,
}

impl Batch<'_> {
    /// Updates them. How many were looked at, and the id of the last one unless there are no more.
    pub(super) async fn run(
        &self,
        db: &mut dyn SqlExecutor,
        set: &[(&str, &str)],
        filter: Option<&str>,
    ) -> Result<(u64, Option<String>)> {
        let table = quote(self.table);
        let ids = format!("SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT ?");
        let params = [Value::from(self.progress), Value::Int(i64::from(self.rows))];
        let ids = db.query(&ids, &params, &[Kind::Text]).await?;
        let Some(last) = ids.last().and_then(|row| row[0].as_text()) else { return Ok((0, None)) };
        if !set.is_empty() {
            let set: Vec<String> = set.iter().map(|(column, value)| format!("{} = ({value})", quote(column))).collect();
            let filter = filter.map(|filter| format!(" AND ({filter})")).unwrap_or_default();
            let update = format!("UPDATE {table} SET {} WHERE id > ? AND id <= ?{filter}", set.join(", "));
            db.execute(&update, &[Value::from(self.progress), Value::from(last)]).await?;
        }
        let more = ids.len() as u64 == u64::from(self.rows);
        Ok((ids.len() as u64, more.then(|| last.to_owned())))
    }
}

pub(super) async fn end_unit(db: &mut dyn SqlExecutor, now_ms: i64, mark: i64) -> Result<()> {
    if db.dialect() == Dialect::Postgres {
        // There every transaction is one.
        return Ok(());
    }
    const ENTRY: &str = "INSERT INTO _plasma_changes (table_name, row_id, op, created_at, client_id, mark) \
        VALUES ('', '', 'ack', ?, '_plasma_migrations', ?)";
    db.execute(ENTRY, &[Value::Int(now_ms), Value::Int(mark)]).await.map(drop)
}
