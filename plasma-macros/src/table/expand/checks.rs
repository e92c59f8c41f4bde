//! Rules that only the compiler can check.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Ident;

use crate::table::model::{ColumnDefault, OnDelete, Table};
use crate::tokens;

/// Rules about types that no trait can hold: asserted over the finished definition, so that the types are not
/// mentioned a second time, and in one const, because every body costs compile time. Each call is at the token it is
/// about.
pub(super) fn checks(table: &Table) -> TokenStream {
    let private = tokens::private();
    let ident = &table.ident;
    let mut checks = TokenStream::new();
    if let Some(id) = table.columns.iter().find(|column| column.is_id()) {
        let ty = tokens::replace_self(id.ty.to_token_stream(), &table.ty());
        let span = tokens::span_of(&ty);
        let private = tokens::private_at(span);
        checks.extend(quote_spanned!(span=> let _: fn() = #private::row_id::<#ident, #ty>;));
    }
    let definition = tokens::local("__plasma_table");
    let call = |name: &str, span: Span, arguments: TokenStream| {
        let (private, name) = (tokens::private_at(span), Ident::new(name, span));
        quote_spanned!(span=> #private::check::#name(#definition, #arguments);)
    };
    for (index, column) in table.columns.iter().enumerate() {
        let spelled = tokens::spelled(&column.ty);
        if let Some((action, span)) = column.on_delete {
            let name = if action == OnDelete::SetNull { "set_null" } else { "on_delete" };
            checks.extend(call(name, span, quote!(#index, #spelled)));
        }
        if let Some(span) = column.unique {
            checks.extend(call("unique", span, quote!(#index, #spelled)));
        }
        if let Some(span) = column.unconstrained {
            checks.extend(call("unconstrained", span, quote!(#index, #spelled)));
        }
        if let Some(ColumnDefault::Now(span)) = column.default {
            checks.extend(call("now", span, quote!(#index, #spelled)));
        }
        if let Some(span) = column.on_update {
            checks.extend(call("now", span, quote!(#index, #spelled)));
        }
        if let Some(file) = &column.file {
            checks.extend(call("file", file.span, quote!(#index, #spelled)));
        }
    }
    for index in &table.indexes {
        let name = if index.unique { "unique" } else { "index" };
        for (column, span) in &index.columns {
            let spelled = tokens::spelled(&table.columns[*column].ty);
            checks.extend(call(name, *span, quote!(#column, #spelled)));
        }
    }
    if let Some(store) = &table.blobs {
        checks.extend(call("blobs", store.span(), quote!()));
    }
    // A type spelled `Option<_>` or like a CRDT that is not the one meant would leave a column without a value.
    let left_out: Vec<usize> = table
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !column.is_id() && column.default.is_none() && column.may_be_left_out())
        .map(|(index, _)| index)
        .collect();
    if !left_out.is_empty() {
        checks.extend(call("left_out", ident.span(), quote!(&[#(#left_out),*])));
    }
    quote! {
        const _: () = {
            let __plasma_table = <#ident as #private::Table>::DEF;
            let _ = __plasma_table;
            #checks
        };
    }
}
