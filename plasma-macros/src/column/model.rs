//! What a column type is, once read.

use syn::{Ident, Lit, Path, Type};

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
        /// `numeric`: a number that can be calculated with.
        numeric: bool,
        /// `text`: compared with `&str` too.
        text: bool,
    },
    /// As one text or number per variant.
    Enum(Box<Variants>),
    /// It cannot be, which is a mistake told already; an impl that is never used keeps the mistake at one error.
    Nothing,
}

/// How the variants of an enum are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// As texts.
    Text,
    /// As their discriminants.
    Int,
}

/// The variants of an enum.
pub(crate) struct Variants {
    /// How they are stored.
    pub(crate) stored: Stored,
    /// Those with a value of their own.
    pub(crate) known: Vec<Variant>,
    /// The one that stands for all other values.
    pub(crate) other: Option<Other>,
}

/// A variant and its value.
pub(crate) struct Variant {
    /// The variant.
    pub(crate) ident: Ident,
    /// What is stored, as a literal.
    pub(crate) value: Lit,
}

/// The variant `#[column(other)]`.
pub(crate) struct Other {
    /// The variant.
    pub(crate) ident: Ident,
    /// The type of its field, which keeps the value.
    pub(crate) keeps: Option<Type>,
}
