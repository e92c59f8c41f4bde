//! What a query asks of a state: the value of a counter or register, whether a set has an element, how many it has.
//!
//! The evaluator and SQLite call these functions; Postgres has its own in `functions.sql`.

use super::kind::AnyState;
use super::{CrdtKind, element, register};
use crate::error::{Error, ErrorKind, Result};
use crate::value::Value;

/// The value of a counter, register or text; the number of elements of a set.
///
/// # Errors
/// [`Storage`](ErrorKind::Storage) when it is no state of this kind.
pub(crate) fn value_of(kind: CrdtKind, json: &str) -> Result<Value> {
    if let (CrdtKind::Lww(of), Some((text, ..))) = (kind, register::scan(json)) {
        return element::to_value(*of, text);
    }
    #[cfg(feature = "text")]
    if kind == CrdtKind::Text {
        // The document behind the text was looked at when it came.
        let text = super::Text::from_stored(json).map_err(|error| Error::new(ErrorKind::Storage, error.to_string()))?;
        return Ok(Value::Text(text.value().to_owned()));
    }
    let state = kind.read(json).map_err(|error| Error::new(ErrorKind::Storage, error.message().to_owned()))?;
    match (kind, state) {
        (_, AnyState::GCounter(state)) => Ok(Value::Int(state.value())),
        (_, AnyState::PnCounter(state)) => Ok(Value::Int(state.value())),
        (_, AnyState::OrSet(state)) => Ok(Value::Int(state.adds.len() as i64)),
        #[cfg(feature = "text")]
        (_, AnyState::Text(state)) => Ok(Value::Text(state.value().to_owned())),
        (CrdtKind::Lww(of), AnyState::Lww(state)) => element::to_value(*of, state.value()),
        _ => Err(Error::internal("the state of another kind")),
    }
}

/// What stands in the canonical state of a set exactly when the element is in it.
///
/// An element is followed by the list of its tags, `["x",["..` : inside of a string there are no quotes without a
/// backslash, and lists of tags are followed by no other list. So a database needs no more than to look for this text.
pub(crate) fn mark(element: &str) -> String {
    format!("[{element},[\"")
}
