//! What a table is, once read.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Expr, Ident, LitStr, Path, Type, Visibility};

/// A table.
pub(crate) struct Table {
    /// Name of the struct.
    pub(crate) ident: Ident,
    /// Visibility of the struct.
    pub(crate) vis: Visibility,
    /// SQL name.
    pub(crate) name: String,
    /// Where the SQL name comes from.
    pub(crate) name_span: Span,
    /// Whether the item is a struct with named fields and without generics, so that an `impl` can be written.
    pub(crate) usable: bool,
    /// `local_only`.
    pub(crate) local_only: bool,
    /// `auth = open`.
    pub(crate) open: bool,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// Traits that the struct derives and the struct of new rows derives too.
    pub(crate) derives: Vec<Path>,
    /// `#[serde(..)]` of the struct, for the struct of new rows.
    pub(crate) serde: Vec<Attribute>,
    /// The columns in declaration order.
    pub(crate) columns: Vec<Column>,
    /// `index(..)`, `unique(..)` of several columns, and `#[column(index)]`.
    pub(crate) indexes: Vec<Index>,
    /// `check = ..`.
    pub(crate) checks: Vec<Expr>,
    /// `blobs = ".."`.
    pub(crate) blobs: Option<LitStr>,
    /// `resolve_conflict = path`.
    pub(crate) resolve_conflict: Option<Path>,
    /// `patch`: the positions of its columns.
    pub(crate) patch: Option<Vec<usize>>,
}

/// An index over some columns.
pub(crate) struct Index {
    /// Positions of the columns, each with the place that names it.
    pub(crate) columns: Vec<(usize, Span)>,
    /// Whether no two rows may be equal in them.
    pub(crate) unique: bool,
    /// What to blame for the whole.
    pub(crate) span: Span,
}

/// What a new row holds in a column that it does not name.
pub(crate) enum ColumnDefault {
    /// The time of the mutation; where the word stands.
    Now(Span),
    /// A constant.
    Value(Expr),
}

/// `file(..)`.
pub(crate) struct File {
    /// The word `file`.
    pub(crate) span: Span,
    /// Bytes.
    pub(crate) max_size: Option<u64>,
    /// Media types, in lower case.
    pub(crate) mime: Vec<String>,
    /// `immutable`.
    pub(crate) immutable: bool,
    /// `upload = lazy`.
    pub(crate) lazy: bool,
}

/// A column.
pub(crate) struct Column {
    /// Name of the field.
    pub(crate) field: Ident,
    /// Visibility of the field, and of the const.
    pub(crate) vis: Visibility,
    /// Type of the field.
    pub(crate) ty: Type,
    /// Doc comments of the field.
    pub(crate) docs: Vec<Attribute>,
    /// `#[serde(..)]` of the field, for the struct of new rows.
    pub(crate) serde: Vec<Attribute>,
    /// SQL name.
    pub(crate) name: String,
    /// Where the SQL name comes from.
    pub(crate) name_span: Span,
    /// Name of the const.
    pub(crate) accessor: Ident,
    /// `default = ..`.
    pub(crate) default: Option<ColumnDefault>,
    /// `on_update = now`, and where the word stands.
    pub(crate) on_update: Option<Span>,
    /// `unique`, and where it stands.
    pub(crate) unique: Option<Span>,
    /// `on_delete = ..`, and where the action stands.
    pub(crate) on_delete: Option<(OnDelete, Span)>,
    /// `unconstrained`, and where it stands.
    pub(crate) unconstrained: Option<Span>,
    /// `index`, and where it stands.
    pub(crate) index: Option<Span>,
    /// `file(..)`.
    pub(crate) file: Option<File>,
}

/// What happens to a row when the row it references is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnDelete {
    Cascade,
    Restrict,
    SetNull,
    NoAction,
}

impl OnDelete {
    /// Every action, with the word that selects it.
    pub(crate) const ALL: &[(&'static str, OnDelete)] = &[
        ("cascade", OnDelete::Cascade),
        ("restrict", OnDelete::Restrict),
        ("set_null", OnDelete::SetNull),
        ("no_action", OnDelete::NoAction),
    ];
}

impl Column {
    /// Whether this is the row id.
    pub(crate) fn is_id(&self) -> bool {
        crate::names::plain(&self.field) == "id"
    }

    /// Whether a new row may leave the column out: it has a default, or its type is spelled `Option<_>` or like a CRDT
    /// that begins empty.
    ///
    /// A macro sees spelling, not types. An alias of such a type is therefore a *required* field of the struct of new
    /// rows (where `None` may be written), and the expansion asserts that a column left out has a value without it.
    pub(crate) fn may_be_left_out(&self) -> bool {
        self.default.is_some() || crate::tokens::spelled_option(&self.ty) || crate::tokens::spelled_empty(&self.ty)
    }
}

impl Table {
    /// The columns that a new row must name.
    pub(crate) fn required(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_id() && !column.may_be_left_out())
    }

    /// Name of the struct of new rows.
    pub(crate) fn new_ident(&self) -> Ident {
        quote::format_ident!("New{}", crate::names::plain(&self.ident), span = self.ident.span())
    }

    /// Name of the struct of changes.
    pub(crate) fn patch_ident(&self) -> Ident {
        quote::format_ident!("{}Patch", crate::names::plain(&self.ident), span = self.ident.span())
    }

    /// The type, as tokens.
    pub(crate) fn ty(&self) -> TokenStream {
        let ident = &self.ident;
        quote::quote!(#ident)
    }
}
