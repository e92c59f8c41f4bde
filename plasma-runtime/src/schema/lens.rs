//! What a program with an earlier version of the schema knows of today's tables.
//!
//! A lens is made of the shape that `plasma.lock` (or a client's store) keeps of the earlier version. There is one only
//! when whoever has that version can work with today's rows: everything it knows is still there and still keeps the
//! rules it relies on, and what was added it can do without.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::lock::{Line, Lines, LockedColumn, kind_word};
use super::{LockedVersion, SchemaDef, TableDef};
use crate::error::{Error, ErrorKind, Result};

/// What a version of the schema knows of the synced tables there are today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    /// The version people see.
    pub version: String,
    /// Its fingerprint.
    pub fingerprint: u64,
    tables: BTreeMap<&'static str, View>,
}

/// What a version knows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The known columns, in today's order.
    columns: Vec<&'static str>,
    /// The table has others, too.
    narrow: bool,
}

/// An earlier version whose programs cannot work with today's schema, with every reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incompatible {
    /// The version people see.
    pub version: String,
    /// Its fingerprint.
    pub fingerprint: u64,
    /// What of it is gone or is another: one line for each thing.
    pub reasons: Vec<String>,
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version \"{}\" is no compatible ancestor: {}", self.version, self.reasons.join("; "))
    }
}

impl View {
    /// A row in wire form without the members that are not known.
    ///
    /// # Errors
    /// [`Storage`](ErrorKind::Storage) when it is no JSON object.
    pub fn project<'j>(&self, json: &'j str) -> Result<Cow<'j, str>> {
        if !self.narrow {
            return Ok(Cow::Borrowed(json));
        }
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(json)
            .map_err(|error| Error::new(ErrorKind::Storage, "a row is no JSON object").with_source(error))?;
        let mut row = String::with_capacity(json.len());
        for column in &self.columns {
            // A row of before the column was there has no member; the reader makes its value up, as we would.
            let Some(value) = members.get(*column) else { continue };
            row.push(if row.is_empty() { '{' } else { ',' });
            row.push_str(&serde_json::to_string(column).expect("a text is JSON"));
            row.push(':');
            row.push_str(value.get());
        }
        if row.is_empty() {
            row.push('{');
        }
        row.push('}');
        Ok(Cow::Owned(row))
    }

    /// Whether rows lose members.
    pub fn is_narrow(&self) -> bool {
        self.narrow
    }
}

impl Lens {
    /// Everything: what the schema knows of itself.
    pub fn whole(schema: &SchemaDef) -> Self {
        let view = |table: &'static TableDef| View { columns: names(table), narrow: false };
        Lens {
            version: schema.version.to_owned(),
            fingerprint: schema.fingerprint,
            tables: schema.synced().map(|table| (table.name, view(table))).collect(),
        }
    }

    /// What a version of `plasma.lock` knows of this schema.
    ///
    /// # Errors
    /// [`Incompatible`] when its programs cannot work with this schema.
    pub fn former(schema: &SchemaDef, former: &LockedVersion) -> std::result::Result<Self, Incompatible> {
        Lens::of_shape(schema, former.version, former.fingerprint, former.lines())
    }

    /// What the version with this shape knows of this schema.
    ///
    /// # Errors
    /// [`Incompatible`] when its programs cannot work with this schema.
    pub fn of_shape(
        schema: &SchemaDef,
        version: &str,
        fingerprint: u64,
        lines: Lines<'_>,
    ) -> std::result::Result<Self, Incompatible> {
        let (mut tables, mut reasons) = (BTreeMap::new(), Vec::new());
        for old in read(lines).iter().filter(|old| !old.local_only) {
            match schema.table(old.name) {
                None => reasons.push(format!("`{}`: table removed", old.name)),
                Some(table) if table.local_only => reasons.push(format!("`{}`: now `local_only`", old.name)),
                Some(table) => {
                    let known: Vec<&str> = names(table).into_iter().filter(|name| old.column(name).is_some()).collect();
                    let narrow = known.len() < table.columns.len();
                    tables.insert(table.name, View { columns: known, narrow });
                    compare(old, table, &mut reasons);
                }
            }
        }
        if reasons.is_empty() {
            return Ok(Lens { version: version.to_owned(), fingerprint, tables });
        }
        Err(Incompatible { version: version.to_owned(), fingerprint, reasons })
    }

    /// What it knows of a table; none when it does not know the table.
    pub fn view(&self, table: &str) -> Option<&View> {
        self.tables.get(table)
    }

    /// The tables it knows otherwise than `earlier`, or which `earlier` does not know, in order of their names.
    pub fn differs(&self, earlier: &Lens) -> Vec<String> {
        let differs = |(name, view): &(&&'static str, &View)| earlier.tables.get(**name) != Some(view);
        self.tables.iter().filter(differs).map(|(name, _)| (*name).to_owned()).collect()
    }
}

impl SchemaDef {
    /// The versions that stand before this one in `plasma.lock`, in its order: what a client of each of them is served,
    /// or why it is not. A version of another shape with the same name counts, too.
    ///
    /// ```
    /// use plasma_runtime::schema::{Schema, SchemaDef};
    /// /// For a test: clients of version 2 must not be cut off.
    /// fn serves(schema: &SchemaDef, version: &str) -> bool {
    ///     schema.ancestors().iter().any(|ancestor| ancestor.as_ref().is_ok_and(|lens| lens.version == version))
    /// }
    /// ```
    pub fn ancestors(&self) -> Vec<std::result::Result<Lens, Incompatible>> {
        self.former_versions().map(|former| Lens::former(self, former)).collect()
    }

    /// The versions that stand before this one in `plasma.lock`, of other shapes.
    pub(crate) fn former_versions(&self) -> impl Iterator<Item = &'static LockedVersion> {
        let own = self.locked.iter().position(|locked| locked.version == self.version);
        let before = own.map_or(self.locked.len(), |own| own + 1);
        let fingerprint = self.fingerprint;
        self.locked[..before].iter().filter(move |locked| locked.fingerprint != fingerprint)
    }
}

/// A table of a shape.
struct Former<'a> {
    name: &'a str,
    local_only: bool,
    columns: Vec<LockedColumn<'a>>,
    sets: Vec<Vec<&'a str>>,
}

impl<'a> Former<'a> {
    fn column(&self, name: &str) -> Option<&LockedColumn<'a>> {
        self.columns.iter().find(|column| column.name == name)
    }
}

fn read(lines: Lines<'_>) -> Vec<Former<'_>> {
    let mut tables: Vec<Former<'_>> = Vec::new();
    for line in lines {
        match (line, tables.last_mut()) {
            (Line::Table { name, local_only }, _) => {
                tables.push(Former { name, local_only, columns: Vec::new(), sets: Vec::new() });
            }
            (Line::Column(column), Some(table)) => table.columns.push(column),
            (Line::Unique(names), Some(table)) => table.sets.push(names.collect()),
            // A shape begins with a table: the macro and the writer see to it.
            (Line::Column(_) | Line::Unique(_), None) => {}
        }
    }
    tables
}

/// Says what a program that knows `old` could trip over in the rows of `table`.
fn compare(old: &Former<'_>, table: &TableDef, reasons: &mut Vec<String>) {
    let mut say = |column: &str, what: String| reasons.push(format!("`{}.{column}`: {what}", table.name));
    for column in &old.columns {
        let Some(new) = table.column(column.name) else {
            say(column.name, "removed".to_owned());
            continue;
        };
        let kind = kind_word(new.kind);
        if column.kind != kind {
            // Even an `int` that became a `bigint`: it may be too large for whoever knows the `int`.
            say(column.name, format!("{} -> {kind}", column.kind));
        }
        // What was nullable and is not any more needs no NULL from us.
        if !column.nullable && new.nullable {
            say(column.name, "not null -> nullable".to_owned());
        }
        let own = column.name == table.columns[table.id].name;
        if let (Some(was), Some(is), false) = (column.references, new.references, own)
            && was != is
        {
            say(column.name, format!("reference to `{was}` -> to `{is}`"));
        }
        if column.unique && !own && !keeps_unique(table, &[column.name]) {
            say(column.name, "no longer `unique`".to_owned());
        }
    }
    for column in table.columns.iter().filter(|column| old.column(column.name).is_none()) {
        if !column.nullable && column.default.is_none() {
            say(column.name, "new, neither nullable nor with a default".to_owned());
        }
    }
    for set in &old.sets {
        if !keeps_unique(table, set) {
            reasons.push(format!("`{}`: unique({}) removed", table.name, set.join(", ")));
        }
    }
}

/// Whether no two rows are equal in these columns. A set that is part of them says so, too.
fn keeps_unique(table: &TableDef, columns: &[&str]) -> bool {
    table.unique_sets().any(|set| set.iter().all(|column| columns.contains(column)))
}

fn names(table: &TableDef) -> Vec<&'static str> {
    table.columns.iter().map(|column| column.name).collect()
}
