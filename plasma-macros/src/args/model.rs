//! What a struct of arguments is, once read.

use proc_macro2::Span;
use syn::{Expr, Ident, ItemStruct, Path, Type};

/// The arguments of a mutator.
pub(crate) struct Args {
    /// The struct as written.
    pub(crate) item: ItemStruct,
    /// Whether the struct is generic, so that no impl can be written.
    pub(crate) generic: bool,
    /// Derives of serde that the struct has by itself, which is a mistake told already.
    pub(crate) derived: Vec<String>,
    /// `validate`: the application's own `Validate` runs after the rules of the fields.
    pub(crate) validate: bool,
    /// `garde`, and where it stands.
    pub(crate) garde: Option<Span>,
    /// `validator`, and where it stands.
    pub(crate) validator: Option<Span>,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// The fields that have rules, by position.
    pub(crate) rules: Vec<FieldRules>,
}

/// The rules of one field.
pub(crate) struct FieldRules {
    /// Name of the field.
    pub(crate) field: Ident,
    /// Type of the field.
    pub(crate) ty: Type,
    /// `trim`, and where it stands.
    pub(crate) trim: Option<Span>,
    /// `email`, and where it stands.
    pub(crate) email: Option<Span>,
    /// `len(1..=200)`.
    pub(crate) len: Option<Limits>,
    /// `range(1..=99)`.
    pub(crate) range: Option<Limits>,
    /// Whether `seal` stands there.
    pub(crate) sealed: bool,
    /// `seal(column = Note::body, row = self.id)`; nothing when it is wrong.
    pub(crate) seal: Option<Seal>,
}

/// How a field is sealed.
pub(crate) struct Seal {
    /// The type of the field before it is sealed: of `Sealed<T>` it is `T`, of `Option<Sealed<T>>` it is `Option<T>`.
    pub(crate) plain: Type,
    /// The column it is for.
    pub(crate) column: Expr,
    /// The id of the row, said of the struct before it is sealed: `self.id`.
    pub(crate) row: Expr,
    /// The id of the key; the keyring's choice when there is none.
    pub(crate) key: Option<Expr>,
}

/// A range as written: its bounds as constants.
pub(crate) struct Limits {
    /// The lower bound.
    pub(crate) from: Option<Expr>,
    /// The upper bound.
    pub(crate) to: Option<Expr>,
}
