//! `PlainEditNote`: arguments before they are sealed.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Fields, Ident};

use super::expand;
use super::model::{Args, FieldRules};
use crate::{names, tokens};

/// The struct that holds the fields in the clear, and how it is sealed; nothing when no field is. With `sound == false`
/// only its names are needed.
pub(super) fn plain(args: &Args, krate: &TokenStream, sound: bool) -> TokenStream {
    let Fields::Named(fields) = &args.item.fields else { return TokenStream::new() };
    if !args.rules.iter().any(|rules| rules.sealed) {
        return TokenStream::new();
    }
    let (ident, vis) = (&args.item.ident, &args.item.vis);
    let plain = format_ident!("Plain{}", names::plain(ident), span = ident.span());
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let owner = ident.to_token_stream();
    let doc = format!(
        "[`{}`] before it is sealed. `client.mutate(..)` takes it and seals it first; it cannot be stored, sent or \
         printed.",
        names::plain(ident)
    );
    let rules_of = |field: &Ident| args.rules.iter().find(|rules| rules.field == *field && rules.sealed);
    let named = || fields.named.iter().filter(|field| !tokens::is_unnamed(field));
    let declared = named().map(|field| {
        let (name, vis) = (&field.ident, &field.vis);
        let ty = tokens::replace_self(field.ty.to_token_stream(), &owner);
        let docs = tokens::docs_or(&tokens::docs(&field.attrs), "An argument.");
        let plain = name.as_ref().and_then(rules_of).and_then(|rules| rules.seal.as_ref());
        let ty = plain.map_or(ty, |seal| tokens::replace_self(seal.plain.to_token_stream(), &owner));
        quote!(#docs #vis #name: #ty)
    });
    let (this, checks, sealer) =
        (tokens::local("self"), tokens::local("__plasma_checks"), tokens::local("__plasma_sealer"));
    let sealed: Vec<&FieldRules> = args.rules.iter().filter(|rules| rules.sealed).collect();
    let body = if sound {
        // Before any field moves: what a row or a key is said by may be one that does.
        let places = sealed.iter().map(|rules| {
            let (row, key) = (place(&rules.field, "row"), place(&rules.field, "key"));
            let seal = rules.seal.as_ref().expect("a mistake in it was told, and then this is not sound");
            let said = &seal.row;
            let key_of = match &seal.key {
                Some(said) => {
                    let span = tokens::span_of(said);
                    let private = tokens::private_at(span);
                    quote_spanned!(span=> ::core::option::Option::<#private::KeyId>::Some(
                        ::core::clone::Clone::clone(&#said),
                    ))
                }
                None => quote!(::core::option::Option::<#private::KeyId>::None),
            };
            quote!(let #row = #said; let #key = #key_of;)
        });
        let rules = sealed.iter().map(|rules| {
            let plain = rules.seal.as_ref().map(|seal| seal.plain.to_token_stream());
            let span = tokens::span_of(&rules.ty);
            expand::rules(rules, &tokens::respan(plain.unwrap_or_default(), span))
        });
        let moved = named().map(|field| {
            let name = field.ident.as_ref().expect("a named field");
            let Some(FieldRules { ty, seal: Some(seal), trim, .. }) = rules_of(name) else {
                return quote!(#name: #this.#name);
            };
            let (row, key, column) = (place(name, "row"), place(name, "key"), &seal.column);
            let span = tokens::span_of(column);
            let private = tokens::private_at(span);
            let value = match trim {
                Some(span) => {
                    let private = tokens::private_at(*span);
                    quote_spanned!(*span=> #private::rules::Trim::trim(#this.#name))
                }
                None => quote!(#this.#name),
            };
            let call = quote_spanned!(span=> #private::seal_field::<#ty, _, _>);
            // Where the row is said is where a wrong one is told of.
            let row = Ident::new(&row.to_string(), row.span().located_at(tokens::span_of(&seal.row)));
            quote!(#name: #call(#sealer, #column, #row, #key.as_ref(), #value)?)
        });
        quote! {
            #(#places)*
            let mut __plasma_all = #private::Checks::new();
            {
                let #checks = &mut __plasma_all;
                let _ = &#checks;
                #(#rules)*
            }
            __plasma_all.finish()?;
            ::core::result::Result::Ok(#ident { #(#moved,)* })
        }
    } else {
        quote!(let _ = #sealer; ::core::unreachable!())
    };
    quote! {
        #[doc = #doc]
        #[allow(dead_code, missing_debug_implementations, clippy::all, clippy::pedantic, clippy::nursery)]
        #vis struct #plain {
            #(#declared,)*
        }
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl #private::SealArgs for #plain {
                type Sealed = #ident;
                fn seal(#this, #sealer: &mut dyn #private::Seal) -> #private::Result<#ident> {
                    #body
                }
            }

            #[automatically_derived]
            impl<__PlasmaS: #private::Schema> #private::IntoMutation<__PlasmaS> for #plain
            where
                // Arguments need not have a mutator: for a type without parameters the bound would be asked at once.
                for<'__plasma> #ident: #private::RunsIn<__PlasmaS>,
            {
                type Mutation = #ident;
                fn into_mutation(#this, #sealer: &mut dyn #private::Seal) -> #private::Result<#ident> {
                    #private::SealArgs::seal(#this, #sealer)
                }
            }
        };
    }
}

/// A local variable about a field.
fn place(field: &Ident, what: &str) -> Ident {
    tokens::local(&format!("__plasma_{what}_of_{}", names::plain(field)))
}
