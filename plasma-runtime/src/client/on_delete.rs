//! What a delete does to the rows that reference the deleted one.
//!
//! The client's tables carry no `REFERENCES`, so the four actions are performed here, over the rows the client holds,
//! in the order SQLite performs its native ones (<https://sqlite.org/foreignkeys.html>, section 4.3; the order of the
//! keys is that of `sqlite3FkReferences`: newest table first, last column first). The row goes first, then its
//! references are visited depth first; `restrict` refuses where it meets a row, `no action` when the statement ends.
//! A differential test holds it equal to a database with native keys.

use super::footprint::Footprint;
use super::rows::Writer;
use crate::error::{Error, Result};
use crate::schema::{OnDelete, SchemaDef, TableDef};
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value};

/// SQLite's limit of nested triggers, which native actions are (`SQLITE_MAX_TRIGGER_DEPTH`).
const MAX_DEPTH: usize = 1_000;

/// A deleted row whose references are being visited.
struct Frame {
    id: String,
    keys: Vec<(&'static TableDef, usize)>,
    /// Rows of the key being visited that are still to be handled, last first.
    rows: Vec<String>,
    current: Option<(&'static TableDef, usize)>,
}

/// References with `no action` to deleted rows: child table, its column, the deleted id. They are looked at when the
/// statement ends, so that a statement may delete a row and what references it in any order.
pub(crate) type Kept = Vec<(&'static TableDef, usize, String)>;

/// Deletes `before` and performs the actions. The caller hands `kept` to [`check`] at the end of the statement, and
/// undoes everything when either fails.
///
/// # Errors
/// [`Conflict`](crate::ErrorKind::Conflict) when a reference refuses the delete.
pub(crate) fn delete(
    writer: &mut Writer<'_>,
    schema: &SchemaDef,
    reads: &mut Footprint,
    kept: &mut Kept,
    table: &'static TableDef,
    id: &str,
    before: Row,
) -> Result<()> {
    writer.apply(table, id, Some(before), None)?;
    let mut stack = vec![frame(schema, table, id.to_owned(), kept)];
    while let Some(top) = stack.last_mut() {
        let Some(child_id) = top.rows.pop() else {
            match top.keys.pop() {
                None => {
                    stack.pop();
                }
                Some((child, column)) => {
                    top.rows = referencing(writer, reads, child, column, &top.id, false)?;
                    top.current = Some((child, column));
                    if child.columns[column].on_delete == OnDelete::Restrict && !top.rows.is_empty() {
                        return Err(refused(child, column));
                    }
                }
            }
            continue;
        };
        let Some((child, column)) = top.current else { continue };
        // An action on another row may have removed this one already.
        let Some(row) = writer.read(child, &child_id)? else { continue };
        if child.columns[column].on_delete == OnDelete::SetNull {
            let mut after = row.clone();
            after[column] = Value::Null;
            writer.apply(child, &child_id, Some(row), Some(after))?;
        } else {
            writer.apply(child, &child_id, Some(row), None)?;
            if stack.len() >= MAX_DEPTH {
                return Err(Error::conflict(format!("the delete cascades over more than {MAX_DEPTH} levels")));
            }
            stack.push(frame(schema, child, child_id, kept));
        }
    }
    Ok(())
}

/// Ends a statement: no row may reference one it deleted.
///
/// # Errors
/// [`Conflict`](crate::ErrorKind::Conflict) when one does.
pub(crate) fn check(writer: &mut Writer<'_>, reads: &mut Footprint, kept: Kept) -> Result<()> {
    for (child, column, parent) in kept {
        if !referencing(writer, reads, child, column, &parent, true)?.is_empty() {
            return Err(refused(child, column));
        }
    }
    Ok(())
}

/// The keys to visit for a deleted row; those with `no action` go to `kept`, to be looked at when the statement ends.
fn frame(schema: &SchemaDef, table: &'static TableDef, id: String, kept: &mut Kept) -> Frame {
    let mut keys = Vec::new();
    for (child, column) in schema.referencing(table.name) {
        match child.columns[column].on_delete {
            OnDelete::NoAction => kept.push((child, column, id.clone())),
            OnDelete::Restrict | OnDelete::Cascade | OnDelete::SetNull => keys.push((child, column)),
        }
    }
    // Taken from the end: the newest first.
    Frame { id, keys, rows: Vec::new(), current: None }
}

/// The ids of the rows whose column holds `parent`, greatest first.
fn referencing(
    writer: &mut Writer<'_>,
    reads: &mut Footprint,
    child: &'static TableDef,
    column: usize,
    parent: &str,
    one: bool,
) -> Result<Vec<String>> {
    let name = child.columns[column].name;
    let parent = Value::from(parent);
    reads.equal(child, std::iter::once((name, &parent)));
    let (table, id, name) = (quote(child.name), quote(child.columns[child.id].name), quote(name));
    let limit = if one { " LIMIT 1" } else { "" };
    let sql = format!("SELECT {id} FROM {table} WHERE {name} = ?1 ORDER BY {id} DESC{limit}");
    let rows = writer.query(&sql, &[parent], &[Kind::Text])?;
    Ok(rows.into_iter().flatten().filter_map(|id| id.as_text().map(str::to_owned)).collect())
}

fn refused(child: &TableDef, column: usize) -> Error {
    let name = child.columns[column].name;
    Error::conflict(format!("a row of `{}` still references it by `{name}`", child.name))
        .with_data(serde_json::json!({ "constraint": "foreign-key", "table": child.name, "columns": [name] }))
}
