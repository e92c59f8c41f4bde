//! Options that name columns: `index(a, b)`, `unique(a, b)`, `patch(a, b)`.

use proc_macro2::Span;
use syn::punctuated::Punctuated;
use syn::{Ident, Token};

use crate::errors::Errors;
use crate::options::{self, Entry, Value};
use crate::table::model::{Index, Table};
use crate::{messages, names, tokens};

/// The most columns of an index in Postgres.
const MAX_COLUMNS: usize = 32;

/// Reads `index(..)` or `unique(..)`. A set of one column is the column's own option.
pub(super) fn index(table: &mut Table, entry: &Entry, errors: &mut Errors) {
    let unique = entry.name() == "unique";
    let example = if unique { "unique(project_id, number)" } else { "index(project_id, status)" };
    let Some(columns) = columns(table, entry, example, errors) else { return };
    let span = entry.key.span();
    if let Some((_, place)) = columns.iter().find(|(column, _)| unique && table.columns[*column].is_id()) {
        errors.at_span(*place, messages::UNIQUE_WITH_ID);
    } else if columns.len() > MAX_COLUMNS {
        errors.at_span(span, messages::INDEX_TOO_WIDE);
    } else if let (true, [(column, place)]) = (unique, columns.as_slice()) {
        let column = &mut table.columns[*column];
        if column.unique.is_some() {
            errors.at_span(*place, messages::INDEX_OF_UNIQUE);
        }
        column.unique = Some(*place);
    } else {
        table.indexes.push(Index { columns, unique, span });
    }
}

/// Takes `#[column(index)]` into the list, and refuses what is indexed twice.
pub(super) fn finish_indexes(table: &mut Table, errors: &mut Errors) {
    let single =
        table.columns.iter().enumerate().filter_map(|(column, def)| {
            def.index.map(|span| Index { columns: vec![(column, span)], unique: false, span })
        });
    let single: Vec<Index> = single.collect();
    // Fields come first in reading order.
    table.indexes.splice(0..0, single);
    let order = |index: &Index| index.columns.iter().map(|(column, _)| *column).collect::<Vec<_>>();
    let set = |index: &Index| {
        let mut columns = order(index);
        columns.sort_unstable();
        columns
    };
    for (position, index) in table.indexes.iter().enumerate() {
        let same = |other: &&Index| {
            // A unique set is the same in any order; for the speed of reads the order is what counts.
            if index.unique && other.unique { set(other) == set(index) } else { order(other) == order(index) }
        };
        if let [(column, place)] = index.columns.as_slice()
            && (table.columns[*column].unique.is_some() || table.columns[*column].is_id())
        {
            errors.at_span(*place, messages::INDEX_OF_UNIQUE);
        } else if table.indexes[..position].iter().any(|other| same(&other)) {
            let names: Vec<String> =
                index.columns.iter().map(|(column, _)| names::plain(&table.columns[*column].field)).collect();
            errors.at_span(index.span, messages::same_index(&names));
        }
    }
}

/// Reads `patch` (every column but `id`) or `patch(..)`.
pub(super) fn patch(table: &mut Table, entry: &Entry, errors: &mut Errors) {
    let all = || {
        let all = table.columns.iter().enumerate().filter(|(_, column)| !column.is_id());
        all.map(|(column, _)| (column, entry.key.span())).collect::<Vec<_>>()
    };
    let columns = match &entry.value {
        Value::Flag => all(),
        // With a mistake in the list all columns are there, so that code that names the right ones has no second error.
        _ => columns(table, entry, "patch(title, done)", errors).unwrap_or_else(all),
    };
    if let Some((_, place)) = columns.iter().find(|(column, _)| table.columns[*column].is_id()) {
        errors.at_span(*place, messages::PATCH_ID);
    } else if columns.is_empty() && errors.is_empty() {
        errors.at(&entry.key, messages::PATCH_NO_COLUMN);
    }
    table.patch = Some(columns.into_iter().map(|(column, _)| column).collect());
}

/// The columns of a list, by their fields' names.
fn columns(table: &Table, entry: &Entry, example: &str, errors: &mut Errors) -> Option<Vec<(usize, Span)>> {
    let fields: Vec<String> = table.columns.iter().map(|column| names::plain(&column.field)).collect();
    let listed = entry.list(errors, example, Punctuated::<Ident, Token![,]>::parse_terminated)?;
    if listed.is_empty() {
        errors.at(&entry.key, format_args!("`{}` needs a list: `{example}`", entry.name()));
        return None;
    }
    let mut columns: Vec<(usize, Span)> = Vec::new();
    let before = errors.count();
    for field in &listed {
        let name = names::plain(field);
        match fields.iter().position(|known| *known == name) {
            None => {
                let known: Vec<&str> = fields.iter().map(String::as_str).collect();
                // What the column is called in queries or in SQL leads to its field.
                let renamed = table.columns.iter().find(|column| column.name == name || column.accessor == name);
                let hint = match renamed {
                    Some(column) => format!(" (did you mean `{}`?)", names::plain(&column.field)),
                    None => options::did_you_mean(&name, &known),
                };
                errors.at(field, messages::no_column(&names::plain(&table.ident), &name, &hint));
            }
            Some(column) if columns.iter().any(|(other, _)| *other == column) => {
                errors.at(field, messages::listed_twice("column", &name));
            }
            Some(column) => columns.push((column, tokens::span_of(field))),
        }
    }
    (errors.count() == before).then_some(columns)
}
