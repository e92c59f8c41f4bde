//! Tokens to [`Set`].

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::{FnArg, ImplItem, ImplItemFn, Item, Path, ReturnType, Type, Visibility};

use super::model::{Mutator, Set, Signature};
use crate::errors::Errors;
use crate::{messages, names, options, tokens};

const OPTIONS: &[&str] = &["name", "crate"];
const MUTATOR_OPTIONS: &[&str] = &["name", "alias", "upgrade", "server_only"];

/// Reads the set; nothing when the item is no `impl` block.
pub(crate) fn set(attribute: TokenStream, item: TokenStream, errors: &mut Errors) -> Option<Set> {
    let mut item = match syn::parse2::<Item>(item) {
        Ok(Item::Impl(item)) => item,
        Ok(other) => {
            errors.at_span(tokens::item_span(&other), messages::MUTATORS_NEEDS_IMPL);
            return None;
        }
        Err(error) => {
            errors.push(error);
            return None;
        }
    };
    let (schema, rest) = schema(attribute, errors);
    let mut krate = None;
    let mut prefix = match item.self_ty.as_ref() {
        Type::Path(path) => names::snake_case(&tokens::last_segment(&path.path)),
        _ => String::new(),
    };
    for entry in options::parse("option", OPTIONS, rest, errors) {
        match entry.name().as_str() {
            "name" => {
                if let Some(name) = entry.text(errors) {
                    prefix = name.value();
                    if !is_mutator_name(&prefix) {
                        errors.at(&name, messages::MUTATOR_NAME);
                    }
                }
            }
            _ => krate = entry.path(errors),
        }
    }
    let wrong = if let Some((path, _)) = &item.trait_ {
        Some((path.to_token_stream(), messages::MUTATORS_TRAIT))
    } else if !item.generics.params.is_empty() {
        Some((item.generics.to_token_stream(), messages::MUTATORS_GENERIC))
    } else if !matches!(item.self_ty.as_ref(), Type::Path(_)) {
        Some((item.self_ty.to_token_stream(), messages::MUTATORS_NEEDS_IMPL))
    } else {
        None
    };
    let owner = item.self_ty.to_token_stream();
    let mut mutators = Vec::new();
    for member in &mut item.items {
        let ImplItem::Fn(function) = member else { continue };
        let attributes = take_helpers(function);
        if matches!(function.vis, Visibility::Inherited) {
            if let Some(attribute) = attributes.first() {
                errors.at(attribute, messages::MUTATOR_ON_HELPER);
            }
        } else if wrong.is_none() {
            mutators.push(mutator(function, attributes, &prefix, &owner, errors));
        }
    }
    if let Some((tokens, message)) = wrong {
        errors.at(&tokens, message);
        return Some(Set { item, schema: None, krate, mutators: Vec::new() });
    }
    Some(Set { item, schema, krate, mutators })
}

/// The first word is the schema, the rest are options.
fn schema(attribute: TokenStream, errors: &mut Errors) -> (Option<Path>, TokenStream) {
    let mut trees = attribute.clone().into_iter();
    let is_comma =
        |tree: &proc_macro2::TokenTree| matches!(tree, proc_macro2::TokenTree::Punct(p) if p.as_char() == ',');
    let first: TokenStream = trees.by_ref().take_while(|tree| !is_comma(tree)).collect();
    match tokens::path.parse2(first.clone()) {
        Ok(path) => (Some(path), trees.collect()),
        Err(_) if first.is_empty() => {
            errors.at_span(Span::call_site(), messages::MUTATORS_NEEDS_SCHEMA);
            (None, trees.collect())
        }
        Err(_) => {
            errors.at(&first, messages::MUTATORS_NEEDS_SCHEMA);
            // `schema = App` or only options: read what can be read, so that a second mistake is told too.
            (None, trees.collect())
        }
    }
}

/// Removes `#[mutator(..)]`, which no derive could make known to the compiler.
fn take_helpers(function: &mut ImplItemFn) -> Vec<syn::Attribute> {
    let (helpers, others) =
        std::mem::take(&mut function.attrs).into_iter().partition(|attribute| tokens::is_helper(attribute, "mutator"));
    function.attrs = others;
    helpers
}

fn mutator(
    function: &ImplItemFn,
    attributes: Vec<syn::Attribute>,
    prefix: &str,
    owner: &TokenStream,
    errors: &mut Errors,
) -> Mutator {
    let ident = &function.sig.ident;
    let mut mutator = Mutator {
        function: ident.clone(),
        name: format!("{prefix}.{}", names::plain(ident)),
        name_span: ident.span(),
        cfg: function.attrs.iter().filter(|attribute| tokens::is_helper(attribute, "cfg")).cloned().collect(),
        aliases: Vec::new(),
        upgrade: None,
        server_only: false,
        args: None,
        signature: None,
    };
    for attribute in attributes {
        let Some(written) = tokens::helper_options(&attribute) else {
            errors.at(&attribute, "`#[mutator]` needs options: `#[mutator(server_only)]`");
            continue;
        };
        for entry in options::parse_some_repeated("mutator option", MUTATOR_OPTIONS, &["alias"], written, errors) {
            match entry.name().as_str() {
                "server_only" => mutator.server_only = entry.flag(errors).is_some(),
                "upgrade" => {
                    let path = entry.path(errors).map(ToTokens::into_token_stream);
                    mutator.upgrade = path.map(|path| tokens::replace_self(path, owner));
                }
                "alias" => {
                    let alias = entry.text(errors).map(|alias| (alias.value(), alias.span()));
                    if let Some((_, span)) = alias.as_ref().filter(|(alias, _)| !is_mutator_name(alias)) {
                        errors.at_span(*span, messages::MUTATOR_NAME);
                    }
                    mutator.aliases.extend(alias);
                }
                _ => {
                    if let Some(name) = entry.text(errors) {
                        mutator.name = name.value();
                        mutator.name_span = name.span();
                    }
                }
            }
        }
    }
    if !is_mutator_name(&mutator.name) {
        errors.at_span(mutator.name_span, messages::MUTATOR_NAME);
    }
    let sig = &function.sig;
    if let Some(FnArg::Typed(args)) = sig.inputs.iter().nth(2) {
        mutator.args = moved(&args.ty, owner).filter(|ty| !matches!(ty, Type::Reference(_) | Type::ImplTrait(_)));
    }
    mutator.signature = signature(function, owner, errors);
    mutator
}

/// Checks the signature, one message per role.
fn signature(function: &ImplItemFn, owner: &TokenStream, errors: &mut Errors) -> Option<Signature> {
    let sig = &function.sig;
    if sig.asyncness.is_none() {
        errors.at(&sig.ident, messages::MUTATOR_NOT_ASYNC);
        return None;
    }
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, messages::MUTATOR_SIGNATURE);
        return None;
    }
    let typed: Vec<&Type> = sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed.ty.as_ref()),
            FnArg::Receiver(_) => None,
        })
        .collect();
    if let Some(receiver) = sig.receiver() {
        errors.at(receiver, messages::MUTATOR_SIGNATURE);
        return None;
    }
    let [tx, ctx, args] = typed[..] else {
        if sig.inputs.is_empty() {
            errors.at(&sig.ident, messages::MUTATOR_SIGNATURE);
        } else {
            errors.at(&sig.inputs, messages::MUTATOR_SIGNATURE);
        }
        return None;
    };
    let tx = match ungrouped(tx) {
        tx @ Type::Reference(reference) if reference.mutability.is_some() => tx.to_token_stream(),
        other => {
            errors.at(other, messages::MUTATOR_TX);
            return None;
        }
    };
    let ctx = match ungrouped(ctx) {
        ctx @ Type::Reference(reference) if reference.mutability.is_none() => ctx.to_token_stream(),
        other => {
            errors.at(other, messages::MUTATOR_CTX);
            return None;
        }
    };
    if matches!(ungrouped(args), Type::Reference(_) | Type::ImplTrait(_)) {
        errors.at(args, messages::MUTATOR_ARGS);
        return None;
    }
    let output = match &sig.output {
        ReturnType::Type(_, ty) => ty.to_token_stream(),
        ReturnType::Default => {
            errors.at(&sig.ident, messages::MUTATOR_RETURN);
            return None;
        }
    };
    let moved = |ty| tokens::replace_self(ty, owner);
    Some(Signature { tx: moved(tx), ctx: moved(ctx), output: moved(output) })
}

/// The type as another item can name it.
fn moved(ty: &Type, owner: &TokenStream) -> Option<Type> {
    syn::parse2(tokens::replace_self(ty.to_token_stream(), owner)).ok()
}

fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        Type::Paren(paren) => ungrouped(&paren.elem),
        other => other,
    }
}

fn is_mutator_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// For messages and comparisons: where a mutator's arguments are named.
impl Mutator {
    /// The arguments' type as written.
    pub(crate) fn args_name(&self) -> Option<String> {
        self.args.as_ref().map(tokens::spelled)
    }
}
