//! What the protocol asks of JSON beyond being JSON: UTF-8 without a byte order mark, no duplicate members, no lone
//! surrogates, a bounded depth.
//!
//! One pass over the bytes, without recursion. Whether the text is JSON at all (RFC 8259) is serde_json's to say
//! afterwards: here only strings and brackets are followed.

use std::collections::BTreeSet;

/// The text, when it is fit to be parsed.
///
/// # Errors
/// What is wrong, for the refusal's `reason`.
pub(super) fn text(bytes: &[u8], max_depth: usize) -> Result<&str, String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("the body begins with a byte order mark".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the body is not UTF-8".to_owned())?;
    // Member names of every object that is open; none for an array.
    let mut open: Vec<Option<BTreeSet<String>>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => {
                if open.len() >= max_depth {
                    return Err(format!("the body is nested deeper than {max_depth}"));
                }
                open.push((*byte == b'{').then(BTreeSet::new));
            }
            b'}' | b']' => {
                open.pop();
            }
            b'"' => {
                let end = string_end(bytes, at)?;
                let is_name = bytes[end + 1..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_name && let Some(Some(names)) = open.last_mut() {
                    let name: String =
                        serde_json::from_str(&text[at - 1..=end]).map_err(|e| format!("a member name: {e}"))?;
                    if let Some(twice) = names.replace(name) {
                        return Err(format!("the member `{twice}` stands twice in one object"));
                    }
                }
                at = end + 1;
            }
            _ => {}
        }
    }
    Ok(text)
}

/// The position of the quote that ends the string whose content begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, String> {
    loop {
        match bytes.get(at) {
            None => return Err("the body ends inside a string".to_owned()),
            Some(b'"') => return Ok(at),
            Some(b'\\') if bytes.get(at + 1) == Some(&b'u') => match code_unit(bytes, at) {
                Some(0xd800..=0xdbff) if matches!(code_unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => at += 12,
                Some(0xd800..=0xdfff) => return Err("a string holds a lone surrogate".to_owned()),
                Some(_) => at += 6,
                None => return Err("a string holds a malformed escape".to_owned()),
            },
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

/// The value of the escape `\uXXXX` at this position.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    // `from_str_radix` would accept a sign.
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn what_serde_json_lets_pass_is_refused() {
        for bad in [
            "\u{feff}{}",
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"b":{"c":1 , "c" : 2}}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00\ud800"}"#,
            r#"{"a":"\ud800\u0041"}"#,
            r#"{"\ud83d":1}"#,
            r#"{"a":"\u12"}"#,
            r#"{"a":"\u+123"}"#,
            r#"{"a":"#,
            "[[[[[1]]]]]",
        ] {
            assert!(
                text(bad.as_bytes(), 4).is_err() || serde_json::from_str::<serde_json::Value>(bad).is_err(),
                "{bad}"
            );
        }
        assert!(text(b"{\"a\":\"\xff\"}", 4).is_err());
        for deep in ["[".repeat(100_000), "{\"a\":".repeat(100_000)] {
            assert!(text(deep.as_bytes(), 64).is_err());
        }
    }

    #[test]
    fn what_is_fine_passes() {
        for fine in [
            "{}",
            r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}"#,
            r#"{"a":"\ud83d\ude00 \\ud800 \"a\":1, \"a\":2"}"#,
            r#"{"a":"a","b":"a","c":["a","a","b"]}"#,
            "[[[[1]]]]",
        ] {
            assert_eq!(text(fine.as_bytes(), 4), Ok(fine));
        }
    }
}
