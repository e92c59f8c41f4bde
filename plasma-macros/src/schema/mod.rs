//! `#[plasma::schema]`.

mod check;
mod expand;
mod lock;
mod locked;
mod model;
mod parse;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Expands the attribute.
pub(crate) fn attribute(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let schema = parse::schema(options, item.clone(), &mut errors);
    let expanded = schema.map(|schema| {
        check::schema(&schema, &mut errors);
        // A lock is compared with a schema that is as it should be.
        let locked = if errors.is_empty() { locked::read(&schema, &mut errors) } else { None };
        expand::schema(&schema, locked.as_ref(), errors.is_empty())
    });
    let errors = errors.finish();
    quote!(#item #expanded #errors)
}
