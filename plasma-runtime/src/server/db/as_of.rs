//! Reads as of a position of the past.
//!
//! The rows of a table as of P are those of today that the log does not name after P, and for each row it does name, what
//! its first entry after P overwrote. That is a common table expression with the table's own name, in front of whatever
//! statement the query is: so every query works on the past as it does on the present, in the database, and takes the
//! memory of its result. (The evaluator in memory would need whole tables there.)

#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::protocol::cookie::{AnyCookie, Mark};
use crate::query::ir;
use crate::query::lower::Dialect;
use crate::schema::{ColumnDef, ColumnDefault, TableDef};
use crate::server::ServerEngine;
use crate::server::http::Inner;
use crate::server::pull::{compaction_bound, end_reading, log};
use crate::store::SqlExecutor;
use crate::store::ddl::{quote, quote_text};
use crate::store::query::{Reading, run_on};
use crate::value::{Kind, Row, Value};

/// When the reads of a [`Scoped`](super::Scoped) show the rows: [`Now`] or [`AsOf`].
pub trait Moment: sealed::Moment {}
impl<M: sealed::Moment> Moment for M {}

mod sealed {
    use super::{BoxFuture, Inner, Result, Row, ir};

    pub trait Moment: Send + Sync {
        #[expect(private_interfaces, reason = "nobody else can name this trait")]
        fn run<'r>(&'r self, inner: &'r Inner, query: ir::Query) -> BoxFuture<'r, Result<Vec<Row>>>;
    }
}

/// The present: every read sees what is committed when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now;

/// A position of the past.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    at: u64,
    mark: Mark,
}

impl fmt::Debug for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsOf").field(&self.at).finish()
    }
}

impl AsOf {
    /// The position of a cookie.
    pub(super) fn of(cookie: &str) -> Result<Self> {
        let cookie = AnyCookie::decode(cookie)
            .map_err(|e| Error::new(ErrorKind::Protocol, "the text is no cookie").with_source(e))?;
        match cookie {
            AnyCookie::Position(position) => Ok(AsOf { at: position.at, mark: position.mark }),
            // It says nothing of the history it belongs to.
            AnyCookie::Regions(_) => Err(gone("other-history", "a cookie without a mark is of no history")),
        }
    }
}

impl sealed::Moment for Now {
    #[expect(private_interfaces, reason = "nobody else can name this trait")]
    fn run<'r>(&'r self, inner: &'r Inner, query: ir::Query) -> BoxFuture<'r, Result<Vec<Row>>> {
        let engine = Arc::clone(&inner.engine);
        Box::pin(async move {
            let read = inner.backend.read(move |db| {
                Box::pin(async move {
                    engine.still_fits(db).await?;
                    run_on(db, &query).await
                })
            });
            read.await?
        })
    }
}

impl sealed::Moment for AsOf {
    #[expect(private_interfaces, reason = "nobody else can name this trait")]
    fn run<'r>(&'r self, inner: &'r Inner, query: ir::Query) -> BoxFuture<'r, Result<Vec<Row>>> {
        let moment = *self;
        Box::pin(async move {
            check_logged(&inner.engine, &query)?;
            let engine = Arc::clone(&inner.engine);
            inner.backend.read(move |db| Box::pin(async move { read(&engine, db, moment, query).await })).await?
        })
    }
}

/// One read, in one transaction with the look whether the log still reaches back.
async fn read(engine: &ServerEngine, db: &mut dyn SqlExecutor, moment: AsOf, query: ir::Query) -> Result<Vec<Row>> {
    engine.begin_reading(db).await?;
    let rows = async {
        engine.still_fits(db).await?;
        check(db, moment).await?;
        let past = Past::new(db.dialect(), &query.tables(), moment.at);
        let mut reading = Reading::new(db.dialect(), &query);
        while let Some(statement) = reading.next() {
            let sql = format!("{} {}", past.with, statement.sql);
            let params: Vec<Value> = past.params.iter().chain(&statement.params).cloned().collect();
            reading.answer(db.query(&sql, &params, &statement.kinds).await?)?;
        }
        Ok(reading.finish())
    };
    let rows = rows.await;
    end_reading(db, rows).await
}

/// Whether the log still reaches back to the position.
pub(super) async fn check(db: &mut dyn SqlExecutor, moment: AsOf) -> Result<()> {
    if moment.at < compaction_bound(db).await? {
        return Err(gone("compacted", "the change log was compacted past this position"));
    }
    match log::marks(db, [moment.at; 4]).await?.get(&moment.at) {
        Some(mark) if *mark == moment.mark => Ok(()),
        _ => {
            Err(gone("other-history", "the position is one of another history: the database was restored or replaced"))
        }
    }
}

fn gone(reason: &'static str, message: &'static str) -> Error {
    Error::new(ErrorKind::PositionGone, message).with_data(serde_json::json!({ "reason": reason }))
}

/// Refuses a query of tables whose writes nobody logs.
pub(super) fn check_logged(engine: &ServerEngine, query: &ir::Query) -> Result<()> {
    match query.tables().into_iter().find(|table| !engine.is_logged(table)) {
        None => Ok(()),
        Some(table) => Err(Error::new(
            ErrorKind::Config,
            format!("table `{}` is `local_only`: its writes are not in the change log", table.name),
        )),
    }
}

/// What stands in front of a statement, so that it sees these tables as they were.
struct Past {
    with: String,
    params: Vec<Value>,
}

impl Past {
    fn new(dialect: Dialect, tables: &[&'static TableDef], at: u64) -> Self {
        let (mut parts, mut params) = (Vec::new(), Vec::new());
        if dialect == Dialect::Postgres {
            parts.push(LATER.to_owned());
            params.push(log::to_value(at));
        }
        for table in tables {
            parts.push(as_of(dialect, table, &log::to_value(at), &mut params));
        }
        // A query of no table has no past.
        let with = if parts.is_empty() { String::new() } else { format!("WITH {}", parts.join(", ")) };
        Past { with, params }
    }
}

/// The entries after the position, on Postgres: those of units with a later one, and of units that have none yet.
const LATER: &str = "_plasma_later AS (SELECT e.table_name, e.row_id, e.prior, u.row_version, e.seq \
     FROM _plasma_commits AS u JOIN _plasma_changes AS e ON e.unit = u.unit WHERE u.row_version > ? \
     UNION ALL SELECT e.table_name, e.row_id, e.prior, NULL, e.seq \
     FROM _plasma_pending() AS u JOIN _plasma_changes AS e ON e.unit = u.unit)";

/// The table as of the position; its parameters are added to `params`.
fn as_of(dialect: Dialect, table: &TableDef, at: &Value, params: &mut Vec<Value>) -> String {
    let name = quote(table.name);
    let columns: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
    let current: Vec<String> = columns.iter().map(|column| format!("t.{column}")).collect();
    if dialect == Dialect::Sqlite {
        params.push(at.clone());
    }
    let images: Vec<String> = table.columns.iter().map(|column| image(dialect, column, params)).collect();
    if dialect == Dialect::Sqlite {
        params.extend([at.clone(), at.clone()]);
    }
    let (columns, current, images) = (columns.join(", "), current.join(", "), images.join(", "));
    let text = quote_text(table.name);
    // Inside of its own definition the name is still the table's; SQLite wants to be told so.
    match dialect {
        Dialect::Sqlite => {
            let later = "SELECT 1 FROM _plasma_changes AS l WHERE l.table_name";
            format!(
                "{name} ({columns}) AS (SELECT {current} FROM main.{name} AS t \
                 WHERE NOT EXISTS ({later} = {text} AND l.row_id = t.\"id\" AND l.row_version > ?) \
                 UNION ALL SELECT {images} FROM _plasma_changes AS f WHERE f.table_name = {text} AND f.row_version > ? \
                 AND f.prior IS NOT NULL AND NOT EXISTS ({later} = f.table_name AND l.row_id = f.row_id \
                 AND l.row_version > ? AND l.row_version < f.row_version))"
            )
        }
        Dialect::Postgres => format!(
            "{name} ({columns}) AS (SELECT {current} FROM {name} AS t \
             WHERE NOT EXISTS (SELECT 1 FROM _plasma_later AS l WHERE l.table_name = {text} AND l.row_id = t.\"id\") \
             UNION ALL SELECT {images} FROM (SELECT DISTINCT ON (l.row_id) CAST(l.prior AS json) AS prior \
             FROM _plasma_later AS l WHERE l.table_name = {text} ORDER BY l.row_id, l.row_version NULLS LAST, l.seq) AS f \
             WHERE f.prior IS NOT NULL)"
        ),
    }
}

/// The value of a column in the image `f.prior`. Images that are older than the column lack it: then it has its default,
/// as the log's decoder says.
fn image(dialect: Dialect, column: &ColumnDef, params: &mut Vec<Value>) -> String {
    let (member, value) = match dialect {
        Dialect::Sqlite => {
            let path = quote_text(&format!("$.{}", quote(column.name)));
            let member = format!("json_extract(f.prior, {path})");
            let value = match column.kind {
                Kind::Id | Kind::Text | Kind::Date | Kind::Int | Kind::Bool => member,
                Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => format!("CAST({member} AS INTEGER)"),
                Kind::Float => format!("CAST({member} AS REAL)"),
                Kind::Blob => format!("unhex({member})"),
                Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed if column.nullable => {
                    format!("nullif(f.prior -> {path}, 'null')")
                }
                Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed => format!("f.prior -> {path}"),
            };
            (format!("json_type(f.prior, {path})"), value)
        }
        Dialect::Postgres => {
            let name = quote_text(column.name);
            let member = format!("f.prior ->> {name}");
            let value = match column.kind {
                Kind::Id | Kind::Text | Kind::Date => format!("({member}) COLLATE \"C\""),
                // `->>` would take the quotes off a JSON string.
                Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed => {
                    let json = format!("CAST(f.prior -> {name} AS text) COLLATE \"C\"");
                    if column.nullable { format!("nullif({json}, 'null')") } else { json }
                }
                Kind::Blob => format!("decode({member}, 'hex')"),
                kind => dialect.of_kind(kind, member),
            };
            (format!("f.prior -> {name}"), value)
        }
    };
    match column.default {
        Some(ColumnDefault::Value(default)) => {
            params.push(default());
            let default = dialect.of_kind(column.kind, "?".to_owned());
            format!("CASE WHEN {member} IS NULL THEN {default} ELSE {value} END")
        }
        _ => value,
    }
}
