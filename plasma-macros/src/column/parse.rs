//! Tokens to [`Column`].

use proc_macro2::TokenStream;
use syn::{Attribute, Data, DataEnum, DeriveInput, Expr, Fields, Index, Lit, LitInt, LitStr, Member};

use super::model::{Column, Other, Shape, Stored, Variant, Variants};
use crate::errors::Errors;
use crate::names::Case;
use crate::{messages, names, options, tokens};

const OPTIONS: &[&str] = &["rename_all", "as", "numeric", "text", "crate"];
const VARIANT_OPTIONS: &[&str] = &["rename", "other"];

/// The options of the whole type.
struct Whole {
    case: Case,
    stored: Stored,
    numeric: bool,
    text: bool,
}

/// Reads the type; nothing when there is none, or when it is generic.
pub(crate) fn column(item: TokenStream, errors: &mut Errors) -> Option<Column> {
    let item: DeriveInput = errors.ok(syn::parse2(item))?;
    if !item.generics.params.is_empty() {
        errors.at(&item.generics, messages::COLUMN_DERIVE_GENERIC);
        return None;
    }
    let mut column = Column { ident: item.ident.clone(), krate: None, shape: Shape::Nothing };
    let whole = whole(&item, &mut column, errors);
    column.shape = match &item.data {
        Data::Struct(data) if data.fields.len() == 1 => {
            let field = data.fields.iter().next().expect("there is one field");
            let member = field.ident.clone().map_or(Member::Unnamed(Index::from(0)), Member::Named);
            let inner = Box::new(field.ty.clone());
            Shape::Newtype { field: member, inner, numeric: whole.numeric, text: whole.text }
        }
        Data::Enum(data) => variants(&item, data, &whole, errors),
        Data::Struct(_) | Data::Union(_) => {
            errors.at(&item.ident, messages::COLUMN_DERIVE_ITEM);
            Shape::Nothing
        }
    };
    Some(column)
}

fn whole(item: &DeriveInput, column: &mut Column, errors: &mut Errors) -> Whole {
    let is_enum = matches!(item.data, Data::Enum(_));
    let mut whole = Whole { case: Case::Snake, stored: Stored::Text, numeric: false, text: false };
    let mut case = None;
    for entry in helper_entries(&item.attrs, OPTIONS, errors) {
        match entry.name().as_str() {
            name @ ("rename_all" | "as") if !is_enum => {
                errors.at(&entry.key, format_args!("`{name}` is for enums: a newtype is stored like its field"));
            }
            name @ ("numeric" | "text") if is_enum => {
                errors.at(&entry.key, format_args!("`{name}` is for newtypes: an enum is one of its variants"));
            }
            "rename_all" => {
                if let Some(text) = entry.text(errors) {
                    case = Some(entry.key.span());
                    whole.case = case_of(&text, errors).unwrap_or(whole.case);
                }
            }
            "as" => {
                let choices = [("int", Stored::Int), ("text", Stored::Text)];
                whole.stored = entry.choice(errors, &choices).unwrap_or(whole.stored);
            }
            "numeric" => whole.numeric = entry.flag(errors).is_some(),
            "text" => whole.text = entry.flag(errors).is_some(),
            _ => column.krate = entry.path(errors),
        }
    }
    if let (Some(case), Stored::Int) = (case, whole.stored) {
        errors.at_span(case, messages::COLUMN_DERIVE_INT_NAME);
    }
    whole
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

fn variants(item: &DeriveInput, data: &DataEnum, whole: &Whole, errors: &mut Errors) -> Shape {
    if data.variants.is_empty() {
        errors.at(&item.ident, messages::COLUMN_DERIVE_EMPTY);
        return Shape::Nothing;
    }
    let before = errors.count();
    let mut found = Variants { stored: whole.stored, known: Vec::new(), other: None };
    for variant in &data.variants {
        let (mut rename, mut other) = (None, None);
        for entry in helper_entries(&variant.attrs, VARIANT_OPTIONS, errors) {
            match entry.name().as_str() {
                "rename" => rename = entry.text(errors),
                _ => other = entry.flag(errors),
            }
        }
        match other {
            Some(at) => {
                if found.other.is_some() {
                    errors.at_span(at, messages::COLUMN_DERIVE_OTHER_TWICE);
                } else if let Some(rename) = rename {
                    errors.at(&rename, messages::COLUMN_DERIVE_OTHER_RENAME);
                }
                found.other = self::other(variant, errors).or(found.other);
            }
            None if !matches!(variant.fields, Fields::Unit) => {
                errors.at(&variant.fields, messages::COLUMN_DERIVE_DATA);
            }
            None => known(variant, rename, whole, &mut found.known, errors),
        }
    }
    if errors.count() > before { Shape::Nothing } else { Shape::Enum(Box::new(found)) }
}

/// A variant with a value of its own.
fn known(variant: &syn::Variant, rename: Option<LitStr>, whole: &Whole, known: &mut Vec<Variant>, errors: &mut Errors) {
    let ident = variant.ident.clone();
    if whole.stored == Stored::Int {
        if let Some(rename) = rename {
            errors.at(&rename, messages::COLUMN_DERIVE_INT_NAME);
        }
        // Two variants of one number are rustc's error (E0081) already.
        if let Some(number) = number(variant, errors) {
            known.push(Variant { ident, value: Lit::Int(number) });
        }
        return;
    }
    let text = rename.unwrap_or_else(|| LitStr::new(&whole.case.apply(&names::plain(&ident)), ident.span()));
    let same = known.iter().find(|other| matches!(&other.value, Lit::Str(taken) if taken.value() == text.value()));
    if let Some(other) = same {
        errors.at(&text, messages::same_variant_text(&text.value(), &names::plain(&other.ident)));
    }
    if text.value().contains('\0') {
        errors.at(&text, "text must not contain the character U+0000");
    }
    known.push(Variant { ident, value: Lit::Str(text) });
}

/// The discriminant, which must be written down: the number of a variant is in the database, and must not change
/// because a variant before it went.
fn number(variant: &syn::Variant, errors: &mut Errors) -> Option<LitInt> {
    let Some((_, written)) = &variant.discriminant else {
        errors.at(&variant.ident, messages::COLUMN_DERIVE_NO_NUMBER);
        return None;
    };
    let digits = match tokens::ungrouped(written.clone()) {
        Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr, .. }) => (true, tokens::ungrouped(*expr)),
        expr => (false, expr),
    };
    let number = match digits {
        (negative, Expr::Lit(syn::ExprLit { lit: Lit::Int(digits), .. })) => {
            let magnitude = digits.base10_parse::<i64>().ok();
            magnitude.map(|n| if negative { -n } else { n }).and_then(|n| i32::try_from(n).ok())
        }
        _ => None,
    };
    if number.is_none() {
        errors.at(written, messages::COLUMN_DERIVE_NUMBER);
    }
    number.map(|number| LitInt::new(&number.to_string(), tokens::span_of(written)))
}

/// The variant that stands for all other values.
fn other(variant: &syn::Variant, errors: &mut Errors) -> Option<Other> {
    let keeps = match &variant.fields {
        Fields::Unit => None,
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Some(fields.unnamed[0].ty.clone()),
        fields => {
            errors.at(fields, messages::COLUMN_DERIVE_OTHER);
            return None;
        }
    };
    Some(Other { ident: variant.ident.clone(), keeps })
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
