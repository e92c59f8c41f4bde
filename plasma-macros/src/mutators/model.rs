//! What a set of mutators is, once read.

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Ident, ItemImpl, Path, Type};

/// A set of mutators.
pub(crate) struct Set {
    /// The `impl` block without the macro's own attributes.
    pub(crate) item: ItemImpl,
    /// The schema; none when it is missing, which is a mistake.
    pub(crate) schema: Option<Path>,
    /// `crate = path`.
    pub(crate) krate: Option<Path>,
    /// The mutators in order.
    pub(crate) mutators: Vec<Mutator>,
}

/// One mutator.
pub(crate) struct Mutator {
    /// Name of the fn.
    pub(crate) function: Ident,
    /// Wire name.
    pub(crate) name: String,
    /// Where the wire name comes from.
    pub(crate) name_span: Span,
    /// The conditions it is compiled under: what is only there on the server may need crates that clients do not have.
    pub(crate) cfg: Vec<Attribute>,
    /// `alias`: the wire names of earlier versions, where they stand.
    pub(crate) aliases: Vec<(String, Span)>,
    /// `upgrade = path`, with `Self` replaced.
    pub(crate) upgrade: Option<TokenStream>,
    /// `server_only`.
    pub(crate) server_only: bool,
    /// The type of the arguments, with `Self` replaced; none when the signature does not tell.
    pub(crate) args: Option<Type>,
    /// The types of the other roles; none when the signature is wrong, and the shim is then not written.
    pub(crate) signature: Option<Signature>,
}

/// The types in a right signature, `Self` replaced.
pub(crate) struct Signature {
    /// The type of the first parameter, a `&mut`.
    pub(crate) tx: TokenStream,
    /// The type of the second, a `&`.
    pub(crate) ctx: TokenStream,
    /// The return type.
    pub(crate) output: TokenStream,
}
