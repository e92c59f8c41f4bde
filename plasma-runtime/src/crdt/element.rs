//! The values in registers and sets, each in the JSON form of a column of its kind: an `i64` is a decimal string there too.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, Result};
use crate::value::json::{canonical_integer, decode_kind, encode_kind_into, is_row_id};
use crate::value::{Kind, Value};

/// The one spelling of a value; none when it is no value of this kind.
pub(crate) fn canonical(kind: Kind, text: &str) -> Option<Cow<'_, str>> {
    if is_plain(kind, text) {
        return Some(Cow::Borrowed(text));
    }
    decode_kind(kind, text).map(|value| Cow::Owned(to_text(kind, &value)))
}

/// A value's JSON.
pub(crate) fn to_text(kind: Kind, value: &Value) -> String {
    let mut text = String::new();
    encode_kind_into(kind, value, &mut text);
    text
}

/// A value of its JSON.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage) when it is no value of this kind.
pub(crate) fn to_value(kind: Kind, text: &str) -> Result<Value> {
    decode_kind(kind, text)
        .ok_or_else(|| Error::new(ErrorKind::Storage, "the state of a CRDT column holds a value of another type"))
}

/// Whether it is the one spelling of a value, as far as one sees at once.
pub(super) fn is_plain(kind: Kind, text: &str) -> bool {
    let quoted = || text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match kind {
        Kind::Text => {
            quoted().is_some_and(|text| text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\'))
        }
        Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => {
            quoted().is_some_and(|text| canonical_integer(text).is_some())
        }
        Kind::Int => canonical_integer(text).is_some_and(|n| i32::try_from(n).is_ok()),
        Kind::Bool => matches!(text, "true" | "false"),
        Kind::Id => quoted().is_some_and(is_row_id),
        _ => false,
    }
}
