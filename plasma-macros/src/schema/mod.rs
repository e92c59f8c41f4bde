//! `#[plasma::schema]`.

mod check;
mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Expands the attribute.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let schema = parse::schema(options, item.clone(), &mut errors);
    let expanded = schema.map(|schema| {
        check::schema(&schema, &mut errors);
        expand::schema(&schema, errors.is_empty())
    });
    let errors = errors.finish();
    quote!(#item #expanded #errors)
}
