//! [`Column`] to tokens.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Member, Type};

use super::model::{Column, Shape, Variant};
use crate::{names, tokens};

/// The whole expansion.
pub(crate) fn column(column: &Column) -> TokenStream {
    let krate = tokens::krate(column.krate.as_ref());
    let private = tokens::private();
    let ident = &column.ident;
    let impls = match &column.shape {
        Shape::Newtype { field, inner } => newtype(ident, field, inner),
        Shape::Enum(variants) => unit_enum(ident, variants),
        Shape::Nothing => nothing(ident),
    };
    quote! {
        #[allow(clippy::all, clippy::pedantic, clippy::nursery)]
        const _: () = {
            use #krate::__private as #private;

            #impls

            #[automatically_derived]
            impl #private::Scalar for #ident {}

            #private::column_operands! { [] #ident => #ident }
        };
    }
}

/// Everything is the inner type's. Capabilities are forwarded by a bound that the compiler must not decide here
/// (`for<'a>` keeps it open), so that a newtype has an order exactly when its field has one.
fn newtype(ident: &Ident, field: &Member, inner: &Type) -> TokenStream {
    let span = tokens::span_of(inner);
    let private = tokens::private_at(span);
    let as_column = quote_spanned!(span=> <#inner as #private::ColumnType>);
    let forwarded = ["Ordered", "Textual"].map(|capability| {
        let capability = Ident::new(capability, span);
        quote_spanned! {span=>
            #[automatically_derived]
            impl #private::#capability for #ident where for<'__plasma> #inner: #private::#capability {}
        }
    });
    let message = format!(
        "`{}` cannot be nullable by itself: make its field a plain type, and write `Option<{0}>` in the table",
        names::plain(ident)
    );
    // All of it at the field's type: the same error in several places is then reported once.
    quote_spanned! {span=>
        #[automatically_derived]
        impl #private::ColumnType for #ident {
            const KIND: #private::Kind = {
                ::core::assert!(!#as_column::NULLABLE, #message);
                #as_column::KIND
            };
            const REFERENCES: ::core::option::Option<&'static str> = #as_column::REFERENCES;
            type NonNull = Self;
            type Literal = #as_column::Literal;
            fn literal(__plasma_literal: Self::Literal) -> #private::Value {
                #as_column::literal(__plasma_literal)
            }
            fn into_value(self) -> #private::Result<#private::Value> {
                #as_column::into_value(self.#field)
            }
            fn from_value(__plasma_value: #private::Value) -> #private::Result<Self> {
                #as_column::from_value(__plasma_value).map(|__plasma_inner| #ident { #field: __plasma_inner })
            }
        }
        #(#forwarded)*
    }
}

/// One text per variant. An enum has no order: its texts would sort by their letters.
fn unit_enum(ident: &Ident, variants: &[Variant]) -> TokenStream {
    let private = tokens::private();
    let name = names::plain(ident);
    let idents: Vec<&Ident> = variants.iter().map(|variant| &variant.ident).collect();
    let texts: Vec<&String> = variants.iter().map(|variant| &variant.text).collect();
    quote! {
        #[automatically_derived]
        impl #private::ColumnType for #ident {
            const KIND: #private::Kind = #private::Kind::Text;
            type NonNull = Self;
            type Literal = Self;
            fn literal(__plasma_literal: Self) -> #private::Value {
                #private::text_value(match __plasma_literal { #(#ident::#idents => #texts,)* })
            }
            fn into_value(self) -> #private::Result<#private::Value> {
                ::core::result::Result::Ok(<Self as #private::ColumnType>::literal(self))
            }
            fn from_value(__plasma_value: #private::Value) -> #private::Result<Self> {
                match #private::variant_text(&__plasma_value, #name)? {
                    #(#texts => ::core::result::Result::Ok(#ident::#idents),)*
                    __plasma_other => ::core::result::Result::Err(#private::unknown_variant(__plasma_other, #name)),
                }
            }
        }
    }
}

/// Stands in while the type has a mistake, so that tables with such a column have none.
fn nothing(ident: &Ident) -> TokenStream {
    let private = tokens::private();
    quote! {
        #[automatically_derived]
        impl #private::ColumnType for #ident {
            const KIND: #private::Kind = #private::Kind::Text;
            type NonNull = Self;
            type Literal = Self;
            fn literal(_: Self) -> #private::Value { ::core::unreachable!() }
            fn into_value(self) -> #private::Result<#private::Value> { ::core::unreachable!() }
            fn from_value(_: #private::Value) -> #private::Result<Self> { ::core::unreachable!() }
        }
    }
}
