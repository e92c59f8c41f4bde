//! Stating a whole table: its rows by id, each as of one position, if readable as of that position and now.

use super::log::{Image, Log};
use super::page::Page;
use super::policy::{Rule, TablePolicy};
use super::source::{Moment, Tables, kinds};
use crate::error::{Error, ErrorKind, Result};
use crate::query::lower::{Dialect, condition};
use crate::schema::TableDef;
use crate::server::triggers::row_json;
use crate::store::SqlExecutor;
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value, json};

/// Rows of the first statement of a page: until then nobody knows how large they are.
const FIRST_ROWS: usize = 128;
/// Rows of one statement at most, and at least.
const MOST_ROWS: usize = 2_048;
const LEAST_ROWS: usize = 16;

/// The name of the walked table inside the statement.
const WALKED: &str = "walked";

/// A row the statement found: readable now.
enum Found {
    /// In wire form already, made by the database.
    Wire(String),
    Row(Row),
}

/// Puts the rows of the table with an id after `after` into the page; false when it is full before the end.
pub(super) async fn walk(
    db: &mut dyn SqlExecutor,
    log: &Log,
    tables: &mut Tables<'_>,
    policy: &TablePolicy,
    at: u64,
    after: Option<&str>,
    page: &mut Page,
) -> Result<bool> {
    let table = policy.table;
    let rule = policy.rule.as_ref();
    // Rows that no entry concerns are the same as of `at` and now. Whether they are visible is too, unless a table the
    // rule reads has changed.
    let judge = rule.is_some_and(|rule| rule.analysis.deps.iter().any(|dep| log.touches(dep)));
    let whole = judge || !log_form_is_wire_form(table);
    // The filter judges with the tables as the database shows them. Where they are ahead, every row is judged here.
    let ahead = rule.is_some_and(|rule| rule.analysis.deps.iter().any(|dep| log.is_ahead(dep)));
    let (sql, filter, result) = statement(db.dialect(), policy, rule.filter(|_| !ahead), whole);
    let mut after = after.unwrap_or_default().to_owned();
    let mut rows_wanted = FIRST_ROWS;
    loop {
        let wanted = rows_wanted.min(page.room().max(1));
        let (room, bytes) = (page.room(), page.bytes_left());
        let mut params = vec![Value::from(after.as_str())];
        params.extend(filter.iter().cloned());
        params.push(Value::Int(wanted as i64));
        let found = db.query(&sql, &params, &result).await?;
        let last = (found.len() == wanted).then(|| found.last().map(|row| id_of(row, table.id, whole))).flatten();
        let last = last.transpose()?.map(str::to_owned);
        let mut found = found
            .into_iter()
            .map(|row| Ok((id_of(&row, table.id, whole)?.to_owned(), row)))
            .filter(|row: &Result<(String, Row)>| row.as_ref().map_or(true, |(id, _)| !log.holds(table.name, id)))
            .map(|row| row.map(|(id, row)| (id, into_found(row, whole))))
            .collect::<Result<Vec<_>>>()?;
        if let (true, Some(rule)) = (judge, rule) {
            let rows = found.iter().map(|(_, row)| match row {
                Found::Row(row) => Some(row),
                Found::Wire(_) => None,
            });
            let mut visible = Vec::new();
            let moment = |at| Moment { at, with_deleted_by: None };
            let now = Some(log.head.version).filter(|head| ahead && *head > at);
            let rows: Vec<Option<&Row>> = rows.collect();
            loop {
                visible.clear();
                for row in &rows {
                    visible.push(match row {
                        Some(row) => {
                            let then = tables.holds(&rule.memory, table, row, moment(at))?;
                            match now {
                                Some(now) if then == Some(true) => {
                                    tables.holds(&rule.memory, table, row, moment(now))?
                                }
                                _ => then,
                            }
                        }
                        None => Some(true),
                    });
                }
                if visible.iter().all(Option::is_some) {
                    break;
                }
                tables.fetch(db).await?;
            }
            let mut keep = visible.into_iter();
            found.retain(|_| keep.next().flatten() == Some(true));
        }
        let logged = logged(db, log, tables, policy, at, &after, last.as_deref()).await?;
        let mut logged = logged.into_iter().peekable();
        for (id, row) in found {
            while let Some((earlier, image)) = logged.next_if(|(other, _)| *other < id.as_str()) {
                if !page.push(policy.put(earlier, json::log_to_wire(table, image.json())?.into_owned())?) {
                    return Ok(false);
                }
            }
            let wire = match row {
                Found::Wire(wire) => wire,
                Found::Row(row) => json::encode_row(table, &row),
            };
            if !page.push(policy.put(&id, wire)?) {
                return Ok(false);
            }
        }
        for (id, image) in logged {
            if !page.push(policy.put(id, json::log_to_wire(table, image.json())?.into_owned())?) {
                return Ok(false);
            }
        }
        match last {
            Some(last) => after = last,
            None => return Ok(true),
        }
        // As many as will fit, if they are like these.
        let (sent, took) = (room - page.room(), bytes - page.bytes_left());
        let fit = sent.saturating_mul(page.bytes_left()).checked_div(took).unwrap_or(MOST_ROWS);
        rows_wanted = fit.saturating_add(1).clamp(LEAST_ROWS, MOST_ROWS);
    }
}

/// The statement that reads the rows readable now, its parameters between the id and the number of rows, and how to
/// read its result.
fn statement(
    dialect: Dialect,
    policy: &TablePolicy,
    filter: Option<&Rule>,
    whole_rows: bool,
) -> (String, Vec<Value>, Vec<Kind>) {
    let table = policy.table;
    let (filter, params) = match filter {
        Some(rule) => condition(dialect, table, WALKED, &rule.sql, &|name| name.to_owned()),
        None => ("TRUE".to_owned(), Vec::new()),
    };
    let (columns, kinds) = if whole_rows {
        let columns: Vec<String> = table.columns.iter().map(|column| quote(column.name)).collect();
        (columns.join(", "), kinds(table))
    } else {
        (format!("\"id\", {}", row_json(dialect, table, WALKED)), vec![Kind::Id, Kind::Text])
    };
    let name = quote(table.name);
    let sql = format!(
        "SELECT {columns} FROM {name} AS {WALKED} WHERE {WALKED}.\"id\" > ? AND ({filter}) \
         ORDER BY {WALKED}.\"id\" LIMIT ?"
    );
    (sql, params, kinds)
}

/// Whether log form and wire form of the table's rows are the same text.
fn log_form_is_wire_form(table: &TableDef) -> bool {
    table.columns.iter().all(|column| column.kind != Kind::Blob)
}

fn id_of(row: &Row, id: usize, whole_rows: bool) -> Result<&str> {
    // The pair of id and JSON has the id first.
    let at = if whole_rows { id } else { 0 };
    row.get(at).and_then(Value::as_text).ok_or_else(|| Error::new(ErrorKind::Storage, "a row without an id"))
}

fn into_found(mut row: Row, whole_rows: bool) -> Found {
    if whole_rows {
        return Found::Row(row);
    }
    match row.pop() {
        Some(Value::Text(wire)) => Found::Wire(wire),
        // `json_object` makes text; anything else is served as it is read, and refused by `put`.
        _ => Found::Wire(String::new()),
    }
}

/// The rows of the log with an id in `(after, last]` that are to be sent, by id.
async fn logged<'l>(
    db: &mut dyn SqlExecutor,
    log: &'l Log,
    tables: &mut Tables<'_>,
    policy: &TablePolicy,
    at: u64,
    after: &str,
    last: Option<&str>,
) -> Result<Vec<(&'l str, Image<'l>)>> {
    let mut kept = Vec::new();
    let range = log.rows(policy.table.name);
    let mut rows: Vec<_> = range.filter(|(id, _)| *id > after && last.is_none_or(|last| *id <= last)).collect();
    loop {
        let mut missed = Vec::new();
        for (id, entries) in rows {
            let Some(image) = log.image(entries, at) else { continue };
            match to_hold(log, tables, policy, entries, image, at)? {
                Some(true) => kept.push((id, image)),
                Some(false) => {}
                None => missed.push((id, entries)),
            }
        }
        if missed.is_empty() {
            break;
        }
        rows = missed;
        tables.fetch(db).await?;
    }
    kept.sort_by_key(|(id, _)| *id);
    Ok(kept)
}

/// Whether a row of the log with this image as of `at` is visible then and readable now. None: rows are missing.
fn to_hold(
    log: &Log,
    tables: &mut Tables<'_>,
    policy: &TablePolicy,
    entries: &[usize],
    image: Image<'_>,
    at: u64,
) -> Result<Option<bool>> {
    let Some(rule) = &policy.rule else { return Ok(Some(true)) };
    match tables.holds(&rule.memory, policy.table, image.row()?, Moment { at, with_deleted_by: None })? {
        Some(true) if at < log.head.version => super::judge::readable(log, tables, policy, entries, log.head.version),
        other => Ok(other),
    }
}
