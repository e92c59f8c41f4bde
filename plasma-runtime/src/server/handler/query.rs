//! Query strings: `name=value` pairs, percent-encoded (the WHATWG form encoding, where `+` is a space).

use std::collections::BTreeMap;

/// The parameters.
///
/// # Errors
/// What is wrong: a malformed escape, text that is not UTF-8, a parameter given twice.
pub(crate) fn parse(query: &str) -> Result<BTreeMap<String, String>, String> {
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name)?;
        let value = decode(value)?;
        if parameters.contains_key(&name) {
            return Err(format!("the parameter `{name}` stands twice"));
        }
        parameters.insert(name, value);
    }
    Ok(parameters)
}

fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex_digit), rest.next().and_then(hex_digit)) {
                (Some(high), Some(low)) => high * 16 + low,
                _ => return Err("the query string holds a malformed percent escape".to_owned()),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| "the query string is not UTF-8".to_owned())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A non-negative integer in plain decimal digits; what is above `u64` counts as its greatest.
///
/// # Errors
/// When the text is anything else: empty, signed, with leading zeros.
pub(super) fn integer(name: &str, text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(format!("`{name}` is not a non-negative integer"));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{integer, parse};

    #[test]
    fn pairs_are_decoded_once_and_strictly() {
        let parsed = parse("a=b%20c&d=e+f&g&h=%25%3d&&%C3%A4=%c3%a4").unwrap();
        let expected = [("a", "b c"), ("d", "e f"), ("g", ""), ("h", "%="), ("ä", "ä")];
        assert_eq!(parsed.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
        for bad in ["a=1&a=2", "a=1&%61=2", "a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_have_one_form() {
        assert_eq!(integer("n", "0"), Ok(0));
        assert_eq!(integer("n", "18446744073709551616"), Ok(u64::MAX));
        for bad in ["", "-1", "+1", "01", "1.0", "1e3", " 1", "0x1", "١"] {
            assert!(integer("n", bad).is_err(), "{bad}");
        }
    }
}
