//! `TodoPatch`: some changes of a row, as a value.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

use crate::table::model::{Column, Table};
use crate::{names, tokens};

/// The struct and what it changes. With `sound == false` it changes nothing: only its name is needed then.
pub(super) fn patch(table: &Table, krate: &TokenStream, sound: bool) -> TokenStream {
    let Some(positions) = &table.patch else { return TokenStream::new() };
    let (ident, vis, patch_ident) = (&table.ident, &table.vis, table.patch_ident());
    let columns: Vec<&Column> = positions.iter().map(|position| &table.columns[*position]).collect();
    let doc = format!(
        "Changes of a [`{}`] row: what is `None` stays as it is. For a column that may be null, `Some(None)` makes it \
         null.",
        names::plain(ident)
    );
    let with_serde = |name: &str| table.derives.iter().any(|path| tokens::last_segment(path) == name);
    let (writes, reads) = (with_serde("Serialize"), with_serde("Deserialize"));
    let owner = table.ty();
    let (text, known) = tokens::private_as_text(krate, &patch_ident);
    let fields = columns.iter().map(|column| {
        let Column { field, vis, .. } = column;
        let ty = tokens::replace_self(column.ty.to_token_stream(), &owner);
        let docs = tokens::docs_or(&column.docs, &format!("Column `{}`.", column.name));
        let names = column.serde.iter().filter_map(serde_names);
        let skip = writes.then(|| quote!(#[serde(skip_serializing_if = "::core::option::Option::is_none")]));
        // What is absent stays, what is `null` is a value: serde takes both for `None` by itself.
        let path = format!("{text}::patch_field");
        let read = reads.then(|| quote!(#[serde(default, deserialize_with = #path)]));
        quote!(#docs #(#names)* #skip #read #vis #field: ::core::option::Option<#ty>)
    });
    let (derives, serde) = (&table.derives, &table.serde);
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let (this, list) = (tokens::local("self"), tokens::local("__plasma_list"));
    let changes = columns.iter().filter(|_| sound).map(|Column { field, ty, name, .. }| {
        let span = tokens::span_of(ty);
        quote::quote_spanned!(span=> #list.set_some(#name, #this.#field);)
    });
    let place = Span::call_site();
    let derive_default = quote::quote_spanned!(place=> #[derive(::core::default::Default #(, #derives)*)]);
    let known = reads.then_some(known);
    quote! {
        #known
        #[doc = #doc]
        #derive_default
        #(#serde)*
        #[allow(dead_code, missing_copy_implementations, clippy::all, clippy::pedantic, clippy::nursery)]
        #vis struct #patch_ident {
            #(#fields,)*
        }
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl #private::Changes<#ident> for #patch_ident {
                fn add_to(self, __plasma_list: &mut #private::ChangeList) {
                    let _ = &__plasma_list;
                    #(#changes)*
                }
            }
        };
    }
}

/// The part of `#[serde(..)]` that says how the field is called: the rest is about the column's own type, which the
/// patch wraps.
fn serde_names(attribute: &Attribute) -> Option<TokenStream> {
    let all = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let names: Vec<Meta> =
        all.into_iter().filter(|meta| meta.path().is_ident("rename") || meta.path().is_ident("alias")).collect();
    (!names.is_empty()).then(|| quote!(#[serde(#(#names),*)]))
}
