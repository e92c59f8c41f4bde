//! Finds the lock of a schema and reads it.

use std::env;
use std::io::ErrorKind;
use std::path::PathBuf;

use proc_macro2::Span;

use super::lock::{self, Entry};
use super::model::{Lock, Schema};
use crate::errors::Errors;
use crate::messages;

/// The lock's name when the schema gives none.
const DEFAULT: &str = "plasma.lock";

/// Where the lock of a schema is, and what it says about this schema.
pub(crate) struct Locked {
    /// Relative to the folder of `Cargo.toml`.
    pub(crate) path: String,
    /// The versions of this schema in the lock's order; none when there is no lock.
    pub(crate) versions: Option<Vec<Entry>>,
}

/// Reads the lock. Nothing when the schema has none to look for: `lock = false`, or a build without cargo.
pub(crate) fn read(schema: &Schema, errors: &mut Errors) -> Option<Locked> {
    let (path, span, named) = match &schema.lock {
        Lock::Off => return None,
        Lock::Default => (DEFAULT.to_owned(), Span::call_site(), false),
        Lock::At(path) => (path.value(), path.span(), true),
    };
    let Some(folder) = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        if named {
            errors.at_span(span, messages::LOCK_NEEDS_CARGO);
        }
        return None;
    };
    let text = match std::fs::read(folder.join(&path)) {
        Ok(bytes) => bytes,
        // The lock that this build is to write.
        Err(error) if error.kind() == ErrorKind::NotFound && (!named || writes()) => {
            return Some(Locked { path, versions: None });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            errors.at_span(span, messages::lock_not_found(&path));
            return None;
        }
        Err(error) => {
            errors.at_span(span, format_args!("`{path}` cannot be read: {error}"));
            return None;
        }
    };
    let entries = match std::str::from_utf8(&text) {
        Ok(text) => lock::parse(text).map_err(|mistake| (mistake.line, mistake.text)),
        Err(error) => {
            let line = text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err((line, "this is not UTF-8 text".to_owned()))
        }
    };
    match entries {
        Ok(mut entries) => {
            entries.retain(|entry| entry.schema == crate::names::plain(&schema.ident));
            Some(Locked { path, versions: Some(entries) })
        }
        Err((line, text)) => {
            errors.at_span(span, format_args!("{path}:{line}: {text}"));
            None
        }
    }
}

/// Whether this build is one that writes the lock.
fn writes() -> bool {
    env::var_os("PLASMA_LOCK").is_some_and(|mode| mode == "write" || mode == "replace")
}
