//! [`Table`] to tokens.
//!
//! All column types are mentioned in one body, the `CODEC` const (its closures share the body's type check), and
//! always at the span of the field's type: a type that cannot be a column is one error, where it is written.

mod checks;
mod patch;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Item, ItemStruct};

use self::checks::checks;
use super::model::{Column, ColumnDefault, File, Index, OnDelete, Table};
use crate::errors::Errors;
use crate::{names, options, tokens};

/// The whole expansion. With `sound == false` something is wrong already: the parts that other code leans on are there,
/// but nothing that could raise a second error.
pub(crate) fn table(table: &Table, item: &ItemStruct, sound: bool) -> TokenStream {
    let krate = tokens::krate(table.krate.as_ref());
    let registered = quote!(#[derive(#krate::__private::TableAttrs)] #item);
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        return registered;
    }
    let consts = consts(table, &krate);
    let new = new_struct(table);
    let codec = if sound && table.usable { codec(table) } else { stub(table) };
    let checks = if sound && table.usable { checks(table) } else { TokenStream::new() };
    let policy = open_policy(table);
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let (ident, new_ident, name) = (&table.ident, table.new_ident(), &table.name);
    let options = table_options(table, sound);
    let patch = patch::patch(table, &krate, sound);
    quote! {
        #registered
        #consts
        #new
        #patch
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl #private::Table for #ident {
                type New = #new_ident;
                const NAME: &'static str = #name;
                const CODEC: #private::Codec<#ident, #new_ident> = #codec;
                const DEF: &'static #private::TableDef =
                    &#private::TableDef::new(#name, <#ident as #private::Table>::CODEC.columns)#options;
            }

            #[automatically_derived]
            impl #private::NewRow for #new_ident {
                type Table = #ident;
            }

            #[automatically_derived]
            #[diagnostic::do_not_recommend]
            impl<__PlasmaScope, __PlasmaIndex> #private::Within<__PlasmaScope, #private::There<__PlasmaIndex>> for #ident
            where
                __PlasmaScope: #private::Further<#ident, __PlasmaIndex>,
            {
            }

            #policy
            #checks
        };
    }
}

/// For an item that is not a struct: makes `#[column]` known, so that the one error is about the item.
pub(crate) fn registration(item: &Item, attribute: &TokenStream) -> TokenStream {
    if !matches!(item, Item::Enum(_) | Item::Union(_)) {
        return TokenStream::new();
    }
    let mut ignored = Errors::default();
    let entries = options::parse("table option", &["crate"], attribute.clone(), &mut ignored);
    let path = entries.first().and_then(|entry| entry.path(&mut ignored));
    // Only the item is wrong: mistakes in the options are told once it is a struct.
    drop(ignored.finish());
    let krate = tokens::krate(path.as_ref());
    quote!(#[derive(#krate::__private::TableAttrs)])
}

/// `Todo::title` and so on, with the field's name, docs, place and visibility.
fn consts(table: &Table, krate: &TokenStream) -> TokenStream {
    let (ident, name) = (&table.ident, &table.name);
    // Two columns with one accessor are a mistake told already.
    let first =
        |index: usize, column: &Column| !table.columns[..index].iter().any(|other| other.accessor == column.accessor);
    let columns = table.columns.iter().enumerate().filter(|(index, column)| first(*index, column));
    let consts = columns.map(|(_, column)| {
        let Column { vis, accessor, ty, .. } = column;
        let sql_name = &column.name;
        let docs = tokens::docs_or(&column.docs, &format!("Column `{sql_name}` of table `{name}`."));
        // Everything at the field, so that a clash with a fn of the same name is blamed there. The type is named by its
        // public path, which editors show.
        let span = accessor.span();
        let krate = tokens::respan(krate.clone(), span);
        let (const_type, value) = if column.is_id() {
            (quote_spanned!(span=> #krate::query::IdCol<#ident>), quote_spanned!(span=> #krate::query::IdCol))
        } else {
            (quote_spanned!(span=> #krate::query::Col<#ident, #ty>), quote_spanned!(span=> #krate::query::Col))
        };
        let item = quote_spanned!(span=> const #accessor: #const_type = #value::new_unchecked(#name, #sql_name););
        quote!(#docs #vis #item)
    });
    quote! {
        #[automatically_derived]
        #[allow(non_upper_case_globals, dead_code, clippy::all, clippy::pedantic)]
        impl #ident {
            #(#consts)*
        }
    }
}

/// `NewTodo`: what a new row must name.
fn new_struct(table: &Table) -> TokenStream {
    let (ident, vis, new_ident) = (&table.ident, &table.vis, table.new_ident());
    let doc = format!(
        "A new row of [`{}`]: the columns that must be given. Columns with a default and `Option` columns are added \
         with `.with(..)`, an id of your own with `.with_id(..)`; counters and sets begin empty.",
        names::plain(ident)
    );
    let derives = &table.derives;
    let derives = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let serde = &table.serde;
    let owner = table.ty();
    let fields = table.required().map(|column| {
        let Column { field, vis, serde, .. } = column;
        let ty = tokens::replace_self(column.ty.to_token_stream(), &owner);
        let docs = tokens::docs_or(&column.docs, &format!("Column `{}`.", column.name));
        quote!(#docs #(#serde)* #vis #field: #ty)
    });
    quote! {
        #[doc = #doc]
        #derives
        #(#serde)*
        #[allow(dead_code, missing_copy_implementations, clippy::all, clippy::pedantic, clippy::nursery)]
        #vis struct #new_ident {
            #(#fields,)*
        }
    }
}

/// What the definition says besides name and columns.
fn table_options(table: &Table, sound: bool) -> TokenStream {
    let private = tokens::private();
    let ident = &table.ident;
    let mut options = TokenStream::new();
    if table.local_only {
        options.extend(quote!(.local_only()));
    }
    if table.open {
        options.extend(quote!(.open()));
    }
    if !sound {
        return options;
    }
    if !table.indexes.is_empty() {
        let indexes = table.indexes.iter().map(|Index { columns, unique, .. }| {
            let names = columns.iter().map(|(column, _)| &table.columns[*column].name);
            let kind = if *unique { quote!(unique) } else { quote!(new) };
            quote!(#private::IndexDef::#kind(&[#(#names),*]))
        });
        options.extend(quote!(.indexes(&[#(#indexes),*])));
    }
    if !table.checks.is_empty() {
        let checks = table.checks.iter().map(|check| {
            let text = tokens::spelled_expr(check);
            let span = tokens::span_of(check);
            let private = tokens::private_at(span);
            let condition = quote_spanned!(span=> || #private::condition::<#ident, _>(#check));
            quote!(#private::CheckDef { text: #text, condition: #condition })
        });
        options.extend(quote!(.checks(&[#(#checks),*])));
    }
    if let Some(store) = &table.blobs {
        options.extend(quote!(.blobs(#store)));
    }
    if let Some(merge) = &table.resolve_conflict {
        // The inner const makes another signature an error at the path.
        options.extend(quote!(.resolve_conflict({
            const __PLASMA_MERGE: #private::ConflictFn<#ident> = #merge;
            |__plasma_rows| __plasma_rows.resolve::<#ident>(__PLASMA_MERGE)
        })));
    }
    options
}

fn codec(table: &Table) -> TokenStream {
    let private = tokens::private();
    let (ident, new_ident) = (&table.ident, table.new_ident());
    let columns = table.columns.iter().map(column_def);
    let (row, out) = (tokens::local("__plasma_row"), tokens::local("__plasma_out"));
    let reads = table.columns.iter().map(|Column { field, ty, .. }| {
        let span = tokens::span_of(ty);
        // A plain match: what `?` expands to costs the compiler five times as much, in every column of every table.
        let read = quote_spanned!(span=> #row.read::<#ty>());
        quote! {
            #field: match #read {
                ::core::result::Result::Ok(__plasma_value) => __plasma_value,
                ::core::result::Result::Err(__plasma_error) => return ::core::result::Result::Err(__plasma_error),
            }
        }
    });
    let write = |Column { field, ty, .. }: &Column| {
        let span = tokens::span_of(ty);
        quote_spanned!(span=> #out.write::<#ty>(#row.#field);)
    };
    let writes = table.columns.iter().map(write);
    let new_writes = table.required().map(write);
    let new_names = table.required().map(|column| &column.name);
    quote! {
        #private::Codec {
            columns: &[#(#columns),*],
            decode: |__plasma_row| ::core::result::Result::Ok(#ident { #(#reads),* }),
            encode: |__plasma_row: #ident, __plasma_out| { #(#writes)* },
            new_columns: &[#(#new_names),*],
            encode_new: |__plasma_row: #new_ident, __plasma_out| {
                let _ = &__plasma_row;
                #(#new_writes)*
            },
        }
    }
}

/// Stands in for the codec while the table has a mistake; such a program does not link.
fn stub(table: &Table) -> TokenStream {
    let private = tokens::private();
    let ident = &table.ident;
    quote! {
        #private::Codec {
            columns: &[#private::ColumnDef::of::<#private::Id<#ident>>("id")],
            decode: |_| ::core::unreachable!(),
            encode: |_, _| ::core::unreachable!(),
            new_columns: &[],
            encode_new: |_, _| ::core::unreachable!(),
        }
    }
}

fn column_def(column: &Column) -> TokenStream {
    let Column { ty, name, .. } = column;
    let span = tokens::span_of(ty);
    let private = tokens::private_at(span);
    let mut def = quote_spanned!(span=> #private::ColumnDef::of::<#ty>(#name));
    if column.unique.is_some() {
        def.extend(quote!(.unique()));
    }
    if column.unconstrained.is_some() {
        def.extend(quote!(.unconstrained()));
    }
    if let Some(ColumnDefault::Now(_)) = &column.default {
        def.extend(quote!(.default_now()));
    }
    if column.on_update.is_some() {
        def.extend(quote!(.on_update_now()));
    }
    if let Some(ColumnDefault::Value(default)) = &column.default {
        // The closure keeps the literal inside the one body; the inner const keeps it a constant.
        let literal = quote_spanned!(span=> let __plasma_literal: <#ty as #private::ColumnType>::Literal);
        let value = quote_spanned!(span=> <#ty as #private::ColumnType>::literal(__plasma_literal));
        def.extend(quote!(.default_value(|| { #literal = const { #default }; #value })));
    }
    if let Some((action, _)) = column.on_delete {
        let action = match action {
            OnDelete::Cascade => quote!(Cascade),
            OnDelete::Restrict => quote!(Restrict),
            OnDelete::SetNull => quote!(SetNull),
            OnDelete::NoAction => quote!(NoAction),
        };
        def.extend(quote!(.on_delete(#private::OnDelete::#action)));
    }
    if let Some(File { max_size, mime, immutable, lazy, .. }) = &column.file {
        let private = tokens::private();
        let max_size = match max_size {
            Some(size) => quote!(::core::option::Option::Some(#size)),
            None => quote!(::core::option::Option::None),
        };
        let upload = if *lazy { quote!(Lazy) } else { quote!(Eager) };
        def.extend(quote!(.file(&#private::FileOptions {
            max_size: #max_size,
            mime: &[#(#mime),*],
            immutable: #immutable,
            upload: #private::UploadTime::#upload,
        })));
    }
    def
}

/// Everybody may do everything with an `open` table, and nobody but this device sees a `local_only` one: neither needs
/// a policy of the application.
fn open_policy(table: &Table) -> TokenStream {
    if !table.open && !table.local_only {
        return TokenStream::new();
    }
    let private = tokens::private();
    let ident = &table.ident;
    let all = quote!(#private::Filter::all());
    quote! {
        #[automatically_derived]
        impl<__PlasmaCtx> #private::Policy<__PlasmaCtx> for #ident {
            fn read(_: &__PlasmaCtx) -> #private::Filter<#ident> { #all }
            fn insert(_: &__PlasmaCtx) -> #private::Filter<#ident> { #all }
            fn update(_: &__PlasmaCtx) -> #private::Filter<#ident> { #all }
            fn delete(_: &__PlasmaCtx) -> #private::Filter<#ident> { #all }
        }
    }
}
