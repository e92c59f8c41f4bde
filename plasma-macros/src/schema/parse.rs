//! Tokens to [`Schema`].

use proc_macro2::{Span, TokenStream};
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, Fields, Item, ItemStruct, Lit, Path, Token};

use super::model::{Lock, Schema};
use crate::errors::Errors;
use crate::{messages, options, tokens};

const OPTIONS: &[&str] = &["version", "ctx", "tables", "mutators", "fingerprint", "lock", "crate"];

/// Reads the schema; nothing when the item is not one.
pub(crate) fn schema(attribute: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Schema> {
    let item = match syn::parse2::<Item>(item) {
        Ok(Item::Struct(item)) if is_unit(&item) => item,
        Ok(Item::Struct(item)) => {
            errors.at(&item.ident, messages::SCHEMA_NEEDS_UNIT_STRUCT);
            return None;
        }
        Ok(other) => {
            errors.at_span(tokens::item_span(&other), messages::SCHEMA_NEEDS_UNIT_STRUCT);
            return None;
        }
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let mut schema = Schema {
        ident: item.ident,
        version: String::new(),
        version_span: Span::call_site(),
        ctx: None,
        tables: Vec::new(),
        mutators: Vec::new(),
        pin: None,
        mutators_span: Span::call_site(),
        lock: Lock::Default,
        krate: None,
    };
    let before = errors.count();
    let (mut has_version, mut has_tables) = (false, false);
    for entry in options::parse("schema option", OPTIONS, attribute, errors) {
        match entry.name().as_str() {
            "version" => {
                has_version = true;
                if let Some(version) = entry.text(errors) {
                    schema.version = version.value();
                    schema.version_span = version.span();
                    if schema.version.is_empty() {
                        errors.at(&version, messages::SCHEMA_VERSION_EMPTY);
                    } else if schema.version.contains(|c: char| c.is_control() || c == '"' || c == '\\') {
                        errors.at(&version, messages::SCHEMA_VERSION_TEXT);
                    }
                }
            }
            "ctx" => schema.ctx = entry.ty(errors),
            "tables" => {
                has_tables = true;
                schema.tables = paths(&entry, "tables(User, Todo)", errors);
            }
            "mutators" => {
                schema.mutators_span = entry.key.span();
                schema.mutators = paths(&entry, "mutators(Todos)", errors);
            }
            "fingerprint" => {
                if let Some(expr) = entry.expr(errors) {
                    schema.pin = pin(&expr, errors);
                }
            }
            "lock" => {
                if let Some(expr) = entry.expr(errors) {
                    schema.lock = lock(&expr, errors);
                }
            }
            _ => schema.krate = entry.path(errors),
        }
    }
    // An option that was misspelled is not missing as well.
    if errors.count() == before {
        if !has_version {
            errors.at_span(Span::call_site(), messages::SCHEMA_NEEDS_VERSION);
        }
        if !has_tables {
            errors.at_span(Span::call_site(), messages::SCHEMA_NEEDS_TABLES);
        }
    }
    Some(schema)
}

fn is_unit(item: &ItemStruct) -> bool {
    matches!(item.fields, Fields::Unit) && item.generics.params.is_empty()
}

fn paths(entry: &options::Entry, example: &str, errors: &mut Errors) -> Vec<Path> {
    let list = entry.list(errors, example, |input: ParseStream<'_>| {
        Punctuated::<Path, Token![,]>::parse_terminated_with(input, tokens::path)
    });
    list.into_iter().flatten().collect()
}

fn pin(expr: &Expr, errors: &mut Errors) -> Option<(u64, Span)> {
    let value = match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(int), .. }) => int.base10_parse::<u64>().ok(),
        _ => None,
    };
    if value.is_none() {
        errors.at(expr, messages::FINGERPRINT_LITERAL);
    }
    value.map(|value| (value, tokens::span_of(expr)))
}

fn lock(expr: &Expr, errors: &mut Errors) -> Lock {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Bool(on), .. }) if !on.value => return Lock::Off,
        Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) if !path.value().is_empty() => return Lock::At(path.clone()),
        _ => errors.at(expr, messages::LOCK_VALUE),
    }
    Lock::Default
}
