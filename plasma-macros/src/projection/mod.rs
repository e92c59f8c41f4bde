//! `#[derive(plasma::Projection)]`.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Expands the derive. While something is wrong the impl is a stub, unless the struct is none.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let projection = parse::projection(item, &mut errors);
    let sound = errors.is_empty();
    let expanded = projection.map(|projection| expand::projection(&projection, sound));
    let errors = errors.finish();
    quote!(#expanded #errors)
}
