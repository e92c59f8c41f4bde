//! `#[plasma::args]`.

mod expand;
mod model;
mod parse;
mod seal;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Expands the attribute.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(args) = parse::args(options, item.clone(), &mut errors) else {
        let errors = errors.finish();
        return quote!(#item #errors);
    };
    let expanded = expand::args(&args, errors.is_empty());
    let errors = errors.finish();
    quote!(#expanded #errors)
}
