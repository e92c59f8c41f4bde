//! [`Rejection`] to tokens.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};

use super::model::{Data, Rejection, Variant};
use crate::{names, tokens};

/// The way to an error, and the way back. Each field's type is asked once, in a const that both ways use.
pub(crate) fn rejection(rejection: &Rejection, sound: bool) -> TokenStream {
    let krate = tokens::krate(rejection.krate.as_ref());
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let ident = &rejection.ident;
    let variants: Vec<Arms> = if sound {
        rejection.variants.iter().enumerate().map(|(index, variant)| arms(ident, index, variant)).collect()
    } else {
        Vec::new()
    };
    let consts = variants.iter().map(|arms| &arms.consts);
    // A stub stands in while something is wrong, so that `?` and `parse` are no errors too.
    let (error, parsed) = if sound {
        let (writes, reads) = (variants.iter().map(|arms| &arms.write), variants.iter().map(|arms| &arms.read));
        let error = quote!(match __plasma_rejection { #(#writes)* });
        let parsed = quote! {
            match __plasma_error.code() {
                #(#reads)*
                _ => ::core::option::Option::None,
            }
        };
        (error, parsed)
    } else {
        (quote!(::core::unreachable!()), quote!(::core::option::Option::None))
    };
    let (value, given) = if sound {
        (format_ident!("__plasma_rejection"), format_ident!("__plasma_error"))
    } else {
        (format_ident!("_"), format_ident!("_"))
    };
    quote! {
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #(#consts)*

            #[automatically_derived]
            impl ::core::convert::From<#ident> for #private::Error {
                fn from(#value: #ident) -> #private::Error {
                    #error
                }
            }

            #[automatically_derived]
            impl #private::Rejection for #ident {
                fn parse(#given: &#private::Error) -> ::core::option::Option<Self> {
                    #parsed
                }
            }
        };
    }
}

/// What one variant adds.
struct Arms {
    consts: TokenStream,
    write: TokenStream,
    read: TokenStream,
}

fn arms(ident: &Ident, index: usize, variant: &Variant) -> Arms {
    let private = tokens::private();
    let Variant { ident: name, code, message, data } = variant;
    let some = |value: TokenStream| quote!(#code => ::core::option::Option::Some(#value),);
    match data {
        // Braces fit a variant of any form.
        Data::Nothing => Arms {
            consts: TokenStream::new(),
            write: quote!(#ident::#name {} => #private::Error::rejected(#code, #message),),
            read: some(quote!(#ident::#name {})),
        },
        Data::Value(ty) => {
            let field = format_ident!("__PLASMA_{}", index);
            Arms {
                consts: field_const(&field, ty),
                write: quote! {
                    #ident::#name(__plasma_0) => #private::with_value(#code, #message, (#field.write)(&__plasma_0)),
                },
                read: some(quote!(#ident::#name((#field.read)(
                    __plasma_error.data().unwrap_or(&#private::serde_json::Value::Null)
                )?))),
            }
        }
        Data::Members(members) => {
            let fields: Vec<&Ident> = members.iter().map(|(field, _)| field).collect();
            let words: Vec<String> = fields.iter().map(|field| names::plain(field)).collect();
            let bound: Vec<Ident> = (0..members.len()).map(|member| format_ident!("__plasma_{}", member)).collect();
            let ways: Vec<Ident> =
                (0..members.len()).map(|member| format_ident!("__PLASMA_{}_{}", index, member)).collect();
            let consts = members.iter().zip(&ways).map(|((_, ty), way)| field_const(way, ty));
            Arms {
                consts: quote!(#(#consts)*),
                write: quote! {
                    #ident::#name { #(#fields: #bound),* } => #private::with_members(
                        #code,
                        #message,
                        [#((#words, (#ways.write)(&#bound))),*],
                    ),
                },
                read: some(quote!(#ident::#name {
                    #(#fields: (#ways.read)(#private::member(__plasma_error.data(), #words)?)?,)*
                })),
            }
        }
    }
}

/// How a field is written and read; at its type, which is to blame when it cannot be.
fn field_const(name: &Ident, ty: &TokenStream) -> TokenStream {
    let private = tokens::private();
    let span = tokens::span_of(ty);
    let at = tokens::private_at(span);
    let way = quote_spanned!(span=> #at::field_of::<#ty>());
    quote!(const #name: #private::FieldOf<#ty> = #way;)
}
