//! Tokens to [`Table`].

mod column;
mod file;
mod lists;

use proc_macro2::TokenStream;
use syn::{Attribute, Fields, ItemStruct};

use self::column::column;
use super::model::Table;
use crate::errors::Errors;
use crate::{messages, names, options, tokens};

const TABLE_OPTIONS: &[&str] =
    &["name", "local_only", "auth", "index", "unique", "check", "patch", "resolve_conflict", "blobs", "crate"];

/// Options that may be given several times.
const REPEATABLE: &[&str] = &["index", "unique", "check"];

/// Derives that make sense on the struct of new rows when the table has them.
const COPIED_DERIVES: &[&str] = &["Debug", "Clone", "PartialEq", "Eq", "Hash", "Serialize", "Deserialize"];

/// Reads the table. Mistakes are left out of the model, so that the rest can still be expanded.
pub(crate) fn table(attribute: TokenStream, item: &ItemStruct, errors: &mut Errors) -> Table {
    let derives = tokens::derives(&item.attrs);
    let with_serde =
        derives.iter().any(|path| matches!(tokens::last_segment(path).as_str(), "Serialize" | "Deserialize"));
    let serde = |attributes: &[Attribute]| -> Vec<Attribute> {
        attributes.iter().filter(|attribute| with_serde && tokens::is_helper(attribute, "serde")).cloned().collect()
    };
    let mut table = Table {
        ident: item.ident.clone(),
        vis: item.vis.clone(),
        name: names::snake_case(&names::plain(&item.ident)),
        name_span: item.ident.span(),
        usable: true,
        local_only: false,
        open: false,
        krate: None,
        derives: derives
            .into_iter()
            .filter(|path| COPIED_DERIVES.contains(&tokens::last_segment(path).as_str()))
            .collect(),
        serde: serde(&item.attrs).iter().filter_map(tokens::serde_of_every_struct).collect(),
        columns: Vec::new(),
        indexes: Vec::new(),
        checks: Vec::new(),
        blobs: None,
        resolve_conflict: None,
        patch: None,
    };
    let mut lists = Vec::new();
    for entry in options::parse_some_repeated("table option", TABLE_OPTIONS, REPEATABLE, attribute, errors) {
        match entry.name().as_str() {
            "name" => {
                if let Some(name) = entry.text(errors) {
                    table.name = name.value();
                    table.name_span = name.span();
                }
            }
            "local_only" => table.local_only = entry.flag(errors).is_some(),
            "auth" => table.open = entry.choice(errors, &[("open", ())]).is_some(),
            "index" | "unique" | "patch" => lists.push(entry),
            "check" => table.checks.extend(entry.expr(errors)),
            "resolve_conflict" => table.resolve_conflict = entry.path(errors),
            "blobs" => match entry.text(errors) {
                Some(name) if name.value().is_empty() => errors.at(&name, messages::BLOBS_EMPTY),
                name => table.blobs = name,
            },
            _ => table.krate = entry.path(errors),
        }
    }
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        errors.at(&item.generics, messages::TABLE_GENERIC);
        table.usable = false;
    }
    match &item.fields {
        Fields::Named(fields) => {
            let named = fields.named.iter().filter(|field| !tokens::is_unnamed(field));
            table.columns = named.map(|field| column(field, serde(&field.attrs), errors)).collect();
            table.usable &= table.columns.len() == fields.named.len();
        }
        Fields::Unnamed(_) | Fields::Unit => {
            errors.at(&item.ident, messages::TABLE_NEEDS_NAMED_FIELDS);
            table.usable = false;
        }
    }
    if table.usable {
        // Lists name columns, and the columns are known only now.
        for entry in &lists {
            match entry.name().as_str() {
                "patch" => lists::patch(&mut table, entry, errors),
                _ => lists::index(&mut table, entry, errors),
            }
        }
        lists::finish_indexes(&mut table, errors);
    }
    table
}
