//! Collects the mistakes of one macro call, so that all of them are shown at once.

use std::fmt::Display;
use std::mem;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};

/// The mistakes found so far. Must be turned into tokens by [`finish`](Errors::finish): a mistake that is not shown
/// would become wrong code.
#[derive(Default)]
pub(crate) struct Errors {
    list: Vec<syn::Error>,
    finished: bool,
}

impl Errors {
    /// A mistake at these tokens, from the first to the last.
    pub(crate) fn at(&mut self, tokens: &impl ToTokens, message: impl Display) {
        self.list.push(syn::Error::new_spanned(tokens, message));
    }

    /// A mistake at this place.
    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.list.push(syn::Error::new(span, message));
    }

    /// A mistake that `syn` found.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.list.push(error);
    }

    /// The value, or nothing and one mistake more.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.list.push(error)).ok()
    }

    /// How many mistakes there are.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One `compile_error!` per mistake.
    pub(crate) fn finish(mut self) -> TokenStream {
        self.finished = true;
        let errors = mem::take(&mut self.list).into_iter().map(|error| error.into_compile_error());
        quote!(#(#errors)*)
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        if !self.finished && !self.list.is_empty() && !std::thread::panicking() {
            panic!("mistakes were found and not shown");
        }
    }
}
