//! Tokens to [`Projection`].

use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Expr, Fields, Path};

use super::model::{Field, Projection};
use crate::errors::Errors;
use crate::{messages, names, options, tokens};

const OPTIONS: &[&str] = &["from", "crate"];

/// Reads the struct; nothing when there is none, or when it is generic.
pub(crate) fn projection(item: proc_macro2::TokenStream, errors: &mut Errors) -> Option<Projection> {
    let item: DeriveInput = errors.ok(syn::parse2(item))?;
    if !item.generics.params.is_empty() {
        errors.at(&item.generics, messages::PROJECTION_GENERIC);
        return None;
    }
    let Data::Struct(data) = &item.data else {
        errors.at(&item.ident, messages::PROJECTION_NEEDS_NAMED_FIELDS);
        return None;
    };
    let Fields::Named(fields) = &data.fields else {
        errors.at(&item.ident, messages::PROJECTION_NEEDS_NAMED_FIELDS);
        return None;
    };
    if fields.named.iter().any(tokens::is_unnamed) {
        return None;
    }
    if fields.named.is_empty() {
        errors.at(&item.ident, messages::PROJECTION_EMPTY);
        return None;
    }
    let mut projection = Projection { ident: item.ident.clone(), krate: None, fields: Vec::new() };
    let mut table = None;
    for attribute in item.attrs.iter().filter(|attribute| tokens::is_helper(attribute, "projection")) {
        let Some(written) = tokens::helper_options(attribute) else {
            errors.at(attribute, messages::PROJECTION_NEEDS_LIST);
            continue;
        };
        for entry in options::parse("projection option", OPTIONS, written, errors) {
            match entry.name().as_str() {
                "from" => table = entry.path(errors),
                _ => projection.krate = entry.path(errors),
            }
        }
    }
    for field in &fields.named {
        projection.fields.extend(self::field(field, table.as_ref(), errors));
    }
    Some(projection)
}

fn field(field: &syn::Field, from: Option<&Path>, errors: &mut Errors) -> Option<Field> {
    let ident = field.ident.clone()?;
    let mut attributes = field.attrs.iter().filter(|attribute| tokens::is_helper(attribute, "from"));
    let Some(attribute) = attributes.next() else {
        let Some(table) = from else {
            errors.at(&ident, messages::projection_no_source(&names::plain(&ident)));
            return None;
        };
        // At the field, so that a column that is not there is blamed on it.
        let table_tokens = tokens::respan(table.to_token_stream(), ident.span());
        let column = quote!(#table_tokens::#ident);
        return Some(Field { ident, ty: field.ty.clone(), table: table.clone(), column });
    };
    if let Some(second) = attributes.next() {
        errors.at(second, "`from` is given twice");
        return None;
    }
    let written = tokens::helper_options(attribute).unwrap_or_default();
    let Some((table, column)) = source(written) else {
        let place = tokens::helper_options(attribute).filter(|written| !written.is_empty());
        errors.at(&place.unwrap_or_else(|| attribute.to_token_stream()), messages::PROJECTION_SOURCE);
        return None;
    };
    Some(Field { ident, ty: field.ty.clone(), table, column })
}

/// `Table::column`, or `Alias::col(Table::column)`: the table (or alias) and the whole.
fn source(written: proc_macro2::TokenStream) -> Option<(Path, proc_macro2::TokenStream)> {
    let expr: Expr = syn::parse2(written).ok()?;
    match &expr {
        Expr::Path(path) if path.qself.is_none() => owner(&path.path).map(|table| (table, path.to_token_stream())),
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) if path.qself.is_none() && tokens::last_segment(&path.path) == "col" => {
                owner(&path.path).map(|alias| (alias, call.to_token_stream()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The path without its last segment.
fn owner(path: &Path) -> Option<Path> {
    let mut owner = path.clone();
    owner.segments.pop()?;
    owner.segments.pop_punct();
    (!owner.segments.is_empty()).then_some(owner)
}
