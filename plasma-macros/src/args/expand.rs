//! [`Args`] to tokens.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Fields, ItemStruct, Path, Type, parse_quote_spanned};

use super::model::{Args, FieldRules, Limits};
use crate::{names, tokens};

/// The whole expansion; without the application's `Validate` when something is wrong already.
pub(crate) fn args(args: &Args, sound: bool) -> TokenStream {
    let krate = tokens::krate(args.krate.as_ref());
    if args.generic {
        let item = &args.item;
        return quote!(#[derive(#krate::__private::ArgsAttrs)] #item);
    }
    let (private, quiet) = (tokens::private(), tokens::quiet());
    let (text, known) = tokens::private_as_text(&krate, &args.item.ident);
    let item = with_trimming(args, &text);
    let derives = ["Serialize", "Deserialize"].map(|name| {
        let ident = quote::format_ident!("{name}");
        (!args.derived.iter().any(|derived| derived == name)).then(|| quote!(#krate::__private::serde::#ident,))
    });
    let serde = format!("{text}::serde");
    let ident = &item.ident;
    let (this, checks) = (tokens::local("self"), tokens::local("__plasma_checks"));
    // Those of a sealed field are about what is in it: they are checked before it is sealed.
    let open = args.rules.iter().filter(|rules| !rules.sealed);
    let rules = open.map(|of| rules(of, &of.ty.to_token_stream()));
    let plain = super::seal::plain(args, &krate, sound);
    let validate = (args.validate && sound)
        .then(|| quote_spanned!(ident.span()=> <#ident as #private::Validate>::validate(#this, #checks);));
    // The adapters are traits at the struct's name: which crate is missing is theirs to tell.
    let foreign = [(args.garde, "ValidByGarde"), (args.validator, "ValidByValidator")].into_iter().filter_map(
        |(option, adapter)| {
            let adapter = quote::format_ident!("{adapter}", span = ident.span());
            option
                .filter(|_| sound)
                .map(|_| quote_spanned!(ident.span()=> <#ident as #private::#adapter>::check(#this, #checks);))
        },
    );
    let foreign: TokenStream = foreign.collect();
    let (bounds, fields) = own_types(args);
    quote! {
        #[derive(#krate::__private::ArgsAttrs, #(#derives)*)]
        #[serde(crate = #serde #bounds)]
        #item
        #known
        #quiet
        const _: () = {
            use #krate::__private as #private;

            #[automatically_derived]
            impl #private::MutatorArgs for #ident {
                fn from_json(__plasma_json: &str) -> #private::serde_json::Result<Self> {
                    use #private::args::Border as _;
                    (&#private::args::Probe::<Self>::new()).read(__plasma_json)
                }
                fn to_json(&self) -> #private::serde_json::Result<::std::string::String> {
                    use #private::args::Border as _;
                    (&#private::args::Probe::<Self>::new()).write(self)
                }
                fn check(&self, __plasma_checks: &mut #private::Checks) {
                    let _ = &__plasma_checks;
                    #(#rules)*
                    #validate
                    #foreign
                }
            }

            #fields
        };
        #plain
    }
}

/// For the types a macro cannot know: serde's bounds, under which the derives compile whatever the types are, and one
/// question for each type at its place.
fn own_types(args: &Args) -> (TokenStream, TokenStream) {
    let Fields::Named(fields) = &args.item.fields else { return Default::default() };
    // Bounds are written as text, in which `$crate` means nothing; and the application's own bounds stand over ours.
    let has_own = says(&args.item.attrs, &["bound", "from", "into", "remote"]);
    let (mut serialize, mut deserialize, mut asked) = (String::new(), String::new(), TokenStream::new());
    let mut seen = Vec::new();
    for field in &fields.named {
        let (ty, spelled) = (&field.ty, tokens::spelled(&field.ty));
        let by_hand = says(&field.attrs, &["bound", "with", "skip", "flatten"]);
        if is_known(ty) || by_hand || has_own || spelled.contains(['$', '\'']) || seen.contains(&spelled) {
            continue;
        }
        serialize.push_str(&format!("for<'__plasma> {spelled}: _serde::Serialize, "));
        deserialize.push_str(&format!("for<'__plasma> {spelled}: _serde::Deserialize<'__plasma>, "));
        let blamed = innermost(ty);
        let span = tokens::span_of(blamed);
        let private = tokens::private_at(span);
        asked.extend(quote_spanned!(span=> const _: fn() = #private::args::field::<#blamed>;));
        seen.push(spelled);
    }
    if seen.is_empty() {
        return Default::default();
    }
    (quote!(, bound(serialize = #serialize, deserialize = #deserialize)), asked)
}

/// Whether an attribute of serde has one of these words in it: then the application says how it is read and written.
fn says(attributes: &[Attribute], words: &[&str]) -> bool {
    attributes
        .iter()
        .filter(|attribute| tokens::is_helper(attribute, "serde"))
        .filter_map(|attribute| attribute.meta.require_list().ok())
        .any(|list| words.iter().any(|word| list.tokens.to_string().contains(word)))
}

/// The type in the options and lists around it.
fn innermost(ty: &Type) -> &Type {
    if let Type::Path(path) = ty
        && let Some(last) = path.path.segments.last()
        && (last.ident == "Option" || last.ident == "Vec")
        && let syn::PathArguments::AngleBracketed(inner) = &last.arguments
        && let (1, Some(syn::GenericArgument::Type(inner))) = (inner.args.len(), inner.args.first())
    {
        return innermost(inner);
    }
    ty
}

/// Types that can be fields for certain, by their usual names: most are, and their derives stay as they are.
fn is_known(ty: &Type) -> bool {
    const KNOWN: &[&str] = &["String", "bool", "i32", "i64", "f64", "u8", "u32", "u64", "usize", "Id", "Timestamp"];
    let Type::Path(path) = ty else { return false };
    let Some(last) = path.path.segments.last() else { return false };
    match &last.arguments {
        _ if KNOWN.iter().any(|known| last.ident == known) => true,
        syn::PathArguments::AngleBracketed(inner) if last.ident == "Option" || last.ident == "Vec" => {
            inner.args.iter().all(|inner| matches!(inner, syn::GenericArgument::Type(ty) if is_known(ty)))
        }
        _ => false,
    }
}

/// Text is trimmed when the arguments are read, which both sides do.
fn with_trimming(args: &Args, private: &str) -> ItemStruct {
    let mut item = args.item.clone();
    let Fields::Named(fields) = &mut item.fields else { return item };
    for field in &mut fields.named {
        let rules = args.rules.iter().find(|rules| Some(&rules.field) == field.ident.as_ref() && !rules.sealed);
        let Some(span) = rules.and_then(|rules| rules.trim) else { continue };
        let path = tokens::text(&format!("{private}::rules::trimmed"), span);
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

/// The rules of a field that holds a `ty`.
pub(super) fn rules(rules: &FieldRules, ty: &TokenStream) -> TokenStream {
    let field = &rules.field;
    let name = names::plain(field);
    let span = tokens::span_of(&rules.ty);
    let private = tokens::private_at(span);
    let (this, checks) = (tokens::local("self"), tokens::local("__plasma_checks"));
    let trim = rules.trim.is_some();
    let len = rules.len.as_ref().map(|limits| {
        let (from, to) = bounds(limits);
        quote_spanned!(span=> #private::rules::len::<#ty>(#checks, #name, &#this.#field, #trim, #from, #to);)
    });
    let range = rules.range.as_ref().map(|limits| {
        let (from, to) = bounds(limits);
        quote_spanned!(span=> #private::rules::range::<#ty, _>(#checks, #name, &#this.#field, #from, #to);)
    });
    let email = rules
        .email
        .is_some()
        .then(|| quote_spanned!(span=> #private::rules::email::<#ty>(#checks, #name, &#this.#field, #trim);));
    quote!(#len #range #email)
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
