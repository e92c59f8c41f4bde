//! [`Args`] to tokens.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Fields, ItemStruct, Path, parse_quote_spanned};

use super::model::{Args, FieldRules, Limits};
use crate::{names, tokens};

/// The whole expansion; without the application's `Validate` when something is wrong already.
pub(crate) fn args(args: &Args, sound: bool) -> TokenStream {
    let krate = tokens::krate(args.krate.as_ref());
    if args.generic {
        let item = &args.item;
        return quote!(#[derive(#krate::__private::ArgsAttrs)] #item);
    }
    let private = tokens::private();
    let item = with_trimming(args, &krate);
    let derives = ["Serialize", "Deserialize"].map(|name| {
        let ident = quote::format_ident!("{name}");
        (!args.derived.iter().any(|derived| derived == name)).then(|| quote!(#krate::__private::serde::#ident,))
    });
    let serde = tokens::spelled(&quote!(#krate::__private::serde));
    let ident = &item.ident;
    let rules = args.rules.iter().map(rules);
    let validate = (args.validate && sound)
        .then(|| quote_spanned!(ident.span()=> <#ident as #private::Validate>::validate(self, __plasma_checks);));
    quote! {
        #[derive(#krate::__private::ArgsAttrs, #(#derives)*)]
        #[serde(crate = #serde)]
        #item
        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl #private::MutatorArgs for #ident {
                fn check(&self, __plasma_checks: &mut #private::Checks) {
                    let _ = &__plasma_checks;
                    #(#rules)*
                    #validate
                }
            }
        };
    }
}

/// Text is trimmed when the arguments are read, which both sides do.
fn with_trimming(args: &Args, krate: &TokenStream) -> ItemStruct {
    let mut item = args.item.clone();
    let Fields::Named(fields) = &mut item.fields else { return item };
    for field in &mut fields.named {
        let rules = args.rules.iter().find(|rules| Some(&rules.field) == field.ident.as_ref());
        let Some(span) = rules.and_then(|rules| rules.trim) else { continue };
        let path = tokens::text(&tokens::spelled(&quote!(#krate::__private::rules::trimmed)), span);
        let attribute: Attribute = parse_quote_spanned!(span=> #[serde(deserialize_with = #path)]);
        // serde lets an `Option` be absent only while it reads the field by itself.
        if tokens::spelled_option(&field.ty) && !has_serde_default(&field.attrs) {
            field.attrs.push(parse_quote_spanned!(span=> #[serde(default)]));
        }
        field.attrs.push(attribute);
    }
    item
}

fn has_serde_default(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| tokens::is_helper(attribute, "serde")).any(|attribute| {
        let mut found = false;
        let read = attribute.parse_nested_meta(|meta| {
            found |= Path::is_ident(&meta.path, "default");
            if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<syn::Expr>()?;
            } else if meta.input.peek(syn::token::Paren) {
                meta.parse_nested_meta(|_| Ok(()))?;
            }
            Ok(())
        });
        // What serde cannot read either is for serde to tell.
        read.is_ok() && found
    })
}

fn rules(rules: &FieldRules) -> TokenStream {
    let FieldRules { field, ty, .. } = rules;
    let name = names::plain(field);
    let span = tokens::span_of(ty);
    let private = tokens::private_at(span);
    let trim = rules.trim.is_some();
    let len = rules.len.as_ref().map(|limits| {
        let (from, to) = bounds(limits);
        quote_spanned!(span=> #private::rules::len::<#ty>(__plasma_checks, #name, &self.#field, #trim, #from, #to);)
    });
    let range = rules.range.as_ref().map(|limits| {
        let (from, to) = bounds(limits);
        quote_spanned!(span=> #private::rules::range::<#ty, _>(__plasma_checks, #name, &self.#field, #from, #to);)
    });
    quote!(#len #range)
}

fn bounds(limits: &Limits) -> (TokenStream, TokenStream) {
    let bound = |expr: &Option<syn::Expr>| match expr {
        Some(expr) => {
            let expr = expr.to_token_stream();
            quote!(::core::option::Option::Some(#expr))
        }
        None => quote!(::core::option::Option::None),
    };
    (bound(&limits.from), bound(&limits.to))
}
