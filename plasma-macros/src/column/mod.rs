//! `#[derive(plasma::Column)]`.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Expands the derive.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let column = parse::column(item, &mut errors);
    let expanded = column.map(|column| expand::column(&column));
    let errors = errors.finish();
    quote!(#expanded #errors)
}
