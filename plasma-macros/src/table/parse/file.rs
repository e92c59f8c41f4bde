//! `file(max_size = "5 MiB", mime("image/*"), immutable, upload = lazy)`.

use syn::punctuated::Punctuated;
use syn::{LitStr, Token};

use crate::errors::Errors;
use crate::options::{self, Entry, Value};
use crate::table::model::File;
use crate::{messages, tokens};

const FILE_OPTIONS: &[&str] = &["max_size", "mime", "immutable", "upload", "sealed"];

/// The largest file: whole numbers up to it are exact in every JSON reader.
const MAX_SIZE: u64 = (1 << 53) - 1;

/// Reads the options of a file column.
pub(super) fn file(entry: &Entry, errors: &mut Errors) -> Option<File> {
    let written = match &entry.value {
        Value::List(list) if !list.is_empty() => list.clone(),
        _ => {
            errors.at(&entry.key, "`file` needs options: `file(max_size = \"5 MiB\", mime(\"image/*\"))`");
            return None;
        }
    };
    let mut file = File { span: entry.key.span(), max_size: None, mime: Vec::new(), immutable: false, lazy: false };
    for entry in options::parse("`file` option", FILE_OPTIONS, written, errors) {
        match entry.name().as_str() {
            "max_size" => {
                if let Some(text) = entry.text(errors) {
                    match bytes(&text.value()) {
                        None => errors.at(&text, messages::FILE_SIZE),
                        Some(size) if !(1..=MAX_SIZE).contains(&size) => errors.at(&text, messages::FILE_SIZE_RANGE),
                        size => file.max_size = size,
                    }
                }
            }
            "mime" => file.mime = mime(&entry, errors),
            "immutable" => file.immutable = entry.flag(errors).is_some(),
            "upload" => file.lazy = entry.choice(errors, &[("eager", false), ("lazy", true)]).unwrap_or(false),
            _ => {
                if entry.flag(errors).is_some() {
                    errors.at(&entry.key, messages::FILE_SEALED);
                }
            }
        }
    }
    Some(file)
}

fn mime(entry: &Entry, errors: &mut Errors) -> Vec<String> {
    let parser = Punctuated::<LitStr, Token![,]>::parse_terminated;
    let list = entry.list(errors, "mime(\"image/*\", \"application/pdf\")", parser).unwrap_or_default();
    let mut types: Vec<String> = Vec::new();
    for text in list {
        let pattern = text.value().to_ascii_lowercase();
        if !is_pattern(&pattern) {
            errors.at(&text, messages::FILE_MIME);
        } else if types.contains(&pattern) {
            errors.at(&text, messages::listed_twice("media type", &pattern));
        } else {
            types.push(pattern);
        }
    }
    if types.is_empty() && errors.is_empty() {
        errors.at_span(tokens::span_of(&entry.key), "`mime` needs a list: `mime(\"image/*\")`");
    }
    types
}

/// `5 MiB`, `500KB`, `12 B`; saturates at the largest number.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: String = number.chars().filter(|c| *c != '_').collect();
    let factor = match unit.trim_start() {
        "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    if number.is_empty() {
        return None;
    }
    Some(number.parse().map_or(u64::MAX, |number: u64| number.saturating_mul(factor)))
}

/// `type/subtype` or `type/*` in the characters of RFC 6838, section 4.2, in lower case.
fn is_pattern(pattern: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$&^_.+-".contains(&b))
    };
    pattern.len() <= 255
        && pattern.split_once('/').is_some_and(|(family, subtype)| part(family) && (subtype == "*" || part(subtype)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit() {
        for (text, size) in
            [("5 MiB", 5 << 20), ("500KB", 500_000), ("12 B", 12), ("1_000 B", 1_000), ("2 GiB", 2 << 30)]
        {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "5", "MiB", "5 mib", "-1 B", "1.5 MiB", "5 MiB!"] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert_eq!(bytes("99999999999999999999 GB"), Some(u64::MAX));
    }

    #[test]
    fn media_types_have_two_parts() {
        for good in ["image/*", "image/png", "application/vnd.api+json"] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in ["", "image", "*/*", "image/", "image/p*", "text/plain; charset=utf-8", "/png"] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }
}
