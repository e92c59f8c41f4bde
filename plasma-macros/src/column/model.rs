//! What a column type is, once read.

use syn::{Ident, Path, Type};

/// A type of the application that can be a column.
pub(crate) struct Column {
    /// Its name.
    pub(crate) ident: Ident,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// How it is stored.
    pub(crate) shape: Shape,
}

/// How a column type is stored.
pub(crate) enum Shape {
    /// Like the one field it has.
    Newtype {
        /// The field's name, or `0`.
        field: syn::Member,
        /// The field's type.
        inner: Box<Type>,
    },
    /// As one text per variant.
    Enum(Vec<Variant>),
    /// It cannot be, which is a mistake told already; an impl that is never used keeps the mistake at one error.
    Nothing,
}

/// A variant and its text.
pub(crate) struct Variant {
    /// The variant.
    pub(crate) ident: Ident,
    /// What is stored.
    pub(crate) text: String,
}
