//! What an enum of rejections is, once read.

use proc_macro2::TokenStream;
use syn::{Ident, Path};

/// An enum whose variants are ways to refuse.
pub(crate) struct Rejection {
    /// Its name.
    pub(crate) ident: Ident,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// Its variants.
    pub(crate) variants: Vec<Variant>,
}

/// One way to refuse.
pub(crate) struct Variant {
    /// Its name.
    pub(crate) ident: Ident,
    /// What programs know it by.
    pub(crate) code: String,
    /// What people read.
    pub(crate) message: String,
    /// What it carries.
    pub(crate) data: Data,
}

/// What a variant carries.
pub(crate) enum Data {
    /// Nothing.
    Nothing,
    /// One value without a name: it is the data.
    Value(TokenStream),
    /// Named values: members of an object.
    Members(Vec<(Ident, TokenStream)>),
}
