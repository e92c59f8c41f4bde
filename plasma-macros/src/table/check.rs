//! The rules of a table that need no types, one function each.

use super::model::{Column, Table};
use crate::errors::Errors;
use crate::{messages, names};

/// Checks the whole table. Rules over several columns are skipped once something else is wrong: one mistake, one
/// message.
pub(crate) fn table(table: &Table, errors: &mut Errors) {
    let before = errors.count();
    sql_names(table, errors);
    if table.usable {
        id(table, errors);
    }
    taken_consts(table, errors);
    if let Some(merge) = table.resolve_conflict.as_ref().filter(|_| table.local_only) {
        errors.at(merge, messages::LOCAL_ONLY_CONFLICT);
    }
    if errors.count() == before {
        same_sql_names(table, errors);
        same_consts(table, errors);
    }
}

fn id(table: &Table, errors: &mut Errors) {
    if !table.columns.iter().any(|column| column.is_id()) {
        errors.at(&table.ident, messages::no_id(&names::plain(&table.ident)));
    }
}

fn sql_names(table: &Table, errors: &mut Errors) {
    if let Some(mistake) = names::sql_name_mistake("table", &table.name) {
        errors.at_span(table.name_span, mistake);
    }
    for column in table.columns.iter().filter(|column| !is_taken(column)) {
        if let Some(mistake) = names::sql_name_mistake("column", &column.name) {
            errors.at_span(column.name_span, mistake);
        }
    }
}

/// An inherent const hides an associated function of the trait. Some of the names are words of SQL too: both are said
/// at once.
fn taken_consts(table: &Table, errors: &mut Errors) {
    for column in table.columns.iter().filter(|column| is_taken(column)) {
        let accessor = names::plain(&column.accessor);
        let named_too = names::sql_name_mistake("column", &column.name).is_some();
        errors.at(&column.accessor, messages::taken_const(&accessor, named_too));
    }
}

fn is_taken(column: &Column) -> bool {
    names::TAKEN_CONSTS.contains(&names::plain(&column.accessor).as_str())
}

/// SQL does not tell upper from lower case in names, even quoted ones (SQLite).
fn same_sql_names(table: &Table, errors: &mut Errors) {
    for (index, column) in table.columns.iter().enumerate() {
        let same = |other: &&Column| other.name.eq_ignore_ascii_case(&column.name);
        if let Some(other) = table.columns[..index].iter().find(same) {
            errors.at_span(column.name_span, messages::same_sql_name(&column.name, &names::plain(&other.field)));
        }
    }
}

fn same_consts(table: &Table, errors: &mut Errors) {
    for (index, column) in table.columns.iter().enumerate() {
        if table.columns[..index].iter().any(|other| other.accessor == column.accessor) {
            errors.at(&column.accessor, messages::same_const(&names::plain(&column.accessor)));
        }
    }
}
