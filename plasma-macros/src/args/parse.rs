//! Tokens to [`Args`].

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprUnary, Fields, Item, Lit, RangeLimits, Type, UnOp};

use super::model::{Args, FieldRules, Limits, Seal};
use crate::errors::Errors;
use crate::{messages, names, options, tokens};

const OPTIONS: &[&str] = &["validate", "garde", "validator", "crate"];
const RULES: &[&str] = &["len", "range", "trim", "email", "seal"];
const SEAL: &[&str] = &["column", "row", "key"];

/// Reads the arguments; nothing when the item is not a struct.
pub(crate) fn args(attribute: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Args> {
    let item = match syn::parse2::<Item>(item) {
        Ok(Item::Struct(mut item)) => {
            tokens::take_repeated("args", &mut item.attrs, errors);
            item
        }
        Ok(other) => {
            errors.at_span(tokens::item_span(&other), messages::ARGS_NEEDS_NAMED_FIELDS);
            return None;
        }
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let mut args = Args {
        generic: false,
        derived: Vec::new(),
        validate: false,
        garde: None,
        validator: None,
        krate: None,
        rules: Vec::new(),
        item,
    };
    for entry in options::parse("option", OPTIONS, attribute, errors) {
        match entry.name().as_str() {
            "validate" => args.validate = entry.flag(errors).is_some(),
            "garde" => args.garde = entry.flag(errors),
            "validator" => args.validator = entry.flag(errors),
            _ => args.krate = entry.path(errors),
        }
    }
    if !args.item.generics.params.is_empty() || args.item.generics.where_clause.is_some() {
        errors.at(&args.item.generics, messages::ARGS_GENERIC);
        args.generic = true;
    }
    for path in tokens::derives(&args.item.attrs) {
        let name = tokens::last_segment(&path);
        if matches!(name.as_str(), "Serialize" | "Deserialize") {
            errors.at(&path, messages::derived_already(&name));
            args.derived.push(name);
        }
    }
    match &args.item.fields {
        Fields::Named(fields) => {
            args.rules = fields
                .named
                .iter()
                .filter(|field| !tokens::is_unnamed(field))
                .filter_map(|field| rules(field, errors))
                .collect();
        }
        Fields::Unnamed(_) | Fields::Unit => {
            errors.at(&args.item.ident, messages::ARGS_NEEDS_NAMED_FIELDS);
        }
    }
    Some(args)
}

fn rules(field: &syn::Field, errors: &mut Errors) -> Option<FieldRules> {
    let mut rules = FieldRules {
        field: field.ident.clone().expect("the caller matched a struct with named fields"),
        ty: field.ty.clone(),
        trim: None,
        email: None,
        len: None,
        range: None,
        sealed: false,
        seal: None,
    };
    for attribute in &field.attrs {
        if tokens::is_conditional(attribute, "arg") {
            errors.at(attribute, messages::ARG_CFG);
            return None;
        }
        if !tokens::is_helper(attribute, "arg") {
            continue;
        }
        let Some(written) = tokens::helper_options(attribute) else {
            errors.at(attribute, messages::ARG_NEEDS_LIST);
            continue;
        };
        for entry in options::parse("rule", RULES, written, errors) {
            let name = entry.name();
            let repeated = match name.as_str() {
                "len" => rules.len.is_some(),
                "range" => rules.range.is_some(),
                "email" => rules.email.is_some(),
                "seal" => rules.sealed,
                _ => rules.trim.is_some(),
            };
            if repeated {
                errors.at(&entry.key, format_args!("`{name}` is given twice"));
                continue;
            }
            match name.as_str() {
                "len" => rules.len = limits(&entry, errors),
                "range" => rules.range = limits(&entry, errors),
                "email" => rules.email = entry.flag(errors),
                "seal" => {
                    rules.sealed = true;
                    rules.seal = seal(&entry, &field.ty, errors);
                }
                _ => rules.trim = entry.flag(errors),
            }
        }
    }
    let any = rules.len.is_some() || rules.range.is_some() || rules.trim.is_some() || rules.email.is_some();
    (any || rules.sealed).then_some(rules)
}

fn seal(entry: &options::Entry, ty: &Type, errors: &mut Errors) -> Option<Seal> {
    let options::Value::List(list) = &entry.value else {
        errors.at(&entry.key, messages::ARG_SEAL_LIST);
        return None;
    };
    let (mut column, mut row, mut key) = (None, None, None);
    let before = errors.count();
    for option in options::parse("option of `seal`", SEAL, list.clone(), errors) {
        match option.name().as_str() {
            "column" => column = option.expr(errors),
            "row" => row = option.expr(errors),
            _ => key = option.expr(errors),
        }
    }
    match (column, row) {
        (Some(column), Some(row)) => {
            let Some(plain) = opened(ty) else {
                errors.at(ty, messages::ARG_SEAL_TYPE);
                return None;
            };
            Some(Seal { plain, column, row, key })
        }
        // What was misspelled is not missing as well.
        _ if errors.count() > before => None,
        _ => {
            errors.at(&entry.key, messages::ARG_SEAL_LIST);
            None
        }
    }
}

/// What is in a `Sealed<T>`: `T`; in an `Option<Sealed<T>>`: `Option<T>`. By how it is spelled.
fn opened(ty: &Type) -> Option<Type> {
    match ty {
        Type::Group(group) => opened(&group.elem),
        Type::Paren(paren) => opened(&paren.elem),
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?;
            let syn::PathArguments::AngleBracketed(inner) = &last.arguments else { return None };
            let (1, Some(syn::GenericArgument::Type(inner))) = (inner.args.len(), inner.args.first()) else {
                return None;
            };
            match names::plain(&last.ident).as_str() {
                "Sealed" => Some(inner.clone()),
                "Option" if !tokens::spelled_option(inner) => {
                    let inner = opened(inner)?;
                    Some(syn::parse_quote!(::core::option::Option<#inner>))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn limits(entry: &options::Entry, errors: &mut Errors) -> Option<Limits> {
    let example = format!("{}(1..=200)", names::plain(&entry.key));
    let parser = |input: syn::parse::ParseStream<'_>| input.parse::<Expr>();
    let options::Value::List(list) = &entry.value else {
        entry.list(errors, &example, parser);
        return None;
    };
    let Ok(Expr::Range(range)) = syn::parse2(list.clone()).map(tokens::ungrouped) else {
        let blamed = if list.is_empty() { entry.key.to_token_stream() } else { list.clone() };
        errors.at(&blamed, messages::ARG_RULE_RANGE);
        return None;
    };
    // A half-open range of lengths reads like a mistake by one, and of floats it is not writable for the message.
    if range.end.is_some() && matches!(range.limits, RangeLimits::HalfOpen(_)) {
        errors.at(&range, messages::ARG_RULE_CLOSED);
        return None;
    }
    if range.start.is_none() && range.end.is_none() {
        errors.at(&range, messages::ARG_RULE_RANGE);
        return None;
    }
    if let (Some(from), Some(to)) = (range.start.as_deref().and_then(literal), range.end.as_deref().and_then(literal))
        && from > to
    {
        errors.at(&range, messages::ARG_RULE_EMPTY);
        return None;
    }
    Some(Limits { from: range.start.map(|e| *e), to: range.end.map(|e| *e) })
}

/// The number, where it is written as one. What is rounded here is far too near to the other bound to be a mistake.
fn literal(expr: &Expr) -> Option<f64> {
    match tokens::ungrouped(expr.clone()) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => number.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Float(number), .. }) => number.base10_parse().ok(),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(&expr).map(|number| -number),
        _ => None,
    }
}
