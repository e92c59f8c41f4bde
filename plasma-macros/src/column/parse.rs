//! Tokens to [`Column`].

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Data, DataEnum, DeriveInput, Fields, Index, Member};

use super::model::{Column, Shape, Variant};
use crate::errors::Errors;
use crate::names::Case;
use crate::{messages, names, options, tokens};

const OPTIONS: &[&str] = &["rename_all", "crate"];
const VARIANT_OPTIONS: &[&str] = &["rename"];

/// Reads the type; nothing when there is none, or when it is generic.
pub(crate) fn column(item: TokenStream, errors: &mut Errors) -> Option<Column> {
    let item: DeriveInput = errors.ok(syn::parse2(item))?;
    if !item.generics.params.is_empty() {
        errors.at(&item.generics, messages::COLUMN_DERIVE_GENERIC);
        return None;
    }
    let mut column = Column { ident: item.ident.clone(), krate: None, shape: Shape::Nothing };
    let mut case = Case::Snake;
    for entry in helper_entries(&item.attrs, OPTIONS, errors) {
        match entry.name().as_str() {
            "rename_all" if matches!(item.data, Data::Enum(_)) => {
                if let Some(text) = entry.text(errors) {
                    case = case_of(&text, errors).unwrap_or(case);
                }
            }
            "rename_all" => errors.at(&entry.key, "`rename_all` is for enums: a newtype is stored like its field"),
            _ => column.krate = entry.path(errors),
        }
    }
    column.shape = match &item.data {
        Data::Struct(data) if data.fields.len() == 1 => {
            let field = data.fields.iter().next().expect("there is one field");
            let member = field.ident.clone().map_or(Member::Unnamed(Index::from(0)), Member::Named);
            Shape::Newtype { field: member, inner: Box::new(field.ty.clone()) }
        }
        Data::Enum(data) => variants(&item, data, case, errors),
        Data::Struct(_) | Data::Union(_) => {
            errors.at(&item.ident, messages::COLUMN_DERIVE_ITEM);
            Shape::Nothing
        }
    };
    Some(column)
}

fn case_of(text: &syn::LitStr, errors: &mut Errors) -> Option<Case> {
    let found = Case::ALL.iter().find(|(name, _)| *name == text.value());
    if found.is_none() {
        let words: Vec<&str> = Case::ALL.iter().map(|(name, _)| *name).collect();
        let hint = options::did_you_mean(&text.value(), &words);
        errors.at(text, format_args!("`rename_all` is {}{hint}", options::one_of(&words)));
    }
    found.map(|(_, case)| *case)
}

fn variants(item: &DeriveInput, data: &DataEnum, case: Case, errors: &mut Errors) -> Shape {
    if data.variants.is_empty() {
        errors.at(&item.ident, messages::COLUMN_DERIVE_EMPTY);
        return Shape::Nothing;
    }
    let before = errors.count();
    let mut variants: Vec<Variant> = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            errors.at(&variant.fields, messages::COLUMN_DERIVE_DATA);
            continue;
        }
        let mut text = case.apply(&names::plain(&variant.ident));
        let mut span: Span = variant.ident.span();
        for entry in helper_entries(&variant.attrs, VARIANT_OPTIONS, errors) {
            if let Some(rename) = entry.text(errors) {
                text = rename.value();
                span = rename.span();
            }
        }
        if let Some(other) = variants.iter().find(|other| other.text == text) {
            errors.at_span(span, messages::same_variant_text(&text, &names::plain(&other.ident)));
        }
        if text.contains('\0') {
            errors.at_span(span, "text must not contain the character U+0000");
        }
        variants.push(Variant { ident: variant.ident.clone(), text });
    }
    if errors.count() > before { Shape::Nothing } else { Shape::Enum(variants) }
}

fn helper_entries(attributes: &[Attribute], known: &[&str], errors: &mut Errors) -> Vec<options::Entry> {
    let mut entries: Vec<options::Entry> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| tokens::is_helper(attribute, "column")) {
        match tokens::helper_options(attribute) {
            Some(written) => entries.extend(options::parse("column option", known, written, errors)),
            None => errors.at(attribute, messages::COLUMN_NEEDS_LIST),
        }
    }
    entries
}
