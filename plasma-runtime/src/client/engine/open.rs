//! Opening a store: making it, checking whose it is, carrying a changed schema over.

use std::sync::Arc;

use super::{EngineOptions, migrate};
use crate::client::at_rest::{self, AtRestCipher};
use crate::client::event::{ClientError, ClientErrorKind, Entropy};
use crate::client::identity::{self, keys, random_uuid};
use crate::client::rows::transaction;
use crate::client::tables;
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{self, Definition};
use crate::store::SqlConnection;
use crate::store::ddl;
use crate::value::Kind;

/// What opening found.
pub(super) struct Opened {
    pub(super) group: Option<String>,
    /// The pending mutations must run again, over tables of another shape.
    pub(super) replay_due: bool,
    pub(super) reports: Vec<ClientError>,
    /// What seals the store's columns, if any is sealed.
    pub(super) cipher: Option<Arc<AtRestCipher>>,
}

pub(super) fn wrong(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
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
    at_rest::prepare(store, options.encryption.as_ref())?;
    let mut opened = transaction(store, |store| {
        let fresh = !ddl::table_exists(store, "_plasma_meta")?;
        let layout = if fresh { None } else { Some(known_layout(store)?) };
        if fresh {
            refuse_foreign_tables(store, definition)?;
        }
        // A store of this layout has all of them: opening it writes nothing.
        if layout != Some(tables::LAYOUT_VERSION) {
            for (_, step) in tables::STEPS.iter().filter(|(since, _)| layout.is_some_and(|layout| *since > layout)) {
                store.batch(step)?;
            }
            for table in tables::ALL {
                store.batch(table)?;
            }
            identity::set(store, keys::LAYOUT, Some(&tables::LAYOUT_VERSION.to_string()))?;
        }
        let values = identity::all(store)?;
        if !values.contains_key(keys::CLIENT_ID) {
            identity::set(store, keys::CLIENT_ID, Some(&random_uuid(entropy).to_string()))?;
        }
        let group = check_group(store, options, values.get(keys::GROUP).cloned())?;
        let mut cells =
            at_rest::Opening::begin(store, &definition.schema, options.encryption.as_ref(), &values, fresh)?;
        let mut opened = Opened { group, replay_due: false, reports: Vec::new(), cipher: None };
        migrate::carry_over(store, definition, &values, &mut cells, &mut opened)?;
        // Plain indexes are not part of a table's shape.
        let found = store.query(ddl::INDEXES, &[], &[Kind::Text; 2])?;
        for change in ddl::index_changes(definition.schema.tables, &found) {
            store.batch(&change)?;
        }
        // It stays noted until it was done: a crash before must not lose it.
        opened.replay_due = identity::all(store)?.contains_key(keys::REPLAY);
        opened.cipher = cells.end(store, &definition.schema)?;
        Ok(opened)
    })?;
    if opened.cipher.is_some()
        && let Some(error) = at_rest::settle(store)?
    {
        opened.reports.push(ClientError { kind: ClientErrorKind::Storage, error, key: None });
    }
    Ok(opened)
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
