//! One field and its `#[column(..)]`.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, Field};

use super::file::file;
use crate::errors::Errors;
use crate::options::{self, Entry};
use crate::table::model::{Column, ColumnDefault, OnDelete};
use crate::{messages, names, tokens};

const COLUMN_OPTIONS: &[&str] =
    &["name", "default", "on_update", "unique", "index", "on_delete", "unconstrained", "file", "accessor"];

/// Reads a field.
pub(super) fn column(field: &Field, serde: Vec<Attribute>, errors: &mut Errors) -> Column {
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
        on_update: None,
        unique: None,
        index: None,
        on_delete: None,
        unconstrained: None,
        file: None,
        field: ident,
    };
    for entry in options::parse("column option", COLUMN_OPTIONS, written(field, errors), errors) {
        if column.is_id() {
            let is_default = entry.name() == "default";
            errors.at(&entry.key, if is_default { messages::ID_DEFAULT } else { messages::ID_OPTION });
        } else {
            option(&mut column, &entry, errors);
        }
    }
    if let (Some(_), Some((_, span))) = (column.unconstrained, column.on_delete) {
        errors.at_span(span, messages::ON_DELETE_UNCONSTRAINED);
    }
    column
}

fn option(column: &mut Column, entry: &Entry, errors: &mut Errors) {
    match entry.name().as_str() {
        "name" => {
            if let Some(name) = entry.text(errors) {
                column.name = name.value();
                column.name_span = name.span();
            }
        }
        "default" => match entry.expr(errors) {
            Some(expr) if tokens::is_null_literal(&expr) => errors.at(&expr, messages::DEFAULT_NULL),
            Some(_) if tokens::spelled_empty(&column.ty) && !tokens::spelled_text(&column.ty) => {
                errors.at(&entry.key, messages::CRDT_DEFAULT)
            }
            Some(Expr::Path(path)) if path.path.is_ident("now") => {
                column.default = Some(ColumnDefault::Now(tokens::span_of(&path)));
            }
            default => column.default = default.map(ColumnDefault::Value),
        },
        "on_update" => {
            let span = value_span(entry);
            column.on_update = entry.choice(errors, &[("now", span)]);
        }
        "unique" => column.unique = entry.flag(errors),
        "index" => column.index = entry.flag(errors),
        "on_delete" => {
            let span = value_span(entry);
            column.on_delete = entry.choice(errors, OnDelete::ALL).map(|action| (action, span));
        }
        "unconstrained" => column.unconstrained = entry.flag(errors),
        "file" => column.file = file(entry, errors),
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

fn value_span(entry: &Entry) -> proc_macro2::Span {
    match &entry.value {
        options::Value::Assigned(value) => tokens::span_of(value),
        _ => entry.key.span(),
    }
}

/// The options of all attributes of the field, read like one, so that an option given in two of them is found too.
fn written(field: &Field, errors: &mut Errors) -> TokenStream {
    let mut written = TokenStream::new();
    for attribute in &field.attrs {
        if tokens::is_conditional(attribute, "column") {
            errors.at(attribute, messages::COLUMN_CFG);
        }
        if !tokens::is_helper(attribute, "column") {
            continue;
        }
        match tokens::helper_options(attribute) {
            Some(more) => written.extend(quote::quote!(#more,)),
            None => errors.at(attribute, messages::COLUMN_NEEDS_LIST),
        }
    }
    without_double_commas(written)
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
