//! The one grammar of options: `key`, `key = value`, `key(..)`, separated by commas.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprLit, Lit, LitStr, Path, Token, Type, parenthesized};

use crate::errors::Errors;
use crate::{names, tokens};

/// What follows a key.
pub(crate) enum Value {
    /// Nothing.
    Flag,
    /// `= value`.
    Assigned(TokenStream),
    /// `(..)`.
    List(TokenStream),
}

/// One option as written.
pub(crate) struct Entry {
    /// The key, to point at.
    pub(crate) key: Ident,
    /// What follows it.
    pub(crate) value: Value,
}

impl Entry {
    /// The key as text.
    pub(crate) fn name(&self) -> String {
        names::plain(&self.key)
    }

    /// The tokens to blame for a wrong value: the value, or the key when there is none.
    fn blamed(&self) -> TokenStream {
        match &self.value {
            Value::Assigned(value) if !value.is_empty() => value.clone(),
            Value::List(list) if !list.is_empty() => list.clone(),
            _ => self.key.to_token_stream(),
        }
    }

    /// The key alone.
    pub(crate) fn flag(&self, errors: &mut Errors) -> Option<Span> {
        if !matches!(self.value, Value::Flag) {
            errors.at(&self.blamed(), format_args!("`{}` takes no value", self.name()));
            return None;
        }
        Some(self.key.span())
    }

    /// `key = "text"`.
    pub(crate) fn text(&self, errors: &mut Errors) -> Option<LitStr> {
        if let Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) = self.quietly().map(tokens::ungrouped) {
            return Some(text);
        }
        errors.at(&self.blamed(), format_args!("`{}` needs a string: `{0} = \"..\"`", self.name()));
        None
    }

    /// `key = expression`.
    pub(crate) fn expr(&self, errors: &mut Errors) -> Option<Expr> {
        let expr = self.assigned(errors, "value", "..").map(tokens::ungrouped);
        if let Some(Expr::Path(path)) = &expr
            && ["crate", "self", "super"].iter().any(|module| path.path.is_ident(module))
        {
            errors.at(path, format_args!("`{}` needs a value: `{0} = ..`", self.name()));
            return None;
        }
        expr
    }

    /// `key = Type`.
    pub(crate) fn ty(&self, errors: &mut Errors) -> Option<Type> {
        self.assigned(errors, "type", "Type")
    }

    /// `key = path`, also `crate`.
    pub(crate) fn path(&self, errors: &mut Errors) -> Option<Path> {
        let Value::Assigned(value) = &self.value else {
            errors.at(&self.key, format_args!("`{}` needs a path: `{0} = path`", self.name()));
            return None;
        };
        let path = tokens::plain_path.parse2(value.clone()).ok();
        // A crate is imported from, which no type can be.
        let path = path.filter(|path| self.key != "crate" || path.segments.iter().all(|part| part.ident != "Self"));
        if path.is_none() {
            errors.at(value, format_args!("`{}` needs a path such as `my_app::plasma`", self.name()));
        }
        path
    }

    /// `key = word` where the word is one of `choices`.
    pub(crate) fn choice<T: Copy>(&self, errors: &mut Errors, choices: &[(&str, T)]) -> Option<T> {
        let word = match self.quietly::<Ident>() {
            Some(word) => names::plain(&word),
            None => String::new(),
        };
        let found = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            let hint = did_you_mean(&word, &words);
            let is = if words.len() == 1 { "can only be" } else { "is" };
            errors.at(&self.blamed(), format_args!("`{}` {is} {}{hint}", self.name(), one_of(&words)));
        }
        found
    }

    /// What is inside `key(..)`.
    pub(crate) fn list<T>(&self, errors: &mut Errors, example: &str, parser: impl Parser<Output = T>) -> Option<T> {
        let Value::List(list) = &self.value else {
            errors.at(&self.blamed(), format_args!("`{}` needs a list: `{example}`", self.name()));
            return None;
        };
        errors.ok(parser.parse2(list.clone()))
    }

    fn assigned<T: syn::parse::Parse>(&self, errors: &mut Errors, what: &str, example: &str) -> Option<T> {
        let Value::Assigned(value) = &self.value else {
            errors.at(&self.blamed(), format_args!("`{}` needs a {what}: `{0} = {example}`", self.name()));
            return None;
        };
        errors.ok(syn::parse2(value.clone()))
    }

    fn quietly<T: syn::parse::Parse>(&self) -> Option<T> {
        let Value::Assigned(value) = &self.value else { return None };
        syn::parse2(value.clone()).ok()
    }
}

/// Reads the options of a macro call. Unknown and repeated keys are mistakes and left out, so that what comes back is
/// what the caller may act on.
///
/// `what` is what an entry is called in messages (`column option`), `known` are the keys there are.
pub(crate) fn parse(what: &str, known: &[&str], tokens: TokenStream, errors: &mut Errors) -> Vec<Entry> {
    parse_some_repeated(what, known, &[], tokens, errors)
}

/// [`parse`] where the keys in `repeatable` may come several times.
pub(crate) fn parse_some_repeated(
    what: &str,
    known: &[&str],
    repeatable: &[&str],
    tokens: TokenStream,
    errors: &mut Errors,
) -> Vec<Entry> {
    let (entries, mistake) = match entries.parse2(tokens) {
        Ok(read) => read,
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        let name = entry.name();
        if !known.contains(&name.as_str()) {
            let hint = did_you_mean(&name, known);
            errors.at(&entry.key, format_args!("unknown {what} `{name}`; expected {}{hint}", one_of(known)));
        } else if !repeatable.contains(&name.as_str()) && kept.iter().any(|other| other.name() == name) {
            errors.at(&entry.key, format_args!("`{name}` is given twice"));
        } else {
            kept.push(entry);
        }
    }
    if let Some(mistake) = mistake {
        errors.push(mistake);
    }
    kept
}

/// The options up to the first syntax error, and that error.
fn entries(input: ParseStream<'_>) -> syn::Result<(Vec<Entry>, Option<syn::Error>)> {
    let mut entries = Vec::new();
    while !input.is_empty() {
        match entry(input) {
            Ok(entry) => entries.push(entry),
            Err(error) => {
                // Take the rest, or the parser complains about it a second time.
                input.parse::<TokenStream>()?;
                return Ok((entries, Some(error)));
            }
        }
    }
    Ok((entries, None))
}

fn entry(input: ParseStream<'_>) -> syn::Result<Entry> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error("expected an option: `key`, `key = value` or `key(..)`"));
    }
    let key = input.call(Ident::parse_any)?;
    let value = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new(key.span(), format!("expected a value after `{key} =`")));
        }
        Value::Assigned(value(input)?)
    } else if input.peek(syn::token::Paren) {
        let list;
        parenthesized!(list in input);
        Value::List(list.parse()?)
    } else {
        Value::Flag
    };
    if !input.is_empty() {
        if !input.peek(Token![,]) {
            return Err(input.error("expected `,` between options"));
        }
        input.parse::<Token![,]>()?;
    }
    Ok(Entry { key, value })
}

/// A type or an expression: whatever reaches the next comma. Types first, because `Map<A, B>` is also the start of a
/// comparison.
fn value(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    // What `macro_rules!` passes on (`$check:expr`) is one tree already, and may begin like a type.
    let ahead = input.fork();
    if input.peek(syn::token::Group)
        && ahead.parse::<TokenTree>().is_ok()
        && (ahead.is_empty() || ahead.peek(Token![,]))
    {
        return input.parse::<TokenTree>().map(TokenStream::from);
    }
    let ahead = input.fork();
    if ahead.parse::<Type>().is_ok() && (ahead.is_empty() || ahead.peek(Token![,])) {
        return input.parse::<Type>().map(ToTokens::into_token_stream);
    }
    input.parse::<Expr>().map(ToTokens::into_token_stream)
}

/// "one of `a`, `b`", or "`a`" alone.
pub(crate) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        many => format!("one of {}", many.join(", ")),
    }
}

/// " (did you mean `x`?)" or nothing.
pub(crate) fn did_you_mean(word: &str, candidates: &[&str]) -> String {
    names::nearest(word, candidates).map_or_else(String::new, |found| format!(" (did you mean `{found}`?)"))
}
