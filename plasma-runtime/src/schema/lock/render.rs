//! A schema to its entry in a lock.

use std::fmt::Write as _;

use super::{kind_word, on_delete_word};
use crate::schema::{ColumnDef, OnDelete, SchemaDef, TableDef};

/// The lines of this schema's version. The order of tables, columns and lists is that of their names (`id` first), so
/// that moving a field changes nothing.
pub fn entry(schema: &SchemaDef) -> String {
    let mut text = heading(schema.name, schema.version);
    let _ = writeln!(text, " fingerprint {}", schema.fingerprint_hex());
    let mut tables = schema.tables.to_vec();
    tables.sort_by_key(|table| table.name);
    for table in tables {
        self::table(&mut text, table);
    }
    text
}

/// What the first line of an entry starts with, and no other entry's.
pub(super) fn heading(schema: &str, version: &str) -> String {
    format!("schema {schema} version \"{version}\"")
}

fn table(text: &mut String, table: &TableDef) {
    let option = if table.local_only { " local_only" } else { "" };
    let _ = writeln!(text, "  table {}{option}", table.name);
    let mut columns: Vec<usize> = (0..table.columns.len()).collect();
    columns.sort_by_key(|index| (*index != table.id, table.columns[*index].name));
    for index in columns {
        column(text, &table.columns[index], index == table.id);
    }
    let sets = table.indexes.iter().filter(|index| index.unique).map(|index| {
        let mut columns = index.columns.to_vec();
        columns.sort_unstable();
        columns.join(", ")
    });
    let mut sets: Vec<String> = sets.collect();
    sets.sort_unstable();
    for set in sets {
        let _ = writeln!(text, "    unique({set})");
    }
}

fn column(text: &mut String, column: &ColumnDef, is_id: bool) {
    let _ = write!(text, "    {}: {}", column.name, kind_word(column.kind));
    for (word, given) in [("null", column.nullable), ("default", column.default.is_some()), ("unique", column.unique)] {
        if given {
            let _ = write!(text, " {word}");
        }
    }
    if let Some(target) = column.references.filter(|_| !is_id) {
        let _ = write!(text, " -> {target}");
    }
    if column.on_delete != OnDelete::NoAction {
        let _ = write!(text, " on_delete {}", on_delete_word(column.on_delete));
    }
    text.push('\n');
}
