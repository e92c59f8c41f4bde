//! The wrapper around every macro: it never panics and never loses the user's item.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

/// Runs an attribute macro. When it panics, the item comes back as it was, with one error that says what to report.
pub(crate) fn attribute(
    name: &str,
    options: TokenStream,
    item: TokenStream,
    expand: fn(TokenStream, TokenStream) -> TokenStream,
) -> TokenStream {
    let kept = item.clone();
    catch_unwind(AssertUnwindSafe(|| expand(options, item))).unwrap_or_else(|panic| {
        let error = defect(name, &*panic);
        quote!(#kept #error)
    })
}

/// Runs a derive macro; the compiler keeps the item of a derive by itself.
pub(crate) fn derive(name: &str, item: TokenStream, expand: fn(TokenStream) -> TokenStream) -> TokenStream {
    catch_unwind(AssertUnwindSafe(|| expand(item))).unwrap_or_else(|panic| defect(name, &*panic))
}

fn defect(name: &str, panic: &(dyn std::any::Any + Send)) -> TokenStream {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let message = format!("defect in `{name}`, please report it with the annotated item: {text}");
    quote_spanned!(Span::call_site()=> ::core::compile_error!(#message);)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_keeps_the_item_and_names_the_macro() {
        let item = quote!(
            struct Kept;
        );
        let out = attribute("#[plasma::table]", TokenStream::new(), item.clone(), |_, _| panic!("boom")).to_string();
        assert!(out.starts_with(&item.to_string()), "{out}");
        assert!(out.contains("compile_error") && out.contains("boom") && out.contains("#[plasma::table]"), "{out}");
    }

    #[test]
    fn mistakes_that_are_not_shown_are_a_defect() {
        let out = attribute("#[plasma::table]", TokenStream::new(), TokenStream::new(), |_, _| {
            let mut errors = crate::errors::Errors::default();
            errors.at_span(Span::call_site(), "lost");
            TokenStream::new()
        });
        assert!(out.to_string().contains("mistakes were found and not shown"), "{out}");
    }
}
