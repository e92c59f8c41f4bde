//! [`Schema`] to tokens.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;

use super::model::Schema;
use crate::{names, tokens};

/// The whole expansion; without the const checks when something is wrong already.
pub(crate) fn schema(schema: &Schema, sound: bool) -> TokenStream {
    let krate = tokens::krate(schema.krate.as_ref());
    let private = tokens::private();
    let Schema { ident, version, .. } = schema;
    let name = names::plain(ident);
    let tables = distinct(&schema.tables);
    let sets = distinct(&schema.mutators);
    let ctx = schema.ctx.as_ref().map_or_else(|| quote!(()), |ctx| quote!(#ctx));
    let listed = tables.iter().map(|table| {
        let span = tokens::span_of(table);
        let private = tokens::private_at(span);
        quote_spanned!(span=> impl #private::InSchema<#ident> for #table {})
    });
    let definitions = tables.iter().map(|table| quote!(#private::listed::<#ident, #table>()));
    let registered = sets.iter().map(|set| {
        let span = tokens::span_of(set);
        let private = tokens::private_at(span);
        quote_spanned!(span=> impl #private::RegisteredIn<#ident> for #set {})
    });
    let all: Vec<TokenStream> = sets.iter().map(|set| quote!(<#set as #private::MutatorSet>::MUTATORS)).collect();
    // Without a context nobody can be told apart, and every table is open.
    let policies = schema.ctx.iter().flat_map(|ctx| {
        tables.iter().map(move |table| {
            let span = tokens::span_of(table);
            let private = tokens::private_at(span);
            quote_spanned!(span=> #private::PolicyDef::of::<#table, #ctx>())
        })
    });
    let policies: Vec<TokenStream> = policies.collect();
    let checks = if sound { checks(schema) } else { TokenStream::new() };
    quote! {
        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
        const _: () = {
            use #krate::__private as #private;

            const __PLASMA_TABLES: &[&#private::TableDef] = &[#(#definitions),*];
            const __PLASMA_MUTATORS: &[&[#private::MutatorDef]] = &[#(#all),*];

            #[automatically_derived]
            impl #private::Schema for #ident {
                type Ctx = #ctx;
                const DEF: #private::SchemaDef = #private::SchemaDef {
                    name: #name,
                    version: #version,
                    fingerprint: #private::fingerprint::schema(__PLASMA_TABLES),
                    tables: __PLASMA_TABLES,
                };
                fn definition() -> #private::Definition {
                    #private::definition(
                        <#ident as #private::Schema>::DEF,
                        __PLASMA_MUTATORS,
                        &[#(#policies),*],
                    )
                }
            }

            #(#listed)*
            #(#registered)*
            #checks
        };
    }
}

/// The paths without repetitions, which are a mistake told already.
fn distinct(paths: &[Path]) -> Vec<&Path> {
    let mut distinct: Vec<&Path> = Vec::new();
    for path in paths {
        if !distinct.iter().any(|other| tokens::spelled(other) == tokens::spelled(path)) {
            distinct.push(path);
        }
    }
    distinct
}

/// Rules over the tables' definitions, known to the compiler only. One const, because every body costs compile time;
/// each call is where the table is listed.
fn checks(schema: &Schema) -> TokenStream {
    let private = tokens::private();
    let name = names::plain(&schema.ident);
    let type_names: Vec<String> = schema.tables.iter().map(tokens::spelled).collect();
    let count = type_names.len();
    let mut checks = TokenStream::new();
    for (index, table) in schema.tables.iter().enumerate() {
        let span = tokens::span_of(table);
        let private = tokens::private_at(span);
        checks.extend(quote_spanned!(span=> #private::check::table(__plasma_tables, #index);));
    }
    if !schema.mutators.is_empty() {
        let span = schema.mutators_span;
        let private = tokens::private_at(span);
        checks.extend(quote_spanned!(span=> #private::check::mutators(__PLASMA_MUTATORS);));
    }
    if let Some((pin, span)) = schema.pin {
        let ident = &schema.ident;
        let private = tokens::private_at(span);
        checks.extend(quote_spanned! {span=>
            #private::check::fingerprint(&<#ident as #private::Schema>::DEF, #pin);
        });
    }
    quote! {
        const _: () = {
            let __plasma_tables = &#private::check::Tables::<#count>::new(
                #name,
                __PLASMA_TABLES,
                &[#(#type_names),*],
            );
            let _ = __plasma_tables;
            #checks
        };
    }
}
