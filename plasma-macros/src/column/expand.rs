//! [`Column`] to tokens.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Lit, Member, Type};

use super::model::{Column, Other, Shape, Stored, Variants};
use crate::{names, tokens};

/// The whole expansion.
pub(crate) fn column(column: &Column) -> TokenStream {
    let krate = tokens::krate(column.krate.as_ref());
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let ident = &column.ident;
    let impls = match &column.shape {
        Shape::Newtype { field, inner, numeric, text } => {
            let capabilities = [numeric.then(|| numbers(ident, inner)), text.then(|| texts(ident, inner))];
            let newtype = newtype(ident, field, inner);
            quote!(#newtype #(#capabilities)*)
        }
        Shape::Enum(variants) => one_of(ident, variants),
        Shape::Nothing => nothing(ident),
    };
    quote! {
        #quiet
        #[allow(unreachable_patterns)]
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
    let itself = quote_spanned!(span=> type Itself = Self;);
    let forwarded = [("Ordered", Some(itself)), ("Textual", None), ("SetElement", None)].map(|(capability, body)| {
        let capability = Ident::new(capability, span);
        quote_spanned! {span=>
            #[automatically_derived]
            impl #private::#capability for #ident where for<'__plasma> #inner: #private::#capability {
                #body
            }
        }
    });
    let message = format!(
        "`{}` cannot be nullable by itself: make its field a plain type, and write `Option<{0}>` in the table",
        names::plain(ident)
    );
    let crdt = format!(
        "`{}` cannot wrap a CRDT: its operations are those of the CRDT's own type; write that one in the table",
        names::plain(ident)
    );
    // All of it at the field's type: the same error in several places is then reported once.
    quote_spanned! {span=>
        #[automatically_derived]
        impl #private::ColumnType for #ident {
            const KIND: #private::Kind = {
                ::core::assert!(!#as_column::NULLABLE, #message);
                ::core::assert!(!::core::matches!(#as_column::KIND, #private::Kind::Crdt(_)), #crdt);
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

/// `numeric`: the field must be a number.
fn numbers(ident: &Ident, inner: &Type) -> TokenStream {
    let span = tokens::span_of(inner);
    let private = tokens::private_at(span);
    let message = "`numeric` is for newtypes of numbers: `i32`, `i64`, `f64` and `Fixed<N>`";
    quote_spanned! {span=>
        const _: () = ::core::assert!(#private::is_number(<#inner as #private::ColumnType>::KIND), #message);
        #private::numeric_newtype! { #ident, #inner }
    }
}

/// `text`: the field must be text, and the column is compared with `&str` too.
fn texts(ident: &Ident, inner: &Type) -> TokenStream {
    let span = tokens::span_of(inner);
    let private = tokens::private_at(span);
    let check = quote_spanned!(span=> const _: () = #private::holds_text::<#inner>(););
    let private = tokens::private();
    quote! {
        #check
        #private::text_operands! { #ident }
    }
}

/// One value per variant. Numbers have an order; texts have none, as they would sort by their letters.
fn one_of(ident: &Ident, variants: &Variants) -> TokenStream {
    let private = tokens::private();
    let name = names::plain(ident);
    let idents: Vec<&Ident> = variants.known.iter().map(|variant| &variant.ident).collect();
    let values: Vec<&Lit> = variants.known.iter().map(|variant| &variant.value).collect();
    let (kind, value, read) = match variants.stored {
        Stored::Text => (quote!(Text), quote!(text_value), quote!(variant_text)),
        Stored::Int => (quote!(Int), quote!(int_value), quote!(variant_int)),
    };
    let other = other(ident, &name, variants);
    let (written, default, read_other) = (other.written, other.default, other.read);
    let order = (variants.stored == Stored::Int).then(|| {
        quote! {
            #[automatically_derived]
            impl #private::Ordered for #ident {
                type Itself = Self;
            }
        }
    });
    let check = other.check;
    quote! {
        #[automatically_derived]
        impl #private::ColumnType for #ident {
            const KIND: #private::Kind = #private::Kind::#kind;
            type NonNull = Self;
            type Literal = Self;
            fn literal(__plasma_literal: Self) -> #private::Value {
                match __plasma_literal {
                    #(#ident::#idents => #private::#value(#values),)*
                    #default
                }
            }
            fn into_value(self) -> #private::Result<#private::Value> {
                match self {
                    #written
                    __plasma_known => ::core::result::Result::Ok(<Self as #private::ColumnType>::literal(__plasma_known)),
                }
            }
            fn from_value(__plasma_value: #private::Value) -> #private::Result<Self> {
                match #private::#read(&__plasma_value, #name)? {
                    #(#values => ::core::result::Result::Ok(#ident::#idents),)*
                    #read_other
                }
            }
        }
        #[automatically_derived]
        impl #private::SetElement for #ident {}
        #order
        #check
    }
}

/// What the variant `#[column(other)]` adds.
#[derive(Default)]
struct OtherArms {
    /// A check of the type it keeps the value in.
    check: TokenStream,
    /// The arm of a write.
    written: TokenStream,
    /// The arm of a default.
    default: TokenStream,
    /// The arm of an unknown value.
    read: TokenStream,
}

fn other(ident: &Ident, name: &str, variants: &Variants) -> OtherArms {
    let private = tokens::private();
    let Some(Other { ident: other, keeps }) = &variants.other else {
        let read = quote! {
            __plasma_other => ::core::result::Result::Err(#private::unknown_variant(__plasma_other, #name)),
        };
        return OtherArms { read, ..OtherArms::default() };
    };
    let Some(keeps) = keeps else {
        let text = format!("{name}::{}", names::plain(other));
        return OtherArms {
            written: quote!(#ident::#other => ::core::result::Result::Err(#private::other_is_not_stored(#text)),),
            // A column that is not null then refuses the row.
            default: quote!(#ident::#other => #private::Value::Null,),
            read: quote!(_ => ::core::result::Result::Ok(#ident::#other),),
            ..OtherArms::default()
        };
    };
    let (kind, words) = match variants.stored {
        Stored::Text => (quote!(Text), "text: `Other(String)`"),
        Stored::Int => (quote!(Int), "a number: `Other(i32)`"),
    };
    let message = format!("the `other` variant of `{name}` must keep {words}");
    // All of it at the field's type: the same error in several places is then reported once.
    let span = tokens::span_of(keeps);
    let private = tokens::private_at(span);
    let as_column = quote_spanned!(span=> <#keeps as #private::ColumnType>);
    let value = tokens::local("__plasma_value");
    OtherArms {
        check: quote_spanned! {span=>
            const _: () = ::core::assert!(
                ::core::matches!(#as_column::KIND, #private::Kind::#kind) && !#as_column::NULLABLE,
                #message
            );
        },
        written: quote_spanned!(span=> #ident::#other(__plasma_kept) => #as_column::into_value(__plasma_kept),),
        default: quote_spanned! {span=>
            #ident::#other(__plasma_kept) => #as_column::into_value(__plasma_kept).unwrap_or(#private::Value::Null),
        },
        read: quote_spanned!(span=> _ => #as_column::from_value(#value).map(#ident::#other),),
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
