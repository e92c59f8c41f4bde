//! What becomes of the sealed cells when a store is opened: which there are, whether the key is theirs, what has to be
//! sealed or opened for good because the schema has changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cipher::AtRestCipher;
use super::places::{Places, drop_views, opening, row, sealing};
use crate::client::identity::{self, keys};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{SchemaDef, TableDef};
use crate::store::SqlConnection;
use crate::store::cells::Cells as _;
use crate::store::ddl::{self, quote};
use crate::value::{Kind, Value};

/// What a store says about its sealed cells: the value of [`keys::AT_REST`]. Absent where nothing is sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    pub(super) key_id: String,
    /// A value that only this key opens, in base64.
    pub(super) check: String,
    /// Of the application's tables, and of those kept aside.
    pub(super) cells: Places,
}

impl Stored {
    pub(super) fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Storage, "the store's `at_rest` is damaged").with_source(error))
    }

    pub(super) fn write(&self, store: &mut dyn SqlConnection) -> Result<()> {
        let text = serde_json::to_string(self).expect("texts are JSON");
        identity::set(store, keys::AT_REST, Some(&text))
    }
}

/// Before the transaction that opens a store: gives its connection the cipher, and forgets what an earlier engine left on
/// it.
pub(crate) fn prepare(store: &mut dyn SqlConnection, cipher: Option<&Arc<AtRestCipher>>) -> Result<()> {
    if store.cells().is_some() {
        drop_views(store)?;
    }
    match cipher {
        Some(cipher) => {
            cipher.turn(false);
            store.use_cells(cipher.clone())
        }
        None => Ok(()),
    }
}

/// The sealed cells of a store that is being opened.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    cipher: Option<Arc<AtRestCipher>>,
    /// What the store has, as far as it seals.
    stored: Option<Stored>,
    /// Sealed before, in the application's tables and those kept aside.
    before: Places,
    /// Sealed from now on.
    after: Places,
    /// Whether the store is to seal from now on.
    on: bool,
}

impl Opening {
    /// Settles whether the store seals, and begins to open what it has sealed. `values` are those of `_plasma_meta`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there is no key, or another.
    pub(crate) fn begin(
        store: &mut dyn SqlConnection,
        schema: &SchemaDef,
        cipher: Option<&Arc<AtRestCipher>>,
        values: &BTreeMap<String, String>,
        fresh: bool,
    ) -> Result<Self> {
        let stored = values.get(keys::AT_REST).map(|text| Stored::read(text)).transpose()?;
        let wanted = Places::of_schema(schema);
        let on = !wanted.is_empty();
        if stored.is_none() && !on {
            return Ok(Opening::default());
        }
        let Some(cipher) = cipher else { return Err(no_key(&wanted, stored.as_ref())) };
        cipher.turn(true);
        match &stored {
            Some(stored) => {
                cipher.check(&stored.key_id, &stored.check)?;
                cipher.begin_count(identity::number(store, keys::AT_REST_COUNT)?);
            }
            None if !fresh => {
                // Written in clear so far. A staged set is fetched anew: its image would lie beside the store in clear.
                store.execute("DELETE FROM main._plasma_inbox", &[])?;
                for key in [keys::INBOX_COOKIE, keys::INBOX_ACKNOWLEDGED] {
                    identity::set(store, key, None)?;
                }
                Places::own().rewrite(store, sealing)?;
                identity::set(store, keys::AT_REST_PURGE, Some("1"))?;
            }
            None => {}
        }
        let before = stored.as_ref().map(|stored| stored.cells.clone()).unwrap_or_default();
        Ok(Opening { cipher: Some(cipher.clone()), stored, before, after: wanted, on })
    }

    /// The SQL of what a column of one of the client's own tables holds, before there are views: SQLite renames no table
    /// while a view stands before one that has an index.
    pub(crate) fn seen(&self, table: &str, column: &str) -> String {
        match self.cipher {
            Some(_) => opening(column, table, column, row(table)),
            None => column.to_owned(),
        }
    }

    /// The SQL of a column as its table is carried over: opened if it was sealed, sealed if it will be.
    pub(crate) fn carried(&self, table: &TableDef, column: &str, value: &str, stored: bool) -> String {
        let id = quote(table.columns[table.id].name);
        let plain = match stored && self.before.has(table.name, column) {
            true => opening(value, table.name, column, &id),
            false => value.to_owned(),
        };
        match self.after.has(table.name, column) {
            true => sealing(&plain, table.name, column, &id),
            false => plain,
        }
    }

    /// The former rows of `table` stay in the table `aside`, which was renamed from it: their cells are sealed for there.
    pub(crate) fn kept_aside(&mut self, store: &mut dyn SqlConnection, table: &str, aside: &str) -> Result<()> {
        let names = ddl::column_names(store, aside)?;
        let sealed = |name: &str| self.before.has(table, name) || self.after.has(table, name);
        if !names.iter().any(|name| sealed(name)) {
            return Ok(());
        }
        let copied = names.iter().map(|name| {
            let column = quote(name);
            let plain = match self.before.has(table, name) {
                true => opening(&column, table, name, "\"id\""),
                false => column.clone(),
            };
            match sealed(name) {
                true => format!("{} AS {column}", sealing(&plain, aside, name, "\"id\"")),
                false => column,
            }
        });
        let copied: Vec<String> = copied.collect();
        let (from, to) = (quote(aside), quote(&format!("{aside}_sealed")));
        // Its columns have the types of clear values: a copy has none.
        store.batch(&format!(
            "CREATE TABLE main.{to} AS SELECT {} FROM main.{from}; DROP TABLE main.{from}; ALTER TABLE main.{to} RENAME TO {from}",
            copied.join(", ")
        ))?;
        let sealed: Vec<&str> = names.iter().map(String::as_str).filter(|name| sealed(name)).collect();
        self.after.add(aside, sealed.into_iter());
        Ok(())
    }

    /// The tables are what they will be: notes what is sealed. Returns the cipher if anything is.
    pub(crate) fn end(
        mut self,
        store: &mut dyn SqlConnection,
        schema: &SchemaDef,
    ) -> Result<Option<Arc<AtRestCipher>>> {
        let Some(cipher) = self.cipher.take() else { return Ok(None) };
        let mut aside = Places::default();
        for (table, columns) in self.before.tables() {
            // Kept aside by an earlier version.
            if table.starts_with("_plasma_kept_") && schema.table(table).is_none() && ddl::table_exists(store, table)? {
                aside.add(table, columns.iter().map(String::as_str));
            }
        }
        if !self.on {
            // No column of this version is sealed.
            Places::own().rewrite(store, opening)?;
            aside.rewrite(store, opening)?;
            self.after.rewrite(store, opening)?;
            for key in [keys::AT_REST, keys::AT_REST_COUNT, keys::AT_REST_PURGE] {
                identity::set(store, key, None)?;
            }
            cipher.turn(false);
            return Ok(None);
        }
        for (table, columns) in aside.tables() {
            self.after.add(table, columns.iter().map(String::as_str));
        }
        if self.stored.as_ref().is_none_or(|stored| stored.cells != self.after) {
            if self.stored.is_some() {
                // What is sealed from now on was there in clear.
                identity::set(store, keys::AT_REST_PURGE, Some("1"))?;
            }
            let check = match &self.stored {
                Some(stored) => stored.check.clone(),
                None => cipher.check_value()?,
            };
            Stored { key_id: cipher.key_id(), check, cells: self.after.clone() }.write(store)?;
        }
        Ok(Some(cipher))
    }
}

/// Lets another connection to the same store read it.
pub(crate) fn lend(reader: &mut dyn SqlConnection, cipher: Option<&Arc<AtRestCipher>>) -> Result<()> {
    let Some(cipher) = cipher else { return Ok(()) };
    reader.use_cells(cipher.clone())?;
    drop_views(reader)?;
    show(reader)
}

/// Shows this connection what the store has sealed.
fn show(store: &mut dyn SqlConnection) -> Result<()> {
    if let Some(text) = identity::all(store)?.get(keys::AT_REST) {
        Places::own().show(store)?;
        Stored::read(text)?.cells.show(store)?;
    }
    Ok(())
}

/// After the transaction that opens a store, which seals: shows what is sealed. A purge that fails is returned, and
/// tried again at the next open.
pub(crate) fn settle(store: &mut dyn SqlConnection) -> Result<Option<Error>> {
    // SQLite rebuilds no index while a view stands before its table.
    let failed = purge(store).err();
    show(store).map(|()| failed)
}

/// What the store held in clear is taken out of its freed pages and out of its log. Until that was done it stays noted.
fn purge(store: &mut dyn SqlConnection) -> Result<()> {
    if !identity::all(store)?.contains_key(keys::AT_REST_PURGE) {
        return Ok(());
    }
    store.batch("VACUUM")?;
    if fold_log(store)? {
        identity::set(store, keys::AT_REST_PURGE, None)?;
    }
    Ok(())
}

/// Folds the write-ahead log into the file and empties it; false when another connection still reads from it.
pub(super) fn fold_log(store: &mut dyn SqlConnection) -> Result<bool> {
    // Whoever reads is not waited for.
    let timeout = store.query("PRAGMA busy_timeout", &[], &[Kind::BigInt])?;
    store.batch("PRAGMA busy_timeout = 0")?;
    let folded = store.query("PRAGMA wal_checkpoint(TRUNCATE)", &[], &[Kind::BigInt; 3]);
    if let Some([Value::Int(timeout)]) = timeout.first().map(Vec::as_slice) {
        store.batch(&format!("PRAGMA busy_timeout = {timeout}"))?;
    }
    let folded = folded?;
    Ok(matches!(folded.first().map(Vec::as_slice), Some([Value::Int(0), ..])))
}

fn no_key(wanted: &Places, stored: Option<&Stored>) -> Error {
    let give = "give its key with `.encryption(..)`";
    match (wanted.tables().next(), stored) {
        (Some((table, columns)), _) => {
            let column = columns.first().map_or("", String::as_str);
            Error::new(
                ErrorKind::Config,
                format!("the column `{table}.{column}` is encrypted in the client's file: {give}"),
            )
            .with_data(serde_json::json!({ "table": table, "column": column }))
        }
        (None, stored) => {
            let key = stored.map_or("", |stored| &stored.key_id);
            let message = format!("the store is encrypted with the key `{key}`: {give}");
            Error::new(ErrorKind::Config, message).with_data(serde_json::json!({ "keyId": key }))
        }
    }
}
