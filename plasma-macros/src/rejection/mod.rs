//! `#[derive(plasma::Rejection)]`.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Expands the derive. While something is wrong the impls are stubs.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let rejection = parse::rejection(item, &mut errors);
    let sound = errors.is_empty();
    let expanded = rejection.map(|rejection| expand::rejection(&rejection, sound));
    let errors = errors.finish();
    quote!(#expanded #errors)
}
