//! Tokens to [`Table`].

use proc_macro2::TokenStream;
use syn::{Attribute, Field, Fields, ItemStruct};

use super::model::{Column, OnDelete, Table};
use crate::errors::Errors;
use crate::{messages, names, options, tokens};

const TABLE_OPTIONS: &[&str] = &["name", "local_only", "auth", "crate"];
const COLUMN_OPTIONS: &[&str] = &["name", "default", "unique", "on_delete", "accessor"];

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
        serde: serde(&item.attrs),
        columns: Vec::new(),
    };
    for entry in options::parse("table option", TABLE_OPTIONS, attribute, errors) {
        match entry.name().as_str() {
            "name" => {
                if let Some(name) = entry.text(errors) {
                    table.name = name.value();
                    table.name_span = name.span();
                }
            }
            "local_only" => table.local_only = entry.flag(errors).is_some(),
            "auth" => table.open = entry.choice(errors, &[("open", ())]).is_some(),
            _ => table.krate = entry.path(errors),
        }
    }
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        errors.at(&item.generics, messages::TABLE_GENERIC);
        table.usable = false;
    }
    match &item.fields {
        Fields::Named(fields) => {
            table.columns = fields.named.iter().map(|field| column(field, serde(&field.attrs), errors)).collect();
        }
        Fields::Unnamed(_) | Fields::Unit => {
            errors.at(&item.ident, messages::TABLE_NEEDS_NAMED_FIELDS);
            table.usable = false;
        }
    }
    table
}

fn column(field: &Field, serde: Vec<Attribute>, errors: &mut Errors) -> Column {
    let ident = field.ident.clone().expect("the caller matched a struct with named fields");
    let mut column = Column {
        vis: field.vis.clone(),
        ty: field.ty.clone(),
        docs: tokens::docs(&field.attrs),
        serde,
        name: names::plain(&ident),
        name_span: ident.span(),
        accessor: ident.clone(),
        default: None,
        unique: None,
        on_delete: None,
        field: ident,
    };
    let mut written = TokenStream::new();
    for attribute in &field.attrs {
        if tokens::is_helper(attribute, "cfg") {
            errors.at(attribute, messages::COLUMN_CFG);
        }
        if !tokens::is_helper(attribute, "column") {
            continue;
        }
        match tokens::helper_options(attribute) {
            // Several attributes read like one, so that an option given in two of them is found too.
            Some(more) => written.extend(quote::quote!(#more,)),
            None => errors.at(attribute, messages::COLUMN_NEEDS_LIST),
        }
    }
    for entry in options::parse("column option", COLUMN_OPTIONS, without_double_commas(written), errors) {
        let key = entry.name();
        if column.is_id() {
            errors.at(&entry.key, if key == "default" { messages::ID_DEFAULT } else { messages::ID_OPTION });
            continue;
        }
        match key.as_str() {
            "name" => {
                if let Some(name) = entry.text(errors) {
                    column.name = name.value();
                    column.name_span = name.span();
                }
            }
            "default" => match entry.expr(errors) {
                Some(expr) if tokens::is_null_literal(&expr) => errors.at(&expr, messages::DEFAULT_NULL),
                default => column.default = default,
            },
            "unique" => column.unique = entry.flag(errors),
            "on_delete" => {
                let span = match &entry.value {
                    options::Value::Assigned(value) => tokens::span_of(value),
                    _ => entry.key.span(),
                };
                column.on_delete = entry.choice(errors, OnDelete::ALL).map(|action| (action, span));
            }
            _ => {
                if let options::Value::Assigned(value) = &entry.value
                    && let Ok(ident) = syn::parse2(value.clone())
                {
                    column.accessor = ident;
                } else {
                    errors.at(&entry.key, "`accessor` needs a name: `accessor = title_column`");
                }
            }
        }
    }
    column
}

/// `#[column(unique,)]` may end with a comma of its own.
fn without_double_commas(options: TokenStream) -> TokenStream {
    let is_comma =
        |tree: &proc_macro2::TokenTree| matches!(tree, proc_macro2::TokenTree::Punct(p) if p.as_char() == ',');
    let mut after_comma = true;
    options
        .into_iter()
        .filter(|tree| {
            let drop = after_comma && is_comma(tree);
            after_comma = is_comma(tree);
            !drop
        })
        .collect()
}
