//! What every macro promises, whatever it is fed with.

use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Fields, File, ImplItem, Item};

use super::{Case, Macro, tree};

/// What became of a case that keeps the promises.
pub(super) struct Verdict {
    /// Whether the item was one that Rust can parse.
    pub(super) parsed: bool,
    /// Whether the macro had nothing to complain about.
    pub(super) clean: bool,
}

/// A broken promise.
#[derive(Debug)]
pub(super) enum Failure {
    /// The macro panicked.
    Panic(String),
    /// What came out is not Rust although the item was.
    NotRust(String),
    /// The user's item is not in what came out.
    Lost(String),
    /// A derive gave something else than impls and errors.
    Extra(String),
    /// The item is not Rust and nobody says so.
    Silent(String),
}

impl Failure {
    /// Which promise: what shrinking must keep.
    pub(super) fn kind(&self) -> std::mem::Discriminant<Failure> {
        std::mem::discriminant(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Panic(message) => write!(f, "it panics: {message}"),
            Failure::NotRust(message) => write!(f, "what comes out is not Rust: {message}"),
            Failure::Lost(output) => write!(f, "the item is not in what comes out: {output}"),
            Failure::Extra(item) => write!(f, "a derive emits more than impls: {item}"),
            Failure::Silent(output) => write!(f, "nobody says that the item is not Rust: {output}"),
        }
    }
}

/// Expands a case and holds the macro to its promises.
pub(super) fn judge(mac: Macro, case: &Case) -> Result<Verdict, Failure> {
    let (options, item) = (tree::stream(&case.options), tree::stream(&case.item));
    let output = quietly(|| match mac {
        Macro::Attribute(expand) => expand(options, item.clone()),
        Macro::Derive(expand) => expand(item.clone()),
    })
    .map_err(Failure::Panic)?;
    let errors = output.to_string().matches("compile_error").count();
    let parsed = syn::parse2::<Item>(item.clone());
    match mac {
        Macro::Attribute(_) => match &parsed {
            Ok(item) => contains(&rust(output.clone())?, item).then_some(()).ok_or_else(|| lost(&output))?,
            Err(_) => given_back(item, output)?,
        },
        // The compiler calls a derive only with an item that it could parse.
        Macro::Derive(_) => {
            for item in &rust(output)?.items {
                if !matches!(item, Item::Impl(_) | Item::Const(_) | Item::Macro(_)) {
                    return Err(Failure::Extra(item.to_token_stream().to_string()));
                }
            }
        }
    }
    Ok(Verdict { parsed: parsed.is_ok(), clean: errors == 0 })
}

fn rust(output: TokenStream) -> Result<File, Failure> {
    syn::parse2::<File>(output.clone()).map_err(|error| Failure::NotRust(format!("{error}: {output}")))
}

fn lost(output: &TokenStream) -> Failure {
    Failure::Lost(output.to_string())
}

/// What is no item comes back token by token, and an error after it: the compiler complains about both at their places.
fn given_back(item: TokenStream, output: TokenStream) -> Result<(), Failure> {
    let text = |tree: &TokenTree| tree.to_string();
    let given: Vec<TokenTree> = item.into_iter().collect();
    let whole = output.clone();
    let mut output = output.into_iter();
    let back: Vec<TokenTree> = output.by_ref().take(given.len()).collect();
    if !given.iter().map(text).eq(back.iter().map(text)) {
        return Err(lost(&whole));
    }
    let rest = rust(output.collect())?;
    if !rest.items.iter().any(|item| matches!(item, Item::Macro(_))) {
        return Err(Failure::Silent(whole.to_string()));
    }
    Ok(())
}

/// Whether the item is among these. Macros may add attributes, and take the ones that are for them from members, where
/// no derive could make them known.
fn contains(file: &File, item: &Item) -> bool {
    let (bare, kept) = (bare(item), attributes(item));
    file.items.iter().any(|found| {
        let there = attributes(found);
        self::bare(found) == bare && kept.iter().all(|attribute| there.contains(attribute))
    })
}

/// The item without attributes, at any depth that macros look at.
fn bare(item: &Item) -> Vec<String> {
    let mut item = item.clone();
    each_attributes(&mut item, &mut |attributes| attributes.clear());
    tree::flat(item.into_token_stream())
}

fn attributes(item: &Item) -> Vec<String> {
    let mut texts = Vec::new();
    each_attributes(&mut item.clone(), &mut |attributes| {
        for attribute in attributes {
            let path = attribute.path();
            // `#[plasma::table]` given a second time is taken, too.
            let own = path.segments.len() == 2 && path.segments[0].ident == "plasma";
            if !path.is_ident("mutator") && !own {
                texts.push(tree::flat(attribute.to_token_stream()).join(" "));
            }
        }
    });
    texts
}

fn each_attributes(item: &mut Item, visit: &mut dyn FnMut(&mut Vec<syn::Attribute>)) {
    match item {
        Item::Struct(item) => {
            visit(&mut item.attrs);
            if let Fields::Named(fields) = &mut item.fields {
                fields.named.iter_mut().for_each(|field| visit(&mut field.attrs));
            }
        }
        Item::Impl(item) => {
            visit(&mut item.attrs);
            for member in &mut item.items {
                if let ImplItem::Fn(function) = member {
                    visit(&mut function.attrs);
                }
            }
        }
        Item::Enum(item) => visit(&mut item.attrs),
        Item::Union(item) => visit(&mut item.attrs),
        _ => {}
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs it; a panic is its message, and not printed.
fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}
