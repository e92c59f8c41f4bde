//! `#[plasma::mutators]`.

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
    let Some(set) = parse::set(options, item.clone(), &mut errors) else {
        let errors = errors.finish();
        return quote!(#item #errors);
    };
    check::set(&set, &mut errors);
    let expanded = expand::set(&set);
    let errors = errors.finish();
    quote!(#expanded #errors)
}
