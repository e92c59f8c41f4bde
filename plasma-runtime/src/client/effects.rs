//! What pending mutations changed: kept so that it can be taken back and compared.

use std::collections::BTreeMap;

use super::event::RowChange;
use super::outbox::id_value;
use super::rows::{Texts, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::TableDef;
use crate::store::SqlConnection;
use crate::store::cells::sealed;
use crate::value::{Kind, Row, Value, json};

/// The two ends of what mutations did to a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Images {
    pub(crate) table: &'static TableDef,
    pub(crate) before: Option<Row>,
    pub(crate) after: Option<Row>,
}

/// Rows by table and id.
pub(crate) type RowMap<T> = BTreeMap<(&'static str, String), T>;

/// Keeps the net changes of a mutation. Rows of `local_only` tables are left out.
pub(crate) fn save(store: &mut dyn SqlConnection, texts: &Texts, mid: u64, net: &[RowChange]) -> Result<()> {
    for change in net {
        let table = texts.of(change.table)?.table;
        if table.local_only {
            continue;
        }
        let row_name = format!("{}/{}", change.table, change.id);
        let image = |store: &dyn SqlConnection, column, row: &Option<Row>| {
            let row = row.as_ref().map_or(Value::Null, |row| Value::Text(json::encode_row(table, row)));
            sealed(store, "_plasma_effects", column, &row_name, row)
        };
        let (before, after) = (image(store, "before", &change.before)?, image(store, "after", &change.after)?);
        store.execute(
            "INSERT INTO main._plasma_effects (table_name, row_id, mid, before, after) VALUES (?1, ?2, ?3, ?4, ?5)",
            &[change.table.into(), change.id.as_str().into(), id_value(mid), before, after],
        )?;
    }
    Ok(())
}

/// The net effect of the mutations up to `last`, by row.
pub(crate) fn up_to(store: &mut dyn SqlConnection, texts: &Texts, last: u64) -> Result<RowMap<Images>> {
    let sql = "SELECT table_name, row_id, before, after FROM _plasma_effects WHERE mid <= ?1
      ORDER BY table_name, row_id, mid";
    let rows = store.query(sql, &[id_value(last)], &[Kind::Text; 4])?;
    let mut net: RowMap<Images> = BTreeMap::new();
    for row in rows {
        let [table, id, before, after] = <[Value; 4]>::try_from(row).map_err(|_| damaged())?;
        let (Value::Text(table), Value::Text(id)) = (table, id) else { return Err(damaged()) };
        let table = texts.of(&table)?.table;
        let after = image(table, after)?;
        match net.entry((table.name, id)) {
            std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().after = after,
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Images { table, before: image(table, before)?, after });
            }
        }
    }
    Ok(net)
}

/// What the earliest of the mutations after `last` found in a row; the outer none when none of them changed it.
pub(crate) fn before_later(
    store: &mut dyn SqlConnection,
    table: &'static TableDef,
    id: &str,
    last: u64,
) -> Result<Option<Option<Row>>> {
    let sql = "SELECT before FROM _plasma_effects WHERE table_name = ?1 AND row_id = ?2 AND mid > ?3
      ORDER BY mid LIMIT 1";
    match store.query(sql, &[table.name.into(), id.into(), id_value(last)], &[Kind::Text])?.pop() {
        None => Ok(None),
        Some(row) => image(table, row.into_iter().next().unwrap_or(Value::Null)).map(Some),
    }
}

/// Takes the effects of all pending mutations back: the visible rows are the base afterwards. Deletes first, so that
/// unique values never meet; no actions, since every row an action touched has effects of its own. The effects stay
/// in their table.
pub(crate) fn undo_all(writer: &mut Writer<'_>) -> Result<()> {
    let net = up_to(writer.store, writer.texts, i64::MAX as u64)?;
    for ((_, id), images) in &net {
        // What is there should be `images.after`; if another program wrote to the table, the base heals it.
        let visible = writer.read(images.table, id)?;
        writer.apply(images.table, id, visible, None)?;
    }
    for ((_, id), images) in net {
        writer.apply(images.table, &id, None, images.before)?;
    }
    Ok(())
}

fn image(table: &TableDef, value: Value) -> Result<Option<Row>> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => json::decode_row(table, &text).map(Some).map_err(|error| {
            Error::new(ErrorKind::Storage, format!("an effect on `{}` cannot be read", table.name)).with_source(error)
        }),
        _ => Err(damaged()),
    }
}

fn damaged() -> Error {
    Error::new(ErrorKind::Storage, "a row of the effects is damaged")
}
