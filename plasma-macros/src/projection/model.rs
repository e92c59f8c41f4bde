//! What a projected struct is, once read.

use proc_macro2::TokenStream;
use syn::{Ident, Path, Type};

/// A struct that holds values of a query's rows.
pub(crate) struct Projection {
    /// Its name.
    pub(crate) ident: Ident,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// Its fields.
    pub(crate) fields: Vec<Field>,
}

/// A field and the column it is read from.
pub(crate) struct Field {
    /// The field.
    pub(crate) ident: Ident,
    /// Its type.
    pub(crate) ty: Type,
    /// The table, or an alias of one.
    pub(crate) table: Path,
    /// The column: `Todo::title`, `Parent::col(Todo::title)`.
    pub(crate) column: TokenStream,
}
