//! [`Set`] to tokens: the `impl` block as it was, and one shim per mutator.
//!
//! In a shim each role of the signature (transaction, context, result) goes through a trait of its own, at the span of its type: a wrong type is one
//! error about that role, and not about the shim.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};

use super::model::{Mutator, Set, Signature};
use crate::tokens;

/// The whole expansion.
pub(crate) fn set(set: &Set) -> TokenStream {
    let item = &set.item;
    let Some(schema) = &set.schema else { return item.to_token_stream() };
    let krate = tokens::krate(set.krate.as_ref());
    let private = tokens::private();
    let owner = &item.self_ty;
    let mut mutations = TokenStream::new();
    let mut listed = Vec::new();
    let mut seen = Vec::new();
    for mutator in &set.mutators {
        let Some(args) = &mutator.args else { continue };
        // A second mutator with the same arguments is a mistake told already.
        if seen.contains(&mutator.args_name()) {
            continue;
        }
        seen.push(mutator.args_name());
        mutations.extend(mutation(mutator, args, owner, schema));
        let span = tokens::span_of(args);
        listed.push(quote_spanned!(span=> #private::MutatorDef::of::<#args>()));
    }
    let span = tokens::span_of(owner);
    let registered = quote_spanned!(span=> const _: fn() = #private::registered::<#schema, #owner>;);
    quote! {
        #item
        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
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
    let Mutator { function, name, server_only, .. } = mutator;
    let run = match &mutator.signature {
        Some(Signature { tx, ctx, output }) => {
            let tx = quote_spanned!(tokens::span_of(tx)=> <#tx as #private::TxArg<'_, '_, #schema>>::of(__plasma_tx));
            let ctx = quote_spanned! {tokens::span_of(ctx)=>
                <#ctx as #private::CtxArg<'_, <#schema as #private::Schema>::Ctx>>::of(__plasma_ctx)
            };
            let call = quote!(<#owner>::#function(#tx, #ctx, self).await);
            let result = quote_spanned!(tokens::span_of(output)=> <#output as #private::MutatorOutput>::done(#call));
            quote!(::std::boxed::Box::pin(async move { #result }))
        }
        // Only reached while the signature is wrong, in a program that does not compile.
        None => quote!({
            let _ = (__plasma_tx, __plasma_ctx);
            ::core::unreachable!()
        }),
    };
    let span = tokens::span_of(args);
    let header = quote_spanned!(span=> impl #private::Mutation for #args);
    quote! {
        #[automatically_derived]
        #header {
            type Schema = #schema;
            const NAME: &'static str = #name;
            const SERVER_ONLY: bool = #server_only;
            fn run<'a>(
                self,
                __plasma_tx: &'a mut #private::Tx<'_, #schema>,
                __plasma_ctx: &'a <#schema as #private::Schema>::Ctx,
            ) -> #private::BoxFuture<'a, #private::Result<()>> {
                #run
            }
        }
        #[automatically_derived]
        impl #private::RunsIn<#schema> for #args {}
    }
}
