//! Reading the arguments of a mutation strictly, with errors that name the member.

use super::MutatorArgs;
use crate::error::{Error, ErrorKind, Result};

/// Reads arguments: a JSON object, without U+0000 in any text.
///
/// # Errors
/// [`InvalidArgs`](ErrorKind::InvalidArgs); the message names the member as a path, such as `items[2].title`.
pub(crate) fn decode<M: MutatorArgs>(json: &str) -> Result<M> {
    // A struct can be read from a JSON array too; arguments are objects.
    if !json.trim_start().starts_with('{') {
        return Err(invalid("", "expected an object"));
    }
    let args = M::from_json(json).map_err(|error| {
        let place = offset(json, error.line(), error.column());
        // The position is told by the path; the rest of the sentence is serde's.
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        invalid(&path_at(json, place), &message)
    })?;
    if let Some(place) = find_nul(json) {
        return Err(invalid(&path_at(json, place), "text must not contain the character U+0000"));
    }
    Ok(args)
}

fn invalid(path: &str, message: &str) -> Error {
    if path.is_empty() {
        return Error::new(ErrorKind::InvalidArgs, format!("the arguments cannot be read: {message}"));
    }
    Error::new(ErrorKind::InvalidArgs, format!("the arguments cannot be read: `{path}`: {message}"))
        .with_data(serde_json::json!({ "path": path }))
}

/// The byte offset of a line and column as serde_json counts them: both from 1, the column in bytes.
fn offset(json: &str, line: usize, column: usize) -> usize {
    let start: usize = json.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column).min(json.len())
}

/// The first `\u0000` that is an escape and not a backslash followed by text.
fn find_nul(json: &str) -> Option<usize> {
    let bytes = json.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] == b'\\' {
            if bytes[i + 1..].starts_with(b"u0000") {
                return Some(i);
            }
            i += 1;
        }
        i += 1;
    }
    None
}

/// One open object or array.
enum Open {
    /// The member whose value is being read.
    Object(Option<String>),
    /// The index of the item being read.
    Array(usize),
}

/// The path of the value that holds or ends at the byte `end` of a JSON text, which is well-formed up to there.
fn path_at(json: &str, end: usize) -> String {
    let bytes = json.as_bytes();
    let mut open: Vec<Open> = Vec::new();
    let mut key: Option<String> = None;
    let mut i = 0;
    while i < end.min(bytes.len()) {
        match bytes[i] {
            b'"' => {
                let close = string_end(bytes, i);
                key = json.get(i..close).and_then(|text| serde_json::from_str(text).ok());
                i = close;
                continue;
            }
            b':' => {
                if let Some(Open::Object(member)) = open.last_mut() {
                    *member = key.take();
                }
            }
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::Array(0)),
            // The last closing bracket is where serde reports an error of the whole value: keep its path.
            b'}' | b']' if i + 1 < end => {
                open.pop();
            }
            b'}' => {
                if let Some(Open::Object(member)) = open.last_mut() {
                    *member = None;
                }
            }
            b',' => match open.last_mut() {
                Some(Open::Object(member)) if i + 1 < end => *member = None,
                Some(Open::Array(index)) if i + 1 < end => *index += 1,
                _ => {}
            },
            _ => {}
        }
        i += 1;
    }
    let mut path = String::new();
    for part in &open {
        match part {
            Open::Object(Some(member)) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(member);
            }
            Open::Object(None) => {}
            Open::Array(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

/// The offset after the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            b'"' => return i + 1,
            _ => {}
        }
        i += 1;
    }
    bytes.len()
}
