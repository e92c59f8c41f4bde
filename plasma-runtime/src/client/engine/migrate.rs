//! Carrying a store over to another version of the schema, in the transaction that opens it.
//!
//! The outbox, the outcomes and who the store is stay as they are. The rows stay as far as they fit. When everything
//! the store holds is still there in the new version, so does the cookie: the server sees from it which tables and
//! columns the store was never sent, and states these tables anew. Else the base is pulled anew. Rows of `local_only`
//! tables nobody else has: what of them does not fit is kept beside, under another name, and reported.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::open::{Opened, wrong};
use crate::client::at_rest;
use crate::client::event::{ClientError, ClientErrorKind};
use crate::client::identity::{self, keys};
use crate::client::rows::{Texts, Writer};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::lock::{Line, Lines, entry, kind_word};
use crate::schema::{ColumnDefault, Definition, Lens, SchemaDef, TableDef, fingerprint};
use crate::store::SqlConnection;
use crate::store::ddl::{self, Side, quote};
use crate::value::{Kind, Value, json};

/// The version of the schema that a store was last opened with: the value of [`keys::SCHEMA`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    version: String,
    /// 16 hex digits.
    fingerprint: String,
    /// The tables, as `plasma.lock` has them.
    shape: String,
    /// The versions before it, each with its fingerprint: those the store went through, and those of the lock.
    before: Vec<(String, String)>,
}

impl Stored {
    /// The schema, over what the store held before.
    fn of(schema: &SchemaDef, last: Option<&Stored>) -> Self {
        let mut before = Vec::new();
        if let Some(last) = last {
            before.extend(last.before.iter().cloned());
            before.push((last.version.clone(), last.fingerprint.clone()));
        }
        before.extend(schema.former_versions().map(|former| (former.version.to_owned(), former.fingerprint_hex())));
        let own = (schema.version.to_owned(), schema.fingerprint_hex());
        before.retain(|version| *version != own);
        before.sort_unstable();
        before.dedup();
        let shape: Vec<String> = entry(schema).lines().skip(1).map(|line| line.trim().to_owned() + "\n").collect();
        Stored { version: own.0, fingerprint: own.1, shape: shape.concat(), before }
    }

    fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Storage, "the store's `schema` is damaged").with_source(error))
    }

    /// An application of an earlier version must not touch what a later one made of the store.
    fn refuse_older(&self, schema: &SchemaDef) -> Result<()> {
        let own = (schema.version, schema.fingerprint_hex());
        let older = self.before.iter().any(|(version, fingerprint)| (version.as_str(), fingerprint) == (own.0, &own.1));
        if !older || self.fingerprint == own.1 {
            return Ok(());
        }
        let data = serde_json::json!({ "expected": self.version, "got": schema.version });
        Err(wrong(format!(
            "the store was opened with version \"{}\" of the schema, and this application has the earlier version \"{}\": \
             update the application, or open another file",
            self.version, schema.version
        ))
        .with_data(data))
    }

    /// Whether all it holds is still there in the schema.
    fn fits(&self, schema: &SchemaDef) -> bool {
        Lens::of_shape(schema, &self.version, 0, Lines::of(&self.shape)).is_ok()
    }

    /// The word for the kind of a column's values.
    fn kind(&self, table: &str, column: &str) -> Option<&str> {
        let mut found = false;
        for line in Lines::of(&self.shape) {
            match line {
                Line::Table { name, .. } => found = name == table,
                Line::Column(known) if found && known.name == column => return Some(known.kind),
                _ => {}
            }
        }
        None
    }
}

/// The first letter of the shape of a `local_only` table.
const LOCAL: char = 'l';

fn shape(table: &TableDef) -> String {
    let mut shape = format!("{}{:016x}", if table.local_only { LOCAL } else { 's' }, fingerprint::table(table));
    // To the server they are as any other.
    let sealed: Vec<&str> = table.columns.iter().filter(|column| column.at_rest).map(|column| column.name).collect();
    if !sealed.is_empty() {
        shape.push_str(&format!("-{:016x}", fingerprint::text(&sealed.join("\0"))));
    }
    shape
}

/// Brings the application's tables to the shapes of the schema. `values` are those of `_plasma_meta`.
pub(super) fn carry_over(
    store: &mut dyn SqlConnection,
    definition: &Definition,
    values: &BTreeMap<String, String>,
    cells: &mut at_rest::Opening,
    opened: &mut Opened,
) -> Result<()> {
    let schema = &definition.schema;
    let last = values.get(keys::SCHEMA).map(|text| Stored::read(text)).transpose()?;
    if let Some(last) = &last {
        last.refuse_older(schema)?;
    }
    reshape_all(store, definition, values.get(keys::SHAPES).map(String::as_str), last.as_ref(), cells, opened)?;
    if last.as_ref().is_some_and(|last| last.version != schema.version) {
        // Other tables or not: the mutators may do something else by now.
        identity::set(store, keys::REPLAY, Some("1"))?;
    }
    let now = serde_json::to_string(&Stored::of(schema, last.as_ref())).expect("texts are JSON");
    if values.get(keys::SCHEMA) != Some(&now) {
        identity::set(store, keys::SCHEMA, Some(&now))?;
    }
    Ok(())
}

fn reshape_all(
    store: &mut dyn SqlConnection,
    definition: &Definition,
    shapes: Option<&str>,
    last: Option<&Stored>,
    cells: &mut at_rest::Opening,
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
    // Of tables that sync, or did: one that is new in a store that is not is one, too.
    let changed = |name: &String| known.get(name) != wanted.get(name);
    let synced =
        |shapes: &BTreeMap<String, String>| shapes.iter().any(|(name, shape)| changed(name) && !is_local(shape));
    let synced_changed = !known.is_empty() && (synced(&known) || synced(&wanted));
    // A store of before there were lenses does not say what it holds.
    let mut anew = !last.is_some_and(|last| last.fits(&definition.schema));
    let base = if synced_changed { undo_by_text(store, cells)? } else { Vec::new() };
    for table in definition.schema.tables {
        match known.get(table.name) {
            Some(shape) if wanted.get(table.name) == Some(shape) => {}
            Some(shape) if is_local(shape) && !table.local_only => {
                // Rows of its own are none that the server has.
                keep_aside(store, table.name, cells, opened)?;
                store.batch(&ddl::create_table(table, Side::Sealed))?;
            }
            Some(_) => anew |= !reshape(store, table, last, cells, opened)?,
            None => store.batch(&ddl::create_table(table, Side::Sealed))?,
        }
    }
    for (name, shape) in known.iter().filter(|(name, _)| definition.schema.table(name).is_none()) {
        // The rows of a synced table are the server's to keep; those of a local one nobody else has.
        if is_local(shape) {
            keep_aside(store, name, cells, opened)?;
        } else {
            store.batch(&ddl::drop_table(name))?;
        }
    }
    if synced_changed {
        anew |= !restore(store, definition, base)?;
        if anew {
            identity::set(store, keys::COOKIE, None)?;
        }
        for key in [keys::INBOX_COOKIE, keys::INBOX_ACKNOWLEDGED] {
            identity::set(store, key, None)?;
        }
        store.execute("DELETE FROM main._plasma_inbox", &[])?;
        identity::set(store, keys::REPLAY, Some("1"))?;
    }
    let text = serde_json::to_string(&wanted).expect("a map of texts is JSON");
    identity::set(store, keys::SHAPES, Some(&text))
}

/// A row before pending mutations touched it: table, id, image.
type BaseText = (String, String, Option<String>);

/// Takes back what pending mutations did, without knowing the old shape: the rows go, their base images are returned.
fn undo_by_text(store: &mut dyn SqlConnection, cells: &at_rest::Opening) -> Result<Vec<BaseText>> {
    let before = cells.seen("_plasma_effects", "before");
    let sql = format!("SELECT table_name, row_id, {before} FROM _plasma_effects ORDER BY table_name, row_id, mid");
    let rows = store.query(&sql, &[], &[Kind::Text; 3])?;
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
    store.execute("DELETE FROM main._plasma_effects", &[])?;
    Ok(base)
}

/// Puts base images back where they fit the new shape; false when one does not.
fn restore(store: &mut dyn SqlConnection, definition: &Definition, base: Vec<BaseText>) -> Result<bool> {
    let texts = Texts::new(&definition.schema);
    let mut writer = Writer::new(store, &texts);
    let mut all = true;
    for (table, id, before) in base {
        let (Some(table), Some(before)) = (definition.schema.table(&table), before) else { continue };
        let Ok(row) = json::decode_row(table, &before) else {
            all = false;
            continue;
        };
        match writer.apply(table, &id, None, Some(row)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => all = false,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Gives a table its new shape and keeps the rows, as far as they fit. False when rows of a table that syncs are gone.
fn reshape(
    store: &mut dyn SqlConnection,
    table: &'static TableDef,
    last: Option<&Stored>,
    cells: &mut at_rest::Opening,
    opened: &mut Opened,
) -> Result<bool> {
    let old_columns = ddl::column_names(store, table.name)?;
    let aside = put_aside(store, table.name)?;
    store.batch(&ddl::create_table(table, Side::Sealed))?;
    let kind = |column: &str| last.and_then(|last| last.kind(table.name, column));
    let other = table.columns.iter().find(|column| kind(column.name).is_some_and(|was| !means(was, column.kind)));
    let copied = match other {
        Some(column) => {
            Err(Error::conflict(format!("the values of `{}` mean something else in the new version", column.name)))
        }
        None => copy(store, table, &aside, &old_columns, cells),
    };
    match copied {
        Ok(()) => {
            let gone: Vec<&String> = old_columns.iter().filter(|old| table.column(old).is_none()).collect();
            if !table.local_only || !any_value(store, &aside, &gone)? {
                store.batch(&ddl::drop_table(&aside))?;
            } else {
                cells.kept_aside(store, table.name, &aside)?;
                tell(
                    opened,
                    format!("columns of `{}` are gone; its former rows are kept in `{aside}`", table.name),
                    None,
                );
            }
            Ok(true)
        }
        Err(error) if error.kind() != ErrorKind::Conflict => Err(error),
        // The rows do not fit. Synced rows come anew; local ones nobody else has.
        Err(_) if !table.local_only => store.batch(&ddl::drop_table(&aside)).map(|()| false),
        Err(error) => {
            cells.kept_aside(store, table.name, &aside)?;
            let message = format!("the rows of `{}` do not fit its new shape; they are kept in `{aside}`", table.name);
            tell(opened, message, Some(error));
            Ok(true)
        }
    }
}

/// Whether the stored values of a kind mean the same under another one. Most do not, even where SQLite would take them:
/// 1.50 is stored as 150 by a `fixed(2)`, which a `fixed(3)` reads as 0.150.
fn means(was: &str, now: Kind) -> bool {
    match (was, now) {
        ("int", Kind::BigInt) | ("id" | "date", Kind::Text) | ("file", Kind::Json) => true,
        _ => was == kind_word(now),
    }
}

/// Fills the table from the rows of its former self; new columns with their defaults.
fn copy(
    store: &mut dyn SqlConnection,
    table: &TableDef,
    aside: &str,
    old_columns: &[String],
    cells: &at_rest::Opening,
) -> Result<()> {
    let (mut targets, mut sources) = (Vec::new(), Vec::new());
    let mut params: Vec<Value> = Vec::new();
    for column in table.columns {
        let known = old_columns.iter().any(|old| old == column.name);
        let value = match column.default {
            _ if known => quote(column.name),
            Some(ColumnDefault::Now) => ddl::now(column.kind).to_owned(),
            Some(ColumnDefault::Value(default)) => {
                params.push(default());
                format!("?{}", params.len())
            }
            None => "NULL".to_owned(),
        };
        sources.push(cells.carried(table, column.name, &value, known));
        targets.push(quote(column.name));
    }
    let copy = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        quote(table.name),
        targets.join(", "),
        sources.join(", "),
        quote(aside)
    );
    store.execute(&copy, &params).map(|_| ())
}

/// Whether a row has a value in one of the columns.
fn any_value(store: &mut dyn SqlConnection, table: &str, columns: &[&String]) -> Result<bool> {
    let filled: Vec<String> = columns.iter().map(|column| format!("{} IS NOT NULL", quote(column))).collect();
    let filled = if filled.is_empty() { "FALSE".to_owned() } else { filled.join(" OR ") };
    let sql = format!("SELECT 1 FROM {} WHERE {filled} LIMIT 1", quote(table));
    Ok(!store.query(&sql, &[], &[Kind::Int])?.is_empty())
}

/// Removes a `local_only` table that is none any more. Its rows are kept under another name.
fn keep_aside(
    store: &mut dyn SqlConnection,
    name: &str,
    cells: &mut at_rest::Opening,
    opened: &mut Opened,
) -> Result<()> {
    let rows = store.query(&format!("SELECT 1 FROM {} LIMIT 1", quote(name)), &[], &[Kind::Int])?;
    if rows.is_empty() {
        return store.batch(&ddl::drop_table(name));
    }
    let aside = put_aside(store, name)?;
    cells.kept_aside(store, name, &aside)?;
    tell(opened, format!("`{name}` is no `local_only` table any more; its rows are kept in `{aside}`"), None);
    Ok(())
}

fn tell(opened: &mut Opened, message: String, source: Option<Error>) {
    let error = Error::new(ErrorKind::Storage, message);
    let error = match source {
        Some(source) => error.with_source(source),
        None => error,
    };
    opened.reports.push(ClientError { kind: ClientErrorKind::Storage, error, key: None });
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
