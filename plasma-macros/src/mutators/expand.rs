//! [`Set`] to tokens: the `impl` block as it was, and one shim per mutator.
//!
//! In a shim each role of the signature (transaction, context, result) goes through a trait of its own, at the span of
//! its type: a wrong type is one error about that role, and not about the shim.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::model::{Mutator, Set, Signature};
use crate::tokens;

/// The whole expansion.
pub(crate) fn set(set: &Set) -> TokenStream {
    let item = &set.item;
    let Some(schema) = &set.schema else { return item.to_token_stream() };
    let krate = tokens::krate(set.krate.as_ref());
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let owner = &item.self_ty;
    let mut mutations = TokenStream::new();
    let mut listed = Vec::new();
    let (mut seen, mut names) = (Vec::new(), Vec::new());
    for mutator in &set.mutators {
        let Some(args) = &mutator.args else { continue };
        let (always, cfg) = (mutator.cfg.is_empty(), &mutator.cfg);
        // A second mutator with the same arguments, or with the same name, is a mistake told already.
        if always && seen.contains(&mutator.args_name()) {
            continue;
        }
        seen.extend(always.then(|| mutator.args_name()));
        mutations.extend(mutation(mutator, args, owner, schema));
        if always && names.contains(&&mutator.name) {
            continue;
        }
        names.extend(always.then_some(&mutator.name));
        let span = tokens::span_of(args);
        let private = tokens::private_at(span);
        let def = quote_spanned!(span=> #private::MutatorDef::of::<#args>());
        listed.push(quote!(#(#cfg)* #def));
    }
    let span = tokens::span_of(owner);
    let at_owner = tokens::private_at(span);
    let registered = quote_spanned!(span=> const _: fn() = #at_owner::registered::<#schema, #owner>;);
    quote! {
        #item
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #mutations

            #[automatically_derived]
            impl #private::MutatorSet for #owner {
                type Schema = #schema;
                const MUTATORS: &'static [#private::MutatorDef] = &[#(#listed),*];
            }

            #registered
        };
    }
}

fn mutation(mutator: &Mutator, args: &syn::Type, owner: &syn::Type, schema: &syn::Path) -> TokenStream {
    let private = tokens::private();
    let Mutator { function, name, cfg, server_only, aliases, upgrade, .. } = mutator;
    let aliases = (!aliases.is_empty()).then(|| {
        let aliases = aliases.iter().map(|(alias, _)| alias);
        quote!(const ALIASES: &'static [&'static str] = &[#(#aliases),*];)
    });
    let upgrade = upgrade.as_ref().map(|path| {
        // At the path, which is to blame when it is no such function.
        let span = tokens::span_of(path);
        let private = tokens::private_at(span);
        quote_spanned!(span=> const UPGRADE: ::core::option::Option<#private::UpgradeFn> = ::core::option::Option::Some(#path);)
    });
    let run = match &mutator.signature {
        Some(Signature { tx, ctx, output }) => {
            let tx = role(tx, &quote!(__plasma_tx), "of", |private| quote!(#private::TxArg<'_, '_, #schema>));
            let ctx = role(
                ctx,
                &quote!(__plasma_ctx),
                "of",
                |private| quote!(#private::CtxArg<'_, <#schema as #private::Schema>::Ctx>),
            );
            // At the fn, which is to blame when its future cannot be sent to another thread.
            let (span, this) = (function.span(), tokens::local("self"));
            let call = quote_spanned!(span=> <#owner>::#function(#tx, #ctx, #this).await);
            let result = role(output, &call, "done", |private| quote!(#private::MutatorOutput));
            quote_spanned!(span=> ::std::boxed::Box::pin(async move { #result }))
        }
        // Only reached while the signature is wrong, in a program that does not compile.
        None => quote!({
            let _ = (__plasma_tx, __plasma_ctx);
            ::core::unreachable!()
        }),
    };
    let span = tokens::span_of(args);
    let at_args = tokens::private_at(span);
    let header = quote_spanned!(span=> impl #at_args::Mutation for #args);
    quote! {
        #(#cfg)*
        #[automatically_derived]
        #header {
            type Schema = #schema;
            const NAME: &'static str = #name;
            const SERVER_ONLY: bool = #server_only;
            #aliases
            #upgrade
            fn run<'a>(
                self,
                __plasma_tx: &'a mut #private::Tx<'_, #schema>,
                __plasma_ctx: &'a <#schema as #private::Schema>::Ctx,
            ) -> #private::BoxFuture<'a, #private::Result<()>> {
                #run
            }
        }
        // `for<'a>` keeps the bound open: a type that is no arguments is an error of the first impl only.
        #(#cfg)*
        #[automatically_derived]
        impl #private::RunsIn<#schema> for #args where for<'__plasma> #args: #private::MutatorArgs {}
    }
}

/// `<Type as Role>::method(value)`, all at the type: so a wrong type is blamed on the parameter.
fn role(ty: &TokenStream, value: &TokenStream, method: &str, role: impl FnOnce(Ident) -> TokenStream) -> TokenStream {
    let span = tokens::span_of(ty);
    let role = tokens::respan(role(tokens::private_at(span)), span);
    let method = Ident::new(method, span);
    quote_spanned!(span=> <#ty as #role>::#method(#value))
}
