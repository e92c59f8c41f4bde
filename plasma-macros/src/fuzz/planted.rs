//! Defects put around the real macros: the run must find each, and make it small.

use proc_macro2::TokenStream;
use quote::quote;

use super::corpus::Corpus;
use super::judge::Failure;
use super::{Found, Macro, run, tree};

/// The first failure of `cases` cases.
fn found(name: &str, mac: Macro, cases: u64) -> Found {
    match run(name, mac, &Corpus::read(), 0..cases) {
        Ok(tally) => panic!("the defect was not found: {tally:?}"),
        Err(found) => *found,
    }
}

fn size(found: &Found) -> usize {
    tree::count(&found.smallest.options) + tree::count(&found.smallest.item)
}

#[test]
fn an_unwrap_in_a_rare_option() {
    fn table(options: TokenStream, item: TokenStream) -> TokenStream {
        let text = item.to_string();
        if let Some((_, after)) = text.split_once("max_size = \"") {
            after.split_once(" MiB").expect("a size in MiB");
        }
        crate::table::attribute(options, item)
    }
    let found = found("table", Macro::Attribute(table), 40_000);
    assert!(matches!(found.failure, Failure::Panic(_)), "{found}");
    assert!(size(&found) <= 4, "{found}");
}

#[test]
fn an_item_that_is_not_given_back() {
    fn mutators(options: TokenStream, item: TokenStream) -> TokenStream {
        let out = crate::mutators::attribute(options, item);
        // The early return of a mistake forgets the item.
        if out.to_string().contains("cannot be told apart") || out.to_string().contains("given twice") {
            return quote!(::core::compile_error!("given twice"););
        }
        out
    }
    let found = found("mutators", Macro::Attribute(mutators), 15_000);
    assert!(matches!(found.failure, Failure::Lost(_)), "{found}");
    assert!(size(&found) <= 24, "{found}");
}

#[test]
fn an_attribute_that_goes_missing() {
    fn args(options: TokenStream, item: TokenStream) -> TokenStream {
        let out = crate::args::attribute(options, item).to_string();
        out.replace("# [doc = \" ", "# [allow(unused)] # [cfg(any())] # [docs = \" ").parse().expect("tokens")
    }
    let found = found("args", Macro::Attribute(args), 15_000);
    assert!(matches!(found.failure, Failure::Lost(_)), "{found}");
}

#[test]
fn an_expansion_that_is_not_rust() {
    fn column(item: TokenStream) -> TokenStream {
        let out = crate::column::derive(item);
        if out.to_string().contains("kebab") { quote!(#out impl) } else { out }
    }
    let found = found("Column", Macro::Derive(column), 12_000);
    assert!(matches!(found.failure, Failure::NotRust(_)), "{found}");
}

#[test]
fn a_derive_that_repeats_the_item() {
    fn projection(item: TokenStream) -> TokenStream {
        let out = crate::projection::derive(item.clone());
        if out.to_string().contains("compile_error") { quote!(#item #out) } else { out }
    }
    let found = found("Projection", Macro::Derive(projection), 12_000);
    assert!(matches!(found.failure, Failure::Extra(_) | Failure::NotRust(_)), "{found}");
}

#[test]
fn broken_code_that_nobody_complains_about() {
    fn schema(options: TokenStream, item: TokenStream) -> TokenStream {
        if syn::parse2::<syn::Item>(item.clone()).is_err() { item } else { crate::schema::attribute(options, item) }
    }
    let found = found("schema", Macro::Attribute(schema), 15_000);
    assert!(matches!(found.failure, Failure::Silent(_)), "{found}");
}
