//! `#[plasma::table]`.

mod check;
mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Item, ItemStruct};

use crate::errors::Errors;
use crate::{messages, tokens};

/// Expands the attribute.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let parsed = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Struct(mut item)) => {
            tokens::take_repeated("table", &mut item.attrs, &mut errors);
            item
        }
        Ok(other) => {
            let hidden = expand::registration(&other, &options);
            errors.at_span(tokens::item_span(&other), messages::TABLE_NEEDS_NAMED_FIELDS);
            let errors = errors.finish();
            return quote!(#hidden #item #errors);
        }
        Err(error) => {
            errors.push(error);
            let errors = errors.finish();
            return quote!(#item #errors);
        }
    };
    expand_struct(options, &parsed, errors)
}

fn expand_struct(options: TokenStream, item: &ItemStruct, mut errors: Errors) -> TokenStream {
    let table = parse::table(options, item, &mut errors);
    check::table(&table, &mut errors);
    let expanded = expand::table(&table, item, errors.is_empty());
    let errors = errors.finish();
    quote!(#expanded #errors)
}
