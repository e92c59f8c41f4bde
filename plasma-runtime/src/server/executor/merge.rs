//! Rows that two sides changed: `#[plasma::table(resolve_conflict = ..)]`.
//!
//! A client names, with a mutation, the rows it changed as its user saw them. A row that the mutator updates here and
//! that is another by now is merged, once, when the mutator has ended: `docs/decisions/0016-when-resolve-conflict-runs.md`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::value::RawValue;

use super::ServerExecutor;
use crate::error::{Error, ErrorKind, Result, panic_message};
use crate::mutate::{Access, ConflictRows, ResolveFn};
use crate::schema::{ColumnDef, SchemaDef, TableDef};
use crate::store::ddl::quote;
use crate::value::{Kind, Row, Value, json};

type Key = (&'static str, String);

/// The rows as the client saw them; none for a row it did not have. They are the client's word.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Bases(BTreeMap<Key, Option<Known>>);

/// A row as far as its maker knew the columns: a client of an earlier version saw nothing in the others.
type Known = Vec<Option<Value>>;

impl Bases {
    /// Reads the member `bases` of a mutation made under version `made_by` of the schema. Tables that do not merge are
    /// passed over.
    ///
    /// # Errors
    /// [`InvalidArgs`](ErrorKind::InvalidArgs) when it is something else, or an image is no row of its table.
    pub(in crate::server) fn from_json(schema: &SchemaDef, made_by: &str, json: &str) -> Result<Self> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidArgs, message);
        let tables: BTreeMap<String, BTreeMap<String, Option<String>>> = serde_json::from_str(json)
            .map_err(|error| invalid(format!("`bases` is not rows as text by table and id: {error}")))?;
        let mut bases = BTreeMap::new();
        for (name, rows) in tables {
            let table = schema.tables.iter().copied().find(|table| table.name == name);
            let Some(table) = table.filter(|table| table.resolve_conflict.is_some()) else { continue };
            for (id, image) in rows {
                let row = image.map(|image| known(table, &image, made_by == schema.version)).transpose();
                let row = row.map_err(|error| invalid(format!("`bases`: {}", error.message())))?;
                let own = |row: &Known| row[table.id].as_ref().and_then(Value::as_text) == Some(&id);
                if row.as_ref().is_some_and(|row| !own(row)) {
                    return Err(invalid(format!("`bases` holds a row of `{name}` under an id that is not its own")));
                }
                bases.insert((table.name, id), row);
            }
        }
        Ok(Bases(bases))
    }
}

/// The conflicts of one mutation.
#[derive(Debug, Default)]
pub(super) struct Merges {
    /// What is left of them: a row is asked about once.
    bases: Bases,
    conflicts: BTreeMap<Key, Conflict>,
}

/// A row that is not as the client saw it.
#[derive(Debug)]
struct Conflict {
    table: &'static TableDef,
    resolve: ResolveFn,
    base: Option<Row>,
    /// As it was before the mutation.
    remote: Row,
}

impl Merges {
    pub(super) fn new(bases: Bases) -> Self {
        Merges { bases, conflicts: BTreeMap::new() }
    }

    /// The mutation inserts this row: whatever the client saw, nobody else changed it.
    pub(super) fn own(&mut self, table: &'static TableDef, id: &str) {
        if table.resolve_conflict.is_some() {
            let key = (table.name, id.to_owned());
            self.bases.0.remove(&key);
            self.conflicts.remove(&key);
        }
    }
}

impl ServerExecutor<'_> {
    /// Keeps rows that are about to be updated for the first time in this mutation, when they are not as the client saw
    /// them.
    pub(super) async fn keep_remote(&mut self, table: &'static TableDef, ids: &[String]) -> Result<()> {
        let Some(resolve) = table.resolve_conflict.filter(|_| !self.merges.bases.0.is_empty()) else { return Ok(()) };
        let mut bases = BTreeMap::new();
        for id in ids {
            if let Some((key, base)) = self.merges.bases.0.remove_entry(&(table.name, id.clone())) {
                bases.insert(key.1, base);
            }
        }
        let known: Vec<String> = bases.keys().cloned().collect();
        for remote in self.stored(table, &known).await? {
            let id = table.row_id(&remote).to_owned();
            let Some(base) = bases.remove(&id) else { continue };
            // Nobody says that a column changed which the client did not know.
            let whole = |base: Known| base.into_iter().zip(&remote).map(|(value, now)| value.unwrap_or(now.clone()));
            let base: Option<Row> = base.map(|base| whole(base).collect());
            if !base.as_ref().is_some_and(|base| same(base, &remote)) {
                self.merges.conflicts.insert((table.name, id), Conflict { table, resolve, base, remote });
            }
        }
        Ok(())
    }

    /// Merges the rows that the mutation left in conflict.
    ///
    /// # Errors
    /// [`Panic`](ErrorKind::Panic) when a merge panics; else as [`ConflictRows::resolve`], and whatever an update with
    /// the merged values is refused for.
    pub(super) async fn merge(&mut self) -> Result<()> {
        for ((name, id), conflict) in std::mem::take(&mut self.merges.conflicts) {
            let Conflict { table, resolve, base, remote } = conflict;
            let Some(local) = self.stored(table, std::slice::from_ref(&id)).await?.pop() else { continue };
            if local == remote {
                continue;
            }
            let rows = ConflictRows { base, local: local.clone(), remote: remote.clone() };
            let merged = catch_unwind(AssertUnwindSafe(|| resolve(rows))).map_err(|panic| {
                let words = panic_message(&*panic).unwrap_or("the panic carries no message").to_owned();
                Error::new(ErrorKind::Panic, format!("`resolve_conflict` of `{name}` panicked")).with_source(words)
            })??;
            self.store_merged(table, &id, &local, &remote, merged).await?;
        }
        Ok(())
    }

    /// Stores a merged row in place of `local`. What a column may never become is measured by what it was before the
    /// mutation; the policy's rule for the new image is asked at the end, as for every updated row.
    async fn store_merged(
        &mut self,
        table: &'static TableDef,
        id: &str,
        local: &Row,
        remote: &Row,
        mut merged: Row,
    ) -> Result<()> {
        for (index, column) in table.columns.iter().enumerate() {
            if matches!(column.kind, Kind::Crdt(_)) {
                // It has merged by itself, and what the function returns may be older.
                merged[index].clone_from(&local[index]);
            }
        }
        let plan = self.plan(table, Access::Checked)?;
        let frozen = plan.rules.as_ref().map(|rules| rules.frozen).unwrap_or_default();
        let (mut set, mut params) = (Vec::new(), Vec::new());
        for (index, column) in table.columns.iter().enumerate() {
            if merged[index] == local[index] {
                continue;
            }
            if frozen.contains(&column.name) && merged[index] != remote[index] {
                return Err(Error::unauthorized(format!("a column of `{}` may never be changed", table.name)));
            }
            table.within_limits(column, &merged[index])?;
            if let Some(file) = column.file.filter(|file| file.immutable) {
                file.check_change(table, column, &remote[index], &merged[index])?;
            }
            set.push(format!("{} = ?", quote(column.name)));
            params.push(merged[index].clone());
        }
        if set.is_empty() {
            return Ok(());
        }
        table.keeps_checks(&merged)?;
        self.keeps_envelope_limits(table, &merged)?;
        params.push(id.into());
        let sql = format!("UPDATE {} SET {} WHERE \"id\" = ?", quote(table.name), set.join(", "));
        if let Err(error) = self.run(&sql, &params).await {
            return Err(self.explain_conflict(&plan, table, error, &|column| Some(merged[column].clone())).await);
        }
        Ok(())
    }
}

/// Reads an image. Of another version of the schema, a value that cannot be read today is one that is not known.
fn known(table: &TableDef, image: &str, today: bool) -> Result<Known> {
    let row = if today { Some(json::decode_row(table, image)?) } else { None };
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(image)
        .map_err(|_| Error::new(ErrorKind::Protocol, format!("a row of `{}` is no JSON object", table.name)))?;
    let read = |(index, column): (usize, &ColumnDef)| {
        let member = members.get(column.name)?;
        match &row {
            Some(row) => Some(row[index].clone()),
            None => json::decode_value(column, member.get()).ok(),
        }
    };
    Ok(table.columns.iter().enumerate().map(read).collect())
}

/// Whether two images are one row. JSON is compared by what it says: the client's went through the wire.
fn same(base: &Row, remote: &Row) -> bool {
    base.iter().zip(remote).all(|(base, remote)| match (base, remote) {
        (Value::Json(a), Value::Json(b)) if a != b => {
            let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
            read(a).is_some_and(|a| read(b) == Some(a))
        }
        (base, remote) => base == remote,
    })
}
