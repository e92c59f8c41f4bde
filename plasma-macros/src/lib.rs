//! The macros behind `plasma`. Use them through the `plasma` crate, where they are documented.
//!
//! Every macro goes the same way: `parse` (tokens to what was written), `model` (what it means), `check` (the rules
//! that need no types), `expand` (tokens). Questions about types are left to the compiler: the expansion mentions the
//! type once, where a trait of `plasma-runtime` holds the message.

mod args;
mod column;
mod entry;
mod errors;
mod messages;
mod mutators;
mod names;
mod options;
mod projection;
mod rejection;
mod schema;
mod table;
mod tokens;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod snapshots;

use proc_macro::TokenStream;

// The documentation of these macros is at their re-export in `plasma/src/macros.rs`, where links to the runtime
// resolve and the examples compile.
#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn table(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::attribute("#[plasma::table]", options.into(), item.into(), table::attribute).into()
}

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn schema(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::attribute("#[plasma::schema]", options.into(), item.into(), schema::attribute).into()
}

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn args(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::attribute("#[plasma::args]", options.into(), item.into(), args::attribute).into()
}

#[allow(missing_docs)]
#[proc_macro_attribute]
pub fn mutators(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::attribute("#[plasma::mutators]", options.into(), item.into(), mutators::attribute).into()
}

#[allow(missing_docs)]
#[proc_macro_derive(Column, attributes(column))]
pub fn column(item: TokenStream) -> TokenStream {
    entry::derive("#[derive(plasma::Column)]", item.into(), column::derive).into()
}

#[allow(missing_docs)]
#[proc_macro_derive(Projection, attributes(projection, from))]
pub fn projection(item: TokenStream) -> TokenStream {
    entry::derive("#[derive(plasma::Projection)]", item.into(), projection::derive).into()
}

#[allow(missing_docs)]
#[proc_macro_derive(Rejection, attributes(rejection))]
pub fn rejection(item: TokenStream) -> TokenStream {
    entry::derive("#[derive(plasma::Rejection)]", item.into(), rejection::derive).into()
}

/// Emits nothing. It is added to a table so that the compiler knows its `#[column(..)]` attributes, which stay on the
/// struct for other tools to see.
#[doc(hidden)]
#[proc_macro_derive(TableAttrs, attributes(column))]
pub fn table_attrs(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// Emits nothing; the same for the `#[arg(..)]` attributes of arguments.
#[doc(hidden)]
#[proc_macro_derive(ArgsAttrs, attributes(arg))]
pub fn args_attrs(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
