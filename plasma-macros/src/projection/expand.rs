//! [`Projection`] to tokens.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::model::Projection;
use crate::tokens;

/// One impl for every query whose scope has the tables. Each field says, at its type, that it can hold the column as
/// the query has it.
pub(crate) fn projection(projection: &Projection, sound: bool) -> TokenStream {
    let krate = tokens::krate(projection.krate.as_ref());
    let (private, quiet) = (tokens::private(), tokens::quiet());
    if !sound {
        return stub(&projection.ident, &krate, &private);
    }
    let ident = &projection.ident;
    // The tables, each once, with the way to it in the scope.
    let mut tables: Vec<(String, &syn::Path, Ident)> = Vec::new();
    for field in &projection.fields {
        let spelled = tokens::spelled(&field.table);
        if !tables.iter().any(|(other, ..)| *other == spelled) {
            let way = format_ident!("__Plasma{}", tables.len());
            tables.push((spelled, &field.table, way));
        }
    }
    let ways: Vec<&Ident> = tables.iter().map(|(.., way)| way).collect();
    let within = tables.iter().map(|(_, table, way)| {
        let span = tokens::span_of(table);
        let private = tokens::private_at(span);
        quote_spanned!(span=> #table: #private::Within<__PlasmaScope, #way>, #way: #private::Path)
    });
    let fills = projection.fields.iter().map(|field| {
        let spelled = tokens::spelled(&field.table);
        let way = tables.iter().find(|(table, ..)| *table == spelled).map(|(.., way)| way);
        let (span, ty) = (tokens::span_of(&field.ty), &field.ty);
        let private = tokens::private_at(span);
        quote_spanned!(span=> <#way as #private::Path>::Null: #private::Fills<#ty>)
    });
    let pushes = projection.fields.iter().map(|field| {
        let (span, ty, column) = (tokens::span_of(&field.ty), &field.ty, &field.column);
        let private = tokens::private_at(span);
        let push = quote_spanned!(span=> push::<#ty>);
        quote!(#private::field_source(#column).#push(__plasma_into);)
    });
    let reader = tokens::local("__plasma_reader");
    let reads = projection.fields.iter().map(|field| {
        let (span, name, ty) = (tokens::span_of(&field.ty), &field.ident, &field.ty);
        let read = quote_spanned!(span=> #reader.read::<#ty>());
        quote! {
            #name: match #read {
                ::core::result::Result::Ok(__plasma_value) => __plasma_value,
                ::core::result::Result::Err(__plasma_error) => return ::core::result::Result::Err(__plasma_error),
            }
        }
    });
    quote! {
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl<__PlasmaScope, #(#ways),*> #private::Shape<__PlasmaScope, (#(#ways,)*)> for #ident
            where
                #(#within,)*
                #(#fills,)*
            {
                fn push(__plasma_into: &mut ::std::vec::Vec<#private::Raw>) {
                    #(#pushes)*
                }
                fn read(__plasma_reader: &mut #private::RowReader) -> #private::Result<Self> {
                    ::core::result::Result::Ok(#ident { #(#reads),* })
                }
            }
        };
    }
}

/// Stands in while something is wrong, so that the queries that return the struct are no errors too.
fn stub(ident: &Ident, krate: &TokenStream, private: &Ident) -> TokenStream {
    quote! {
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl<__PlasmaScope> #private::Shape<__PlasmaScope, ()> for #ident {
                fn push(_: &mut ::std::vec::Vec<#private::Raw>) {}
                fn read(_: &mut #private::RowReader) -> #private::Result<Self> {
                    ::core::unreachable!()
                }
            }
        };
    }
}
