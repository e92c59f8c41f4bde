//! The schema against `plasma.lock`: at compile time what would break a program with the locked version, and in a test
//! whether the lock is current.

#[cfg(test)]
mod tests;

use std::io::Write as _;
use std::path::Path;

use plasma_runtime::schema::fingerprint::str_eq;
use plasma_runtime::schema::lock::{
    Line, Lines, LockedColumn, Mode, Names, Place, Verified, kind_word, on_delete_word, verify,
};
use plasma_runtime::schema::{ColumnDef, LockedVersion, Schema, SchemaDef, TableDef};

use super::check::Tables;
use super::message::{Message, decimal};

/// The changes that are told one by one.
const TOLD: usize = 24;
/// What is left of the message for its end.
const RESERVED: usize = 1024;

/// The schema can still talk to programs that have the version `schema.locked[index]`, which has the same name: whatever
/// they hold, it has, and whatever it adds, they can do without.
///
/// `mode` is `PLASMA_LOCK`: the build that replaces the version is allowed to change it.
#[track_caller]
pub const fn check<const N: usize>(all: &Tables<N>, schema: &SchemaDef, index: usize, path: &str, mode: Option<&str>) {
    let locked = &schema.locked[index];
    if locked.fingerprint == schema.fingerprint || matches!(mode, Some(mode) if str_eq(mode, "replace")) {
        return;
    }
    let changes = changes(all, locked);
    if changes.count == 0 {
        return;
    }
    let mut message = Message::of(&[
        "schema `",
        all.schema,
        "` version \"",
        schema.version,
        "\" changed since it was locked in `",
        path,
        "`:",
    ]);
    message.push(&[changes.told.text()]);
    if changes.count > changes.listed {
        let digits = decimal(changes.count - changes.listed);
        message.push(&["\n  and ", trimmed(&digits), " more"]);
    }
    message.push(&[
        "\nbump `version` and run `PLASMA_LOCK=write cargo test plasma_lock`\n(while nobody has version \"",
        schema.version,
        "\": run it with `PLASMA_LOCK=replace` instead)",
    ]);
    panic!("{}", message.text());
}

const fn trimmed(digits: &[u8]) -> &str {
    let mut from = 0;
    while from + 1 < digits.len() && digits[from] == b'0' {
        from += 1;
    }
    match std::str::from_utf8(digits.split_at(from).1) {
        Ok(digits) => digits,
        Err(_) => panic!("digits are text"),
    }
}

/// What breaks programs with the locked version.
struct Changes {
    told: Message,
    listed: usize,
    count: usize,
}

impl Changes {
    /// A line about `table.column`, or about the table.
    const fn add(&mut self, table: &str, column: &str, what: &[&str]) {
        self.count += 1;
        if self.count > TOLD || self.told.room() < RESERVED {
            return;
        }
        self.listed += 1;
        self.told.push(&["\n  `", table, if column.is_empty() { "" } else { "." }, column, "`: "]);
        self.told.push(what);
    }

    /// A line about a unique set that is new.
    const fn add_set(&mut self, table: &TableDef, columns: &[&str]) {
        let listed = self.listed;
        self.add(table.name, "", &["new unique("]);
        if self.listed == listed {
            return;
        }
        let mut i = 0;
        while i < columns.len() {
            self.told.push(&[if i == 0 { "" } else { ", " }, columns[i]]);
            i += 1;
        }
        self.told.push(&[")"]);
    }
}

const fn changes<const N: usize>(all: &Tables<N>, locked: &LockedVersion) -> Changes {
    let mut changes = Changes { told: Message::new(), listed: 0, count: 0 };
    let mut lines = locked.lines();
    // The table that the lines are about, and how many of its columns and unique sets there still are.
    let mut table: Option<&TableDef> = None;
    let (mut start, mut kept, mut sets) = (lines, 0, 0);
    loop {
        let line = lines.next_line();
        match line {
            None | Some(Line::Table { .. }) => {
                if let Some(table) = table {
                    if kept < table.columns.len() {
                        added(&mut changes, table, start);
                    }
                    if sets < unique_sets(table) {
                        added_sets(&mut changes, table, start);
                    }
                }
            }
            _ => {}
        }
        match line {
            None => return changes,
            Some(Line::Table { name, local_only }) => {
                table = match all.find(name, N) {
                    Some(index) => Some(all.tables[index]),
                    None => None,
                };
                (start, kept, sets) = (lines, 0, 0);
                match table {
                    None => changes.add(name, "", &["table removed"]),
                    Some(table) if local_only && !table.local_only => changes.add(name, "", &["was `local_only`"]),
                    Some(table) if !local_only && table.local_only => changes.add(name, "", &["now `local_only`"]),
                    Some(_) => {}
                }
            }
            Some(Line::Column(old)) => {
                if let Some(table) = table {
                    match find(table, old.name) {
                        None => changes.add(table.name, old.name, &["removed"]),
                        Some(index) => {
                            kept += 1;
                            column(&mut changes, table, index, &old);
                        }
                    }
                }
            }
            Some(Line::Unique(names)) => {
                if let Some(table) = table {
                    match unique_set(table, names) {
                        true => sets += 1,
                        false => changes.add(table.name, "", &["unique(", names.text(), ") removed"]),
                    }
                }
            }
        }
    }
}

const fn find(table: &TableDef, name: &str) -> Option<usize> {
    let mut i = 0;
    while i < table.columns.len() {
        if str_eq(table.columns[i].name, name) {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// One line for each thing that differs.
const fn column(changes: &mut Changes, table: &TableDef, index: usize, old: &LockedColumn<'_>) {
    let new = &table.columns[index];
    let kind = kind_word(new.kind);
    if !str_eq(old.kind, kind) {
        changes.add(table.name, new.name, &[old.kind, " -> ", kind]);
    }
    if old.nullable != new.nullable {
        changes.add(table.name, new.name, &[nullability(old.nullable), " -> ", nullability(new.nullable)]);
    }
    if old.unique != new.unique {
        changes.add(table.name, new.name, &[if new.unique { "now `unique`" } else { "no longer `unique`" }]);
    }
    // The own id refers to its own table; that goes without saying.
    let references = if index == table.id { None } else { new.references };
    match (old.references, references) {
        (Some(was), Some(is)) if !str_eq(was, is) => {
            changes.add(table.name, new.name, &["reference to `", was, "` -> to `", is, "`"]);
        }
        (Some(was), None) if str_eq(old.kind, kind) => {
            changes.add(table.name, new.name, &["reference to `", was, "` -> none"]);
        }
        (None, Some(is)) if str_eq(old.kind, kind) => {
            changes.add(table.name, new.name, &["no reference -> to `", is, "`"]);
        }
        // Where the kinds differ this is told already.
        _ => {}
    }
    let action = on_delete_word(new.on_delete);
    if !str_eq(old.on_delete, action) {
        changes.add(table.name, new.name, &["on_delete ", old.on_delete, " -> ", action]);
    }
}

const fn nullability(nullable: bool) -> &'static str {
    if nullable { "nullable" } else { "not null" }
}

const fn unique_sets(table: &TableDef) -> usize {
    let (mut i, mut count) = (0, 0);
    while i < table.indexes.len() {
        count += table.indexes[i].unique as usize;
        i += 1;
    }
    count
}

/// Whether these columns, in any order, are a unique set of the table.
const fn unique_set(table: &TableDef, names: Names<'_>) -> bool {
    let mut i = 0;
    while i < table.indexes.len() {
        if table.indexes[i].unique && same_set(table.indexes[i].columns, names) {
            return true;
        }
        i += 1;
    }
    false
}

/// Whether the sets are equal; neither names a column twice.
const fn same_set(columns: &[&str], mut names: Names<'_>) -> bool {
    let mut count = 0;
    while let Some(name) = names.next_name() {
        let mut i = 0;
        while i < columns.len() && !str_eq(columns[i], name) {
            i += 1;
        }
        if i == columns.len() {
            return false;
        }
        count += 1;
    }
    count == columns.len()
}

/// Unique sets that the locked table does not have. Rows there are may break them.
const fn added_sets(changes: &mut Changes, table: &TableDef, lines: Lines<'_>) {
    let mut i = 0;
    while i < table.indexes.len() {
        if table.indexes[i].unique && !has_set(lines, table.indexes[i].columns) {
            changes.add_set(table, table.indexes[i].columns);
        }
        i += 1;
    }
}

const fn has_set(mut lines: Lines<'_>, columns: &[&str]) -> bool {
    loop {
        match lines.next_line() {
            Some(Line::Unique(names)) if same_set(columns, names) => return true,
            Some(Line::Column(_) | Line::Unique(_)) => {}
            None | Some(Line::Table { .. }) => return false,
        }
    }
}

/// Columns that the locked table, whose lines begin at `lines`, does not have.
const fn added(changes: &mut Changes, table: &TableDef, lines: Lines<'_>) {
    let mut i = 0;
    while i < table.columns.len() {
        let column = &table.columns[i];
        if !has(lines, column.name) {
            new_column(changes, table, column);
        }
        i += 1;
    }
}

const fn has(mut lines: Lines<'_>, name: &str) -> bool {
    loop {
        match lines.next_line() {
            Some(Line::Column(column)) if str_eq(column.name, name) => return true,
            Some(Line::Column(_) | Line::Unique(_)) => {}
            None | Some(Line::Table { .. }) => return false,
        }
    }
}

const fn new_column(changes: &mut Changes, table: &TableDef, column: &ColumnDef) {
    // Rows there are hold NULL or the default in it.
    if column.nullable {
        return;
    }
    if column.default.is_none() {
        changes.add(table.name, column.name, &["new, but neither nullable nor with a default"]);
    } else if column.unique {
        changes.add(table.name, column.name, &["new and `unique`, with a default that all rows would share"]);
    }
}

/// The body of the test `plasma_lock_..`.
///
/// # Panics
/// When the lock is not current, or cannot be written: the test fails.
#[track_caller]
pub fn test<S: Schema>(manifest_dir: &str, lock: &str, source: &str, compiled: bool) {
    // Elsewhere than where it was compiled, cargo (or nextest) says where the crate is.
    let moved = std::env::var_os("CARGO_MANIFEST_DIR").filter(|_| !Path::new(manifest_dir).is_dir());
    let manifest_dir = moved.as_deref().map_or_else(|| Path::new(manifest_dir), Path::new);
    let place = Place { manifest_dir, lock, source, compiled };
    let verified = Mode::from_env().and_then(|mode| verify(&S::DEF, &place, mode));
    let SchemaDef { name, version, .. } = S::DEF;
    let said = match verified {
        Ok(Verified::NoLock | Verified::Current) => return,
        Ok(Verified::Added) => format!("{lock}: schema `{name}` version \"{version}\" added"),
        Ok(Verified::Replaced(changes)) => {
            format!("{lock}: schema `{name}` version \"{version}\" replaced:\n{}", changes.join("\n"))
        }
        Err(error) => panic!("{error}"),
    };
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "{said}");
}
