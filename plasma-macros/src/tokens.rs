//! Small things done to tokens.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::parse::ParseStream;
use syn::{Attribute, Expr, ExprLit, Field, Item, Lit, LitStr, Meta, Path, Token, Type, punctuated::Punctuated};

use crate::errors::Errors;
use crate::names;

/// For a generated item: lints that an application turns on are about its own code. Some of what is generated stands
/// at the user's tokens, where lints look.
pub(crate) fn quiet() -> TokenStream {
    quote!(#[allow(
        clippy::all,
        clippy::pedantic,
        clippy::nursery,
        deprecated,
        unused_lifetimes,
        unused_qualifications
    )])
}

/// Where the expansion finds the library: `::plasma`, or the path of `crate = ..`.
pub(crate) fn krate(path: Option<&Path>) -> TokenStream {
    path.map_or_else(|| quote!(::plasma), ToTokens::into_token_stream)
}

/// `plasma::__private` as serde is told about it, which is as text, and an item that makes the name known. `$crate`
/// means nothing in text: a library's `macro_rules!` macro gets a name of its own for it.
pub(crate) fn private_as_text(krate: &TokenStream, item: &Ident) -> (String, TokenStream) {
    let path = spelled(&quote!(#krate::__private));
    if !path.contains('$') {
        return (path, TokenStream::new());
    }
    let alias = format_ident!("__plasma_of_{}", names::plain(item));
    let known = quote! {
        #[doc(hidden)]
        #[allow(unused_imports, non_snake_case)]
        use #krate::__private as #alias;
    };
    (alias.to_string(), known)
}

/// The name under which an expansion knows `plasma::__private`, inside its anonymous const.
pub(crate) fn private() -> Ident {
    format_ident!("__plasma")
}

/// The same name at another place: what is not at a token of the user's is blamed on the whole attribute.
pub(crate) fn private_at(span: Span) -> Ident {
    Ident::new("__plasma", span)
}

/// A local variable of the expansion, also `self`, where it is used at a token of the user's. Items are found from
/// everywhere, but a local only where its name has the hygiene of its declaration: fields, types and options that a
/// `macro_rules!` macro was given have another one than the attribute it wrote.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::call_site())
}

/// Replaces `Self` by the type, at any depth: for types that move into another item.
pub(crate) fn replace_self(tokens: TokenStream, with: &TokenStream) -> TokenStream {
    tokens
        .into_iter()
        .flat_map(|tree| match tree {
            TokenTree::Ident(ident) if ident == "Self" => respan(with.clone(), ident.span()),
            TokenTree::Group(group) => {
                let mut replaced = Group::new(group.delimiter(), replace_self(group.stream(), with));
                replaced.set_span(group.span());
                TokenTree::Group(replaced).into()
            }
            other => other.into(),
        })
        .collect()
}

/// The same tokens, all at one place.
pub(crate) fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|tree| match tree {
            TokenTree::Group(group) => {
                let mut moved = Group::new(group.delimiter(), respan(group.stream(), span));
                moved.set_span(span);
                TokenTree::Group(moved)
            }
            mut other => {
                other.set_span(span);
                other
            }
        })
        .collect()
}

/// Where these tokens stand: their joined span where the compiler can join, else the first one's.
pub(crate) fn span_of(tokens: &impl ToTokens) -> Span {
    let tokens = tokens.to_token_stream();
    let mut spans = tokens.into_iter().map(|tree| tree.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    spans.last().and_then(|last| first.join(last)).unwrap_or(first)
}

/// A type as people write it, for messages: `Option<Id<Todo>>`.
pub(crate) fn spelled(ty: &impl ToTokens) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (loose, tight) in
        [(" < ", "<"), (" > ", "> "), (" >", ">"), (" :: ", "::"), (" , ", ", "), ("& ", "&"), ("< ", "<"), (" ,", ",")]
    {
        text = text.replace(loose, tight);
    }
    while text.contains("> >") {
        text = text.replace("> >", ">>");
    }
    let text = text.trim();
    text.strip_prefix(":: ").map_or_else(|| text.to_owned(), |path| format!("::{path}"))
}

/// An expression as people write it, for messages: `Stock::qty.gte(0)`.
pub(crate) fn spelled_expr(expr: &impl ToTokens) -> String {
    let mut text = spelled(expr);
    for (loose, tight) in [(" . ", "."), (" (", "("), ("( ", "("), (" )", ")"), ("- ", "-"), ("! ", "!")] {
        text = text.replace(loose, tight);
    }
    text
}

/// The doc comments among these attributes.
pub(crate) fn docs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect()
}

/// The doc comments, or one that says `otherwise`: what is generated as `pub` has documentation.
pub(crate) fn docs_or(docs: &[Attribute], otherwise: &str) -> TokenStream {
    if docs.is_empty() { quote!(#[doc = #otherwise]) } else { quote!(#(#docs)*) }
}

/// The traits in `#[derive(..)]` attributes that the macro can see, which are those written below it.
pub(crate) fn derives(attributes: &[Attribute]) -> Vec<Path> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .filter_map(|attribute| attribute.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok())
        .flatten()
        .collect()
}

/// The last segment of a path, as text.
pub(crate) fn last_segment(path: &Path) -> String {
    path.segments.last().map_or_else(String::new, |segment| names::plain(&segment.ident))
}

/// Whether the type is *spelled* `Option<_>`. Used for convenience only; what decides is `ColumnType::NULLABLE`.
pub(crate) fn spelled_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().is_some_and(|segment| {
            segment.ident == "Option" && matches!(segment.arguments, syn::PathArguments::AngleBracketed(_))
        }),
        Type::Group(group) => spelled_option(&group.elem),
        Type::Paren(paren) => spelled_option(&paren.elem),
        _ => false,
    }
}

/// Whether the type is spelled `Text`: a CRDT, or a type of the application, which may well have a default.
pub(crate) fn spelled_text(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Text"))
}

/// Whether the type is spelled like a CRDT that begins empty.
pub(crate) fn spelled_empty(ty: &Type) -> bool {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().is_some_and(|segment| {
            let generic = matches!(segment.arguments, syn::PathArguments::AngleBracketed(_));
            match segment.ident.to_string().as_str() {
                "GCounter" | "PnCounter" | "Text" => !generic,
                "OrSet" => generic,
                _ => false,
            }
        }),
        Type::Group(group) => spelled_empty(&group.elem),
        Type::Paren(paren) => spelled_empty(&paren.elem),
        _ => false,
    }
}

/// A string literal at a place.
pub(crate) fn text(value: &str, span: Span) -> LitStr {
    LitStr::new(value, span)
}

/// A path that can stand in a program: `syn` takes the keyword `try` for a segment too.
pub(crate) fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    without_try(input.parse()?)
}

/// [`path`] without generic arguments.
pub(crate) fn plain_path(input: ParseStream<'_>) -> syn::Result<Path> {
    without_try(Path::parse_mod_style(input)?)
}

fn without_try(path: Path) -> syn::Result<Path> {
    match path.segments.iter().find(|segment| segment.ident == "try") {
        Some(segment) => Err(syn::Error::new(segment.ident.span(), "expected identifier, found keyword `try`")),
        None => Ok(path),
    }
}

/// Whether the field is `_: Type`, which `syn` reads and the compiler has refused before the macro ran: there is
/// nothing to say, and nothing to write about such a field.
pub(crate) fn is_unnamed(field: &Field) -> bool {
    field.ident.as_ref().is_some_and(|ident| ident == "_")
}

/// The part of a struct's `#[serde(..)]` that can stand on the structs that are generated beside it too: the rest
/// (`default`, `from`, `into`, ..) is about what the struct itself has.
pub(crate) fn serde_of_every_struct(attribute: &Attribute) -> Option<Attribute> {
    const KEPT: &[&str] = &["rename_all", "deny_unknown_fields", "crate"];
    let all = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let kept: Vec<Meta> = all.into_iter().filter(|meta| KEPT.iter().any(|name| meta.path().is_ident(name))).collect();
    (!kept.is_empty()).then(|| syn::parse_quote!(#[serde(#(#kept),*)]))
}

/// Whether this is the attribute `name`, and not something that only looks like it.
pub(crate) fn is_helper(attribute: &Attribute, name: &str) -> bool {
    attribute.path().is_ident(name)
}

/// Removes a second `#[plasma::table]` and so on, which would declare everything a second time.
pub(crate) fn take_repeated(name: &str, attributes: &mut Vec<Attribute>, errors: &mut Errors) {
    attributes.retain(|attribute| {
        let segments = &attribute.path().segments;
        let repeated = segments.len() == 2 && segments[0].ident == "plasma" && segments[1].ident == name;
        if repeated {
            errors.at(attribute, format_args!("`#[plasma::{name}]` is given twice"));
        }
        !repeated
    });
}

/// Whether the attribute makes the field, or its options `helper`, conditional. `#[cfg_attr(.., serde(..))]` does not.
pub(crate) fn is_conditional(attribute: &Attribute, helper: &str) -> bool {
    if !is_helper(attribute, "cfg_attr") {
        return is_helper(attribute, "cfg");
    }
    let given = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    given
        .is_ok_and(|given| given.iter().skip(1).any(|meta| meta.path().is_ident(helper) || meta.path().is_ident("cfg")))
}

/// The options inside a helper attribute: `#[column(..)]` gives `..`. `None` for `#[column]` and `#[column = ..]`.
pub(crate) fn helper_options(attribute: &Attribute) -> Option<TokenStream> {
    match &attribute.meta {
        Meta::List(list) => Some(list.tokens.clone()),
        _ => None,
    }
}

/// The expression as it was written, where a `macro_rules!` macro has passed it on in an invisible group
/// (`$name:literal`, `$value:expr`).
pub(crate) fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        other => other,
    }
}

/// Whether the expression is the literal `null` or `None`, which is never a default.
pub(crate) fn is_null_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Path(path) => path.path.is_ident("None") || path.path.is_ident("null"),
        Expr::Lit(ExprLit { lit: Lit::Verbatim(text), .. }) => text.to_string() == "null",
        _ => false,
    }
}

/// The token that says what kind of item it is.
pub(crate) fn item_span(item: &Item) -> Span {
    match item {
        Item::Enum(item) => item.ident.span(),
        Item::Union(item) => item.ident.span(),
        Item::Fn(item) => item.sig.ident.span(),
        Item::Impl(item) => item.impl_token.span,
        Item::Mod(item) => item.ident.span(),
        Item::Trait(item) => item.ident.span(),
        Item::Type(item) => item.ident.span(),
        other => span_of(&other.to_token_stream()),
    }
}
