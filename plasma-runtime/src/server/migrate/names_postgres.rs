//! Renames on Postgres. What has the name of a table or column in its own is renamed with it: made anew it would look at
//! every row again, and be missing meanwhile.

use super::apply::Apply;
use super::plan::Rename;
use crate::error::Result;
use crate::schema::TableDef;
use crate::store::ddl::{postgres as ddl, quote};
use crate::value::{Kind, Value};

impl Apply<'_> {
    pub(super) async fn renames_postgres(&mut self) -> Result<()> {
        for rename in &self.plan.renames {
            match rename {
                Rename::Table { from, to } => {
                    self.drop_triggers(from).await?;
                    self.drop_functions(from).await?;
                    self.db.batch(&format!("ALTER TABLE {} RENAME TO {}", quote(from), quote(to))).await?;
                    for (key, column) in self.constraints(to, None, "f").await? {
                        if key == ddl::foreign_key_name(from, &column) {
                            self.rename_constraint(to, &key, &ddl::foreign_key_name(to, &column)).await?;
                        }
                    }
                }
                Rename::Column { table, from, to } => {
                    self.drop_triggers(table).await?;
                    let (of, was, is) = (quote(table), quote(from), quote(to));
                    self.db.batch(&format!("ALTER TABLE {of} RENAME COLUMN {was} TO {is}")).await?;
                    let names = [
                        // Errors name the column by its check.
                        ("c", from.clone(), to.clone()),
                        ("f", ddl::foreign_key_name(table, from), ddl::foreign_key_name(table, to)),
                    ];
                    for (kind, was, is) in names {
                        if self.constraints(table, Some(to), kind).await?.iter().any(|(name, _)| *name == was) {
                            self.rename_constraint(table, &was, &is).await?;
                        }
                    }
                }
            }
        }
        for table in self.engine.definition.schema.tables {
            let of = |rename: &&Rename| match rename {
                Rename::Table { to, .. } => to == table.name,
                Rename::Column { table: of, .. } => of == table.name,
            };
            if self.plan.renames.iter().any(|rename| of(&rename)) {
                self.rename_indexes(table).await?;
            }
        }
        Ok(())
    }

    async fn rename_constraint(&mut self, table: &str, from: &str, to: &str) -> Result<()> {
        let sql = format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {}", quote(table), quote(from), quote(to));
        self.db.batch(&sql).await
    }

    /// Indexes that are those of the program but for their names.
    async fn rename_indexes(&mut self, table: &TableDef) -> Result<()> {
        let sql = "SELECT CAST(c.relname AS text), i.indisunique, CAST(json_agg(a.attname ORDER BY k.at) AS text) \
                   FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                   CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, at) \
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
                   WHERE i.indrelid = to_regclass(?) AND i.indisvalid AND starts_with(c.relname, '_plasma_') GROUP BY 1, 2";
        let kinds = [Kind::Text, Kind::Bool, Kind::Text];
        let found = self.db.query(sql, &[Value::Text(quote(table.name))], &kinds).await?;
        let wanted = table.named_indexes();
        for row in &found {
            let (Some(name), Some(columns)) = (row[0].as_text(), row[2].as_text()) else { continue };
            let columns: Vec<String> = serde_json::from_str(columns).unwrap_or_default();
            let same =
                |index: &&crate::schema::NamedIndex| index.columns == columns && Value::Bool(index.unique) == row[1];
            let Some(index) = wanted.iter().find(same).filter(|_| wanted.iter().all(|index| index.name != name)) else {
                continue;
            };
            // Another table that changes its name, too, may still have it: then it is made anew.
            let taken = "SELECT 1 FROM pg_class WHERE oid = to_regclass(?)";
            if self.db.query(taken, &[Value::Text(quote(&index.name))], &[Kind::Int]).await?.is_empty() {
                self.db.batch(&format!("ALTER INDEX {} RENAME TO {}", quote(name), quote(&index.name))).await?;
            }
        }
        Ok(())
    }
}
