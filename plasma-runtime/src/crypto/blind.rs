//! The making of blind indexes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization as _;

use super::{Dek, length_prefixed};
use crate::query::Col;
use crate::schema::Table;
use crate::value::BlindIndex;

/// What the derivation of an index key begins with; table and column follow, each with its length.
const CONTEXT: &[u8] = b"plasma blind index 1";

impl BlindIndex {
    /// The index of a text in this column (one of `BlindIndex` or of `Option<BlindIndex>`): HMAC-SHA256 (RFC 2104)
    /// under a key derived from the data key for the column. Of the text, what differs without meaning is left out:
    /// white space around it, its case, and the ways Unicode has of writing one character. What it tells others is said
    /// at the [type](BlindIndex).
    ///
    /// Rows can be found only by indexes that were made with the same data key: a new key needs new indexes.
    ///
    /// The text is brought into normalization form NFC, stripped of white space at both ends, put into lower case, and brought into NFC again. A character that a later version of Unicode adds may have
    /// another index once it is known.
    pub fn of<T: Table, V: BlindColumn>(key: &Dek, column: Col<T, V>, text: &str) -> Self {
        normal(key, T::NAME, column.name(), text)
    }

    /// The index of exactly these bytes in this column.
    pub fn exact<T: Table, V: BlindColumn>(key: &Dek, column: Col<T, V>, bytes: &[u8]) -> Self {
        blind(key, T::NAME, column.name(), bytes)
    }
}

/// Columns that hold a [`BlindIndex`].
#[diagnostic::on_unimplemented(
    message = "a blind index cannot be made for a column of type `{Self}`",
    label = "expected a column of type `BlindIndex` or `Option<BlindIndex>`"
)]
pub trait BlindColumn: sealed::Sealed {}
impl BlindColumn for BlindIndex {}
impl BlindColumn for Option<BlindIndex> {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::BlindIndex {}
    impl Sealed for Option<super::BlindIndex> {}
}

pub(super) fn normal(key: &Dek, table: &str, column: &str, text: &str) -> BlindIndex {
    let composed: String = text.nfc().collect();
    let normal: String = composed.trim().to_lowercase().nfc().collect();
    blind(key, table, column, normal.as_bytes())
}

pub(super) fn blind(key: &Dek, table: &str, column: &str, bytes: &[u8]) -> BlindIndex {
    let place = length_prefixed(&[table.as_bytes(), column.as_bytes()]);
    let key = key.derive(&[CONTEXT, &place]);
    let mut mac = Hmac::<Sha256>::new_from_slice(&*key).expect("an HMAC takes keys of any length");
    mac.update(bytes);
    BlindIndex::from_bytes(mac.finalize().into_bytes().into())
}
