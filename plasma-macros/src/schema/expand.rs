//! [`Schema`] to tokens.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Path;

use super::lock::Entry;
use super::locked::Locked;
use super::model::Schema;
use crate::{names, tokens};

/// The whole expansion; without the const checks when something is wrong already.
pub(crate) fn schema(schema: &Schema, locked: Option<&Locked>, sound: bool) -> TokenStream {
    let krate = tokens::krate(schema.krate.as_ref());
    let (private, quiet) = (tokens::private(), tokens::quiet());
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
    let versions = locked.and_then(|locked| locked.versions.as_deref()).unwrap_or_default();
    let entries = versions.iter().map(locked_version);
    let (checks, test) = if sound {
        (checks(schema, locked), locked.map(|locked| lock_test(schema, locked, &krate)))
    } else {
        (TokenStream::new(), None)
    };
    quote! {
        #test
        #quiet
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
                    locked: &[#(#entries),*],
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
fn checks(schema: &Schema, locked: Option<&Locked>) -> TokenStream {
    let private = tokens::private();
    let name = names::plain(&schema.ident);
    let type_names: Vec<String> = schema.tables.iter().map(tokens::spelled).collect();
    let count = type_names.len();
    let mut checks = TokenStream::new();
    let tables = tokens::local("__plasma_tables");
    for (index, table) in schema.tables.iter().enumerate() {
        let span = tokens::span_of(table);
        let private = tokens::private_at(span);
        checks.extend(quote_spanned!(span=> #private::check::table(#tables, #index);));
    }
    if !schema.mutators.is_empty() {
        let span = schema.mutators_span;
        let private = tokens::private_at(span);
        let sets = distinct(&schema.mutators).into_iter().map(|set| tokens::spelled(&set));
        checks.extend(quote_spanned!(span=> #private::check::mutators(__PLASMA_MUTATORS, &[#(#sets),*]);));
    }
    if let Some((pin, span)) = schema.pin {
        let ident = &schema.ident;
        let private = tokens::private_at(span);
        checks.extend(quote_spanned! {span=>
            #private::check::fingerprint(&<#ident as #private::Schema>::DEF, #pin);
        });
    }
    let versions = locked.and_then(|locked| Some((locked, locked.versions.as_ref()?)));
    let watched = versions.map(|(locked, versions)| {
        if let Some(index) = versions.iter().position(|entry| entry.version == schema.version) {
            let (ident, span, path) = (&schema.ident, schema.version_span, &locked.path);
            let private = tokens::private_at(span);
            checks.extend(quote_spanned! {span=>
                #private::lock::check(
                    #tables,
                    &<#ident as #private::Schema>::DEF,
                    #index,
                    #path,
                    ::core::option_env!("PLASMA_LOCK"),
                );
            });
        }
        watched(&locked.path)
    });
    quote! {
        #watched
        // The comparison of a large schema with its lock takes more steps than the lint likes.
        #[allow(long_running_const_eval)]
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

/// Puts the lock among the files that cargo watches for this crate.
fn watched(path: &str) -> TokenStream {
    let path = from_manifest(path);
    quote!(
        const _: &[u8] = ::core::include_bytes!(#path);
    )
}

/// The path, from the folder of `Cargo.toml`; an absolute one as it is.
fn from_manifest(path: &str) -> TokenStream {
    if std::path::Path::new(path).is_absolute() {
        return quote!(#path);
    }
    let path = format!("/{path}");
    quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #path))
}

fn locked_version(Entry { version, fingerprint, shape, .. }: &Entry) -> TokenStream {
    let private = tokens::private();
    quote! {
        #private::LockedVersion { version: #version, fingerprint: #fingerprint, shape: #shape }
    }
}

/// The test that the lock is current, which also writes it. It stands beside the schema, because a test inside a const
/// would never run.
fn lock_test(schema: &Schema, locked: &Locked, krate: &TokenStream) -> TokenStream {
    let (ident, path, compiled) = (&schema.ident, &locked.path, locked.versions.is_some());
    let name = quote::format_ident!("plasma_lock_{}", names::snake_case(&names::plain(ident)));
    quote! {
        #[cfg(test)]
        #[::core::prelude::v1::test]
        #[allow(unnameable_test_items, clippy::all, clippy::pedantic, clippy::nursery)]
        fn #name() {
            #krate::__private::lock::test::<#ident>(
                ::core::env!("CARGO_MANIFEST_DIR"),
                #path,
                ::core::file!(),
                #compiled,
            );
        }
    }
}
