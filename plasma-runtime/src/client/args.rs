//! Checks arguments before they are queued: what the server would refuse must not get into the outbox, where it would
//! block every push behind it.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, ErrorKind, Result};

/// The server takes JSON 64 levels deep, counted over the whole body; the arguments stand three levels inside.
const MAX_DEPTH: usize = 60;

/// Checks that the text is JSON the server takes.
///
/// # Errors
/// [`InvalidArgs`](ErrorKind::InvalidArgs) when it is not JSON, deeper than 60 levels, holds a member twice or U+0000.
pub(crate) fn check(args: &str) -> Result<()> {
    let invalid =
        |error: serde_json::Error| Error::new(ErrorKind::InvalidArgs, format!("the arguments cannot be sent: {error}"));
    let mut json = serde_json::Deserializer::from_str(args);
    Checked { depth: 0 }.deserialize(&mut json).map_err(invalid)?;
    json.end().map_err(invalid)
}

#[derive(Clone, Copy)]
struct Checked {
    depth: usize,
}

impl Checked {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(format!("more than {MAX_DEPTH} levels deep")));
        }
        Ok(Checked { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn text<E: serde::de::Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') {
        return Err(E::custom("text must not contain the character U+0000"));
    }
    Ok(())
}

impl<'de> Visitor<'de> for Checked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        text(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inside = self.deeper()?;
        while seq.next_element_seed(inside)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inside = self.deeper()?;
        let mut members = BTreeSet::new();
        while let Some(member) = map.next_key::<String>()? {
            text(&member)?;
            map.next_value_seed(inside)?;
            if let Some(twice) = members.replace(member) {
                return Err(A::Error::custom(format!("the member `{twice}` stands there twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn only_what_the_server_takes_passes() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        for good in ["null", "{}", r#"{"a":[1,-2,1.5e3,"x",true,null,{"a":{}}]}"#, &deep(60)] {
            check(good).unwrap();
        }
        for bad in
            ["", "{", "{}x", r#"{"a":1,"a":2}"#, r#""\u0000""#, r#"{"\u0000":1}"#, r#""\ud800""#, "1e999", &deep(61)]
        {
            let error = check(bad).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgs, "{bad}");
        }
    }
}
