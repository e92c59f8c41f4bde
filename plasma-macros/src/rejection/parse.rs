//! Tokens to [`Rejection`].

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Attribute, DataEnum, DeriveInput, Expr, ExprLit, Fields, Lit, LitStr, Meta};

use super::model::{Data, Rejection, Variant};
use crate::errors::Errors;
use crate::names::Case;
use crate::{messages, names, options, tokens};

const OPTIONS: &[&str] = &["crate"];
const VARIANT_OPTIONS: &[&str] = &["code", "message"];

/// Codes with which the library itself ends a mutation: the kinds that are refusals, then what else its end may be.
/// Sorted. An error of another kind is never read as a rejection, whatever its code.
#[rustfmt::skip]
const RESERVED_CODES: &[&str] = &[
    "check", "conflict", "discarded", "foreign-await", "internal", "invalid-args", "lost-by-server", "not-found",
    "overflow", "panic", "payload-too-large", "rejected", "reset", "unauthorized", "unknown", "unknown-mutator",
    "validation",
];

/// Reads the enum; nothing when there is none, or when it is generic.
pub(crate) fn rejection(item: proc_macro2::TokenStream, errors: &mut Errors) -> Option<Rejection> {
    let item: DeriveInput = errors.ok(syn::parse2(item))?;
    if !item.generics.params.is_empty() {
        errors.at(&item.generics, messages::REJECTION_GENERIC);
        return None;
    }
    let mut rejection = Rejection { ident: item.ident.clone(), krate: None, variants: Vec::new() };
    for entry in entries(&item.attrs, OPTIONS, errors) {
        rejection.krate = entry.path(errors);
    }
    match &item.data {
        syn::Data::Enum(data) => variants(data, &mut rejection, errors),
        _ => errors.at(&item.ident, messages::REJECTION_NEEDS_ENUM),
    }
    Some(rejection)
}

fn variants(data: &DataEnum, rejection: &mut Rejection, errors: &mut Errors) {
    if data.variants.is_empty() {
        errors.at(&rejection.ident, messages::REJECTION_EMPTY);
    }
    let itself = rejection.ident.to_token_stream();
    for variant in &data.variants {
        let (code, place, message) = words(variant, errors);
        if let Some(other) = rejection.variants.iter().find(|other| other.code == code) {
            errors.at_span(place, messages::same_rejection_code(&code, &names::plain(&other.ident)));
        }
        let data = self::data(&variant.fields, &itself, errors);
        rejection.variants.push(Variant { ident: variant.ident.clone(), code, message, data });
    }
}

/// Code and message, and where the code is written.
fn words(variant: &syn::Variant, errors: &mut Errors) -> (String, Span, String) {
    let (mut code, mut message) = (None::<LitStr>, None);
    for entry in entries(&variant.attrs, VARIANT_OPTIONS, errors) {
        match entry.name().as_str() {
            "code" => code = entry.text(errors),
            _ => message = entry.text(errors),
        }
    }
    let place = code.as_ref().map_or_else(|| variant.ident.span(), LitStr::span);
    let code = code.map_or_else(|| Case::Kebab.apply(&names::plain(&variant.ident)), |code| code.value());
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if code.is_empty() || code.len() > 128 || !code.chars().all(fits) {
        errors.at_span(place, messages::REJECTION_CODE);
    } else if RESERVED_CODES.binary_search(&code.as_str()).is_ok() {
        errors.at_span(place, messages::reserved_code(&code));
    }
    if let Some(message) = &message
        && message.value().trim().is_empty()
    {
        errors.at(message, messages::REJECTION_MESSAGE);
    }
    let message =
        message.map(|message| message.value()).or_else(|| summary(&variant.attrs)).unwrap_or_else(|| code.clone());
    (code, place, message)
}

/// The first paragraph of the documentation, on one line.
fn summary(attributes: &[Attribute]) -> Option<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(doc) if doc.path.is_ident("doc") => Some(&doc.value),
            _ => None,
        })
        .filter_map(|value| match value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        })
        // A block comment is one text of several lines.
        .flat_map(|text| text.split('\n').map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .skip_while(String::is_empty)
        .take_while(|line| !line.is_empty())
        .collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

fn data(fields: &Fields, itself: &proc_macro2::TokenStream, errors: &mut Errors) -> Data {
    for field in fields {
        if let Some(attribute) = field.attrs.iter().find(|attribute| tokens::is_helper(attribute, "rejection")) {
            errors.at(attribute, messages::REJECTION_ON_FIELD);
        }
    }
    // A type moves into an impl, where `Self` is something else.
    let ty = |field: &syn::Field| tokens::replace_self(field.ty.to_token_stream(), itself);
    match fields {
        Fields::Unnamed(fields) if fields.unnamed.len() > 1 => {
            errors.at(fields, messages::REJECTION_TUPLE);
            Data::Nothing
        }
        Fields::Unnamed(fields) => fields.unnamed.first().map_or(Data::Nothing, |field| Data::Value(ty(field))),
        Fields::Named(fields) if !fields.named.is_empty() => {
            let named = fields.named.iter().filter(|field| !tokens::is_unnamed(field));
            Data::Members(named.filter_map(|field| Some((field.ident.clone()?, ty(field)))).collect())
        }
        Fields::Named(_) | Fields::Unit => Data::Nothing,
    }
}

fn entries(attributes: &[Attribute], known: &[&str], errors: &mut Errors) -> Vec<options::Entry> {
    let mut entries: Vec<options::Entry> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| tokens::is_helper(attribute, "rejection")) {
        match tokens::helper_options(attribute) {
            Some(written) => {
                for entry in options::parse("rejection option", known, written, errors) {
                    if entries.iter().any(|other| other.name() == entry.name()) {
                        errors.at(&entry.key, format_args!("`{}` is given twice", entry.name()));
                    } else {
                        entries.push(entry);
                    }
                }
            }
            None => errors.at(attribute, messages::REJECTION_NEEDS_LIST),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_library_are_reserved() {
        assert!(RESERVED_CODES.is_sorted(), "the codes are searched by halves");
        let library = include_str!("../../../plasma-runtime/src/error.rs");
        let code = |kind: &str| {
            let (_, rest) = library.split_once(&format!("ErrorKind::{kind} => \"")).expect("every kind has a code");
            rest.split('"').next().expect("a text ends").to_owned()
        };
        let (_, rest) = library.split_once("fn is_refusal").expect("it is there");
        let (_, rest) = rest.split_once("self.0.kind,").expect("it looks at the kind");
        let kinds: Vec<&str> = rest.split(')').next().expect("a list").split('|').map(str::trim).collect();
        assert!(kinds.len() > 10, "{kinds:?}");
        let missing: Vec<&&str> = kinds.iter().filter(|kind| !RESERVED_CODES.contains(&code(kind).as_str())).collect();
        assert!(missing.is_empty(), "codes that an application could give too: {missing:?}");
    }

    #[test]
    fn the_first_paragraph_is_the_message() {
        let of = |text: &str| {
            let variant: syn::Variant = syn::parse_str(text).expect("a variant");
            summary(&variant.attrs)
        };
        assert_eq!(
            of("/// There are\n/// not so many.\n///\n/// Not for people.\nOut").unwrap(),
            "There are not so many."
        );
        assert_eq!(of("/** Closed.\n\nMore. */ Closed").unwrap(), "Closed.");
        assert_eq!(of("#[doc = include_str!(\"x\")] Closed"), None);
        assert_eq!(of("#[doc(hidden)] Closed"), None);
    }
}
