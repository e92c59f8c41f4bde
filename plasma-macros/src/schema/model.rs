//! What a schema is, once read.

use proc_macro2::Span;
use syn::{Ident, LitStr, Path, Type};

/// A schema.
pub(crate) struct Schema {
    /// The unit struct.
    pub(crate) ident: Ident,
    /// `version = ".."`; empty when there is none, which is a mistake.
    pub(crate) version: String,
    /// Where the version stands.
    pub(crate) version_span: Span,
    /// `ctx = ..`.
    pub(crate) ctx: Option<Type>,
    /// `tables(..)`.
    pub(crate) tables: Vec<Path>,
    /// `mutators(..)`.
    pub(crate) mutators: Vec<Path>,
    /// `fingerprint = 0x..`, and where it stands.
    pub(crate) pin: Option<(u64, Span)>,
    /// Where `mutators` stands.
    pub(crate) mutators_span: Span,
    /// `lock = ..`.
    pub(crate) lock: Lock,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
}

/// Which lock a schema has.
pub(crate) enum Lock {
    /// `plasma.lock` beside `Cargo.toml`, if it is there.
    Default,
    /// The file of `lock = ".."`.
    At(LitStr),
    /// `lock = false`.
    Off,
}
