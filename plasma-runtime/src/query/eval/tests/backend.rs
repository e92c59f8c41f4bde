//! Who answers: the evaluator over rows in memory, and a database.

#[cfg(feature = "postgres")]
mod postgres;

#[cfg(feature = "postgres")]
pub(super) use self::postgres::Postgres;
use super::generate::{TABLES, Tables};
use crate::Result;
use crate::query::eval::RowSource;
use crate::query::ir::{Expr, Query};
use crate::query::lower::{self, Dialect};
use crate::schema::TableDef;
use crate::store::ddl::{Side, create_table, quote};
use crate::store::sqlite::SqliteConnection;
use crate::store::{self, SqlConnection};
use crate::value::compare::compare;
use crate::value::{Kind, Row, Value};

/// A database that is asked the same as the evaluator. Another one joins the comparison by implementing this.
pub(super) trait Backend {
    fn name(&self) -> &'static str;

    /// Replaces all rows of all tables.
    fn load(&mut self, tables: &Tables) -> Result<()>;

    /// The rows of a query, in order, with related rows.
    fn run(&mut self, query: &Query) -> Result<Vec<Row>>;

    /// The query in the database's own words.
    fn explain(&self, query: &Query) -> String;

    /// The ids of the rows that match a condition, ascending, by the form that policies and live queries put into their
    /// own statements.
    fn matching(&mut self, table: &'static TableDef, filter: &Expr) -> Result<Vec<Row>>;
}

/// SQLite, the client's store. `spoil` changes every statement before it runs: the identity, or a planted bug.
pub(super) struct Sqlite {
    db: SqliteConnection,
    pub(super) spoil: fn(String) -> String,
}

impl Sqlite {
    pub(super) fn new() -> Self {
        let mut db = SqliteConnection::in_memory().unwrap();
        for table in TABLES {
            db.batch(&create_table(table, Side::Client)).unwrap();
        }
        Sqlite { db, spoil: |sql| sql }
    }
}

impl Backend for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn load(&mut self, tables: &Tables) -> Result<()> {
        for (table, rows) in tables {
            self.db.execute(&format!("DELETE FROM {}", quote(table.name)), &[])?;
            let marks = vec!["?"; table.columns.len()].join(", ");
            let insert = format!("INSERT INTO {} VALUES ({marks})", quote(table.name));
            for row in rows {
                self.db.execute(&insert, row)?;
            }
        }
        Ok(())
    }

    fn run(&mut self, query: &Query) -> Result<Vec<Row>> {
        store::query::run(&mut Spoiled(&mut self.db, self.spoil), query)
    }

    fn explain(&self, query: &Query) -> String {
        let lowered = lower::select(Dialect::Sqlite, query);
        format!("{}\n{:?}", (self.spoil)(lowered.sql), lowered.params)
    }

    fn matching(&mut self, table: &'static TableDef, filter: &Expr) -> Result<Vec<Row>> {
        let (condition, params) = lower::condition(Dialect::Sqlite, table, "relation", filter, &|name| name.to_owned());
        let sql = format!("SELECT id FROM {} AS relation WHERE {condition} ORDER BY id", quote(table.name));
        self.db.query(&(self.spoil)(sql), &params, &[Kind::Id])
    }
}

/// A connection whose queries are changed on their way.
struct Spoiled<'c>(&'c mut SqliteConnection, fn(String) -> String);

impl SqlConnection for Spoiled<'_> {
    fn execute(&mut self, sql: &str, params: &[Value]) -> Result<u64> {
        self.0.execute(sql, params)
    }

    fn query(&mut self, sql: &str, params: &[Value], kinds: &[Kind]) -> Result<Vec<Row>> {
        self.0.query(&(self.1)(sql.to_owned()), params, kinds)
    }

    fn batch(&mut self, sql: &str) -> Result<()> {
        self.0.batch(sql)
    }

    fn in_transaction(&self) -> bool {
        self.0.in_transaction()
    }

    fn for_each(
        &mut self,
        sql: &str,
        params: &[Value],
        kinds: &[Kind],
        each: &mut dyn FnMut(Row) -> Result<bool>,
    ) -> Result<()> {
        self.0.for_each(&(self.1)(sql.to_owned()), params, kinds, each)
    }
}

/// Rows in memory. It uses the hint as an index would: only rows with that very value come back.
pub(crate) struct Memory(Tables);

impl Memory {
    pub(crate) fn new(mut tables: Tables) -> Self {
        // The source promises no order: the worst one.
        tables.iter_mut().for_each(|(_, rows)| rows.reverse());
        Memory(tables)
    }
}

impl RowSource for Memory {
    fn rows(&mut self, table: &'static TableDef, equal: Option<(&str, &Value)>) -> Result<Vec<Row>> {
        let rows = self.0.iter().find(|(def, _)| *def == table).map(|(_, rows)| rows.clone()).unwrap_or_default();
        let Some((column, value)) = equal else { return Ok(rows) };
        assert!(!value.is_null(), "a hint is never NULL");
        let index = table.column_index(column).unwrap();
        Ok(rows.into_iter().filter(|row| compare(&row[index], value).is_eq()).collect())
    }
}
