//! Opening a store: making it, checking whose it is, carrying a changed schema over.

use std::collections::BTreeMap;

use super::EngineOptions;
use crate::client::event::{ClientError, ClientErrorKind, Entropy};
use crate::client::identity::{self, keys, random_uuid};
use crate::client::rows::{Texts, Writer, transaction};
use crate::client::tables;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{self, ColumnDefault, Definition, TableDef, fingerprint};
use crate::store::SqlConnection;
use crate::store::ddl::{self, Side, quote};
use crate::value::{Kind, Value, json};

/// What opening found.
pub(super) struct Opened {
    pub(super) group: Option<String>,
    /// The pending mutations must run again, over tables of another shape.
    pub(super) replay_due: bool,
    pub(super) reports: Vec<ClientError>,
}

fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::WrongStore, message)
}

/// Makes or checks the tables of a store, in one transaction.
pub(super) fn open(
    store: &mut dyn SqlConnection,
    definition: &Definition,
    options: &EngineOptions,
    entropy: &mut dyn Entropy,
) -> Result<Opened> {
    schema::validate(&definition.schema)?;
    transaction(store, |store| {
        let fresh = !ddl::table_exists(store, "_plasma_meta")?;
        if fresh {
            refuse_foreign_tables(store, definition)?;
        } else {
            let layout = known_layout(store)?;
            for (_, step) in tables::STEPS.iter().filter(|(since, _)| *since > layout) {
                store.batch(step)?;
            }
        }
        for table in tables::ALL {
            store.batch(table)?;
        }
        identity::set(store, keys::LAYOUT, Some(&tables::LAYOUT_VERSION.to_string()))?;
        let values = identity::all(store)?;
        if !values.contains_key(keys::CLIENT_ID) {
            identity::set(store, keys::CLIENT_ID, Some(&random_uuid(entropy).to_string()))?;
        }
        let group = check_group(store, options, values.get(keys::GROUP).cloned())?;
        let mut opened = Opened { group, replay_due: false, reports: Vec::new() };
        carry_over(store, definition, values.get(keys::SHAPES).map(String::as_str), &mut opened)?;
        // Plain indexes are not part of a table's shape.
        let found = store.query(ddl::INDEXES, &[], &[Kind::Text; 2])?;
        for change in ddl::index_changes(definition.schema.tables, &found) {
            store.batch(&change)?;
        }
        // It stays noted until it was done: a crash before must not lose it.
        opened.replay_due = identity::all(store)?.contains_key(keys::REPLAY);
        Ok(opened)
    })
}

/// A database of another program may have tables of our names; it is not ours to write to.
fn refuse_foreign_tables(store: &mut dyn SqlConnection, definition: &Definition) -> Result<()> {
    for table in definition.schema.tables {
        if ddl::table_exists(store, table.name)? {
            return Err(wrong(format!(
                "the database has a table `{}` but was not made by plasma: give the client a file of its own",
                table.name
            )));
        }
    }
    Ok(())
}

/// The layout of the store, which must not be newer than ours.
fn known_layout(store: &mut dyn SqlConnection) -> Result<i64> {
    let values = identity::all(store)
        .map_err(|error| wrong("the database has a table `_plasma_meta` that is not a client's").with_source(error))?;
    let layout = values.get(keys::LAYOUT).and_then(|layout| layout.parse::<i64>().ok());
    match layout {
        Some(layout) if layout <= tables::LAYOUT_VERSION => Ok(layout),
        Some(layout) => Err(wrong(format!(
            "the store was written by a newer version of plasma (layout {layout}, this one knows {})",
            tables::LAYOUT_VERSION
        ))),
        None => Err(wrong("the database was not made by a plasma client: is it a server's?")),
    }
}

fn check_group(
    store: &mut dyn SqlConnection,
    options: &EngineOptions,
    bound: Option<String>,
) -> Result<Option<String>> {
    match (bound, &options.group) {
        (Some(bound), Some(asked)) if bound != *asked => Err(wrong(format!(
            "the store belongs to the group `{bound}`, not to `{asked}`: sign out of it first, or open another file"
        ))
        .with_data(serde_json::json!({ "expected": bound, "got": asked }))),
        (Some(bound), _) => Ok(Some(bound)),
        (None, Some(asked)) => {
            identity::set(store, keys::GROUP, Some(asked))?;
            Ok(Some(asked.clone()))
        }
        (None, None) => Ok(None),
    }
}

/// Brings the application's tables to the shapes of the schema. The outbox and the outcomes stay as they are. When a
/// synced table changed, the base is pulled anew; until then the rows that still fit are shown.
fn carry_over(
    store: &mut dyn SqlConnection,
    definition: &Definition,
    shapes: Option<&str>,
    opened: &mut Opened,
) -> Result<()> {
    let known: BTreeMap<String, String> =
        shapes.and_then(|shapes| serde_json::from_str(shapes).ok()).unwrap_or_default();
    let wanted: BTreeMap<String, String> =
        definition.schema.tables.iter().map(|table| (table.name.to_owned(), shape(table))).collect();
    if known == wanted {
        return Ok(());
    }
    let is_local = |shape: &String| shape.starts_with(LOCAL);
    let changed: Vec<(&String, &String)> =
        known.iter().filter(|(name, shape)| wanted.get(*name) != Some(shape)).collect();
    let synced_changed = changed.iter().any(|(_, shape)| !is_local(shape))
        || (!known.is_empty() && wanted.iter().any(|(name, shape)| !known.contains_key(name) && !is_local(shape)));
    let base = if synced_changed { undo_by_text(store)? } else { Vec::new() };
    for table in definition.schema.tables {
        match known.get(table.name) {
            Some(shape) if wanted.get(table.name) == Some(shape) => {}
            Some(_) => reshape(store, table, opened)?,
            None => store.batch(&ddl::create_table(table, Side::Client))?,
        }
    }
    for (name, shape) in changed {
        if definition.schema.table(name).is_some() {
            continue;
        }
        // The rows of a synced table are the server's to keep; those of a local one nobody else has.
        if is_local(shape) {
            put_aside(store, name)?;
        } else {
            store.batch(&ddl::drop_table(name))?;
        }
    }
    if synced_changed {
        restore(store, definition, base)?;
        for key in [keys::COOKIE, keys::INBOX_COOKIE, keys::INBOX_ACKNOWLEDGED] {
            identity::set(store, key, None)?;
        }
        store.execute("DELETE FROM _plasma_inbox", &[])?;
        identity::set(store, keys::REPLAY, Some("1"))?;
    }
    let text = serde_json::to_string(&wanted).expect("a map of texts is JSON");
    identity::set(store, keys::SHAPES, Some(&text))
}

/// The first letter of the shape of a `local_only` table.
const LOCAL: char = 'l';

fn shape(table: &TableDef) -> String {
    format!("{}{:016x}", if table.local_only { LOCAL } else { 's' }, fingerprint::table(table))
}

/// A row before pending mutations touched it: table, id, image.
type BaseText = (String, String, Option<String>);

/// Takes back what pending mutations did, without knowing the old shape: the rows go, their base images are returned.
fn undo_by_text(store: &mut dyn SqlConnection) -> Result<Vec<BaseText>> {
    let sql = "SELECT table_name, row_id, before FROM _plasma_effects ORDER BY table_name, row_id, mid";
    let rows = store.query(sql, &[], &[Kind::Text; 3])?;
    let mut base: Vec<BaseText> = Vec::new();
    for row in rows {
        let Ok([Value::Text(table), Value::Text(id), before]) = <[Value; 3]>::try_from(row) else { continue };
        if base.last().is_some_and(|last| last.0 == table && last.1 == id) {
            continue;
        }
        if ddl::table_exists(store, &table)? {
            store.execute(&format!("DELETE FROM {} WHERE id = ?1", quote(&table)), &[id.as_str().into()])?;
        }
        base.push((table, id, before.as_text().map(str::to_owned)));
    }
    store.execute("DELETE FROM _plasma_effects", &[])?;
    Ok(base)
}

/// Puts base images back where they fit the new shape. The others come with the pull that follows.
fn restore(store: &mut dyn SqlConnection, definition: &Definition, base: Vec<BaseText>) -> Result<()> {
    let texts = Texts::new(&definition.schema);
    let mut writer = Writer::new(store, &texts);
    for (table, id, before) in base {
        let Some(table) = definition.schema.table(&table) else { continue };
        let Some(Ok(row)) = before.map(|before| json::decode_row(table, &before)) else { continue };
        match writer.apply(table, &id, None, Some(row)) {
            Err(error) if error.kind() != ErrorKind::Conflict => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Gives a table its new shape and keeps the rows, as far as they fit.
fn reshape(store: &mut dyn SqlConnection, table: &'static TableDef, opened: &mut Opened) -> Result<()> {
    let old_columns = ddl::column_names(store, table.name)?;
    let aside = put_aside(store, table.name)?;
    store.batch(&ddl::create_table(table, Side::Client))?;
    let mut targets = Vec::new();
    let mut sources = Vec::new();
    let mut params: Vec<Value> = Vec::new();
    for column in table.columns {
        if old_columns.iter().any(|old| old == column.name) {
            sources.push(quote(column.name));
        } else {
            match column.default {
                Some(ColumnDefault::Now) => sources.push(ddl::now(column.kind).to_owned()),
                Some(ColumnDefault::Value(default)) => {
                    params.push(default());
                    sources.push(format!("?{}", params.len()));
                }
                None => sources.push("NULL".to_owned()),
            }
        }
        targets.push(quote(column.name));
    }
    let copy = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        quote(table.name),
        targets.join(", "),
        sources.join(", "),
        quote(&aside)
    );
    match store.execute(&copy, &params) {
        Ok(_) => store.batch(&ddl::drop_table(&aside)),
        Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
        // The rows do not fit. Synced rows come anew; local ones nobody else has.
        Err(_) if !table.local_only => store.batch(&ddl::drop_table(&aside)),
        Err(error) => {
            let message = format!("the rows of `{}` do not fit its new shape; they are kept in `{aside}`", table.name);
            let error = Error::new(ErrorKind::Storage, message).with_source(error);
            opened.reports.push(ClientError { kind: ClientErrorKind::Storage, error, key: None });
            Ok(())
        }
    }
}

/// Renames a table out of the way; its indexes go, their names are needed again.
fn put_aside(store: &mut dyn SqlConnection, name: &str) -> Result<String> {
    let indexes = store.query(
        "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
        &[name.into()],
        &[Kind::Text],
    )?;
    for index in indexes.into_iter().flatten() {
        if let Value::Text(index) = index {
            store.batch(&format!("DROP INDEX {}", quote(&index)))?;
        }
    }
    let mut number = 1;
    loop {
        let aside = format!("_plasma_kept_{number}_{name}");
        if !ddl::table_exists(store, &aside)? {
            store.batch(&format!("ALTER TABLE {} RENAME TO {}", quote(name), quote(&aside)))?;
            return Ok(aside);
        }
        number += 1;
    }
}
