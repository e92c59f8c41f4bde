//! JSON text to values: one pass of serde_json's deserializer, each member read by its column's kind.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::crdt::CrdtKind;
use crate::schema::{ColumnDef, ColumnDefault, TableDef};
use crate::value::{Date, Envelope, FileRef, Kind, Row, Value};

/// The deepest JSON a column takes: what serde_json reads back into a typed value.
const MAX_DEPTH: usize = 127;

/// How blobs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Base64.
    Wire,
    /// Hex, as SQLite's `hex()` writes it (either case is read).
    Log,
}

pub(super) fn row(table: &TableDef, json: &str, form: Form) -> serde_json::Result<Row> {
    let mut input = serde_json::Deserializer::from_str(json);
    let row = input.deserialize_map(RowVisitor { table, form })?;
    input.end()?;
    Ok(row)
}

pub(super) fn value(column: &ColumnDef, json: &str) -> serde_json::Result<Value> {
    let mut input = serde_json::Deserializer::from_str(json);
    let value = ValueSeed { column, form: Form::Wire }.deserialize(&mut input)?;
    input.end()?;
    Ok(value)
}

struct RowVisitor<'t> {
    table: &'t TableDef,
    form: Form,
}

impl<'de> Visitor<'de> for RowVisitor<'_> {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one member per column")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Row, A::Error> {
        let columns = self.table.columns;
        let mut row: Vec<Option<Value>> = Vec::new();
        row.resize_with(columns.len(), || None);
        // Whoever writes rows writes them in the columns' order, so the next column is the best guess.
        let mut guess = 0;
        while let Some(name) = members.next_key_seed(Key)? {
            let index = match columns.get(guess) {
                Some(column) if column.name == name => guess,
                _ => match self.table.column_index(&name) {
                    Some(index) => index,
                    None => {
                        members.next_value::<IgnoredAny>()?;
                        continue;
                    }
                },
            };
            if row[index].is_some() {
                return Err(A::Error::custom(format_args!("the member `{name}` comes twice")));
            }
            row[index] = Some(members.next_value_seed(ValueSeed { column: &columns[index], form: self.form })?);
            guess = index + 1;
        }
        columns
            .iter()
            .zip(row)
            .map(|(column, value)| match value {
                Some(value) => Ok(value),
                // The row is older than the column: it holds what rows held that were there when the column came.
                None => match column.default {
                    Some(ColumnDefault::Value(default)) => Ok(default()),
                    _ if column.nullable => Ok(Value::Null),
                    // When a row came to be cannot be made up here.
                    Some(ColumnDefault::Now) | None => {
                        Err(A::Error::custom(format_args!("the member `{}` is missing", column.name)))
                    }
                },
            })
            .collect()
    }
}

/// A member's name; borrowed from the input when it holds no escape.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads one value by its column.
struct ValueSeed<'c> {
    column: &'c ColumnDef,
    form: Form,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        match self.column.kind {
            Kind::Json => self.json(<&RawValue as serde::Deserialize>::deserialize(input)?.get()),
            Kind::File | Kind::Crdt(_) | Kind::Sealed => {
                self.exact(<&RawValue as serde::Deserialize>::deserialize(input)?.get())
            }
            _ => input.deserialize_any(self),
        }
    }
}

impl ValueSeed<'_> {
    fn wrong<E: serde::de::Error>(&self, found: impl fmt::Display) -> E {
        let expected = match self.column.kind {
            Kind::Id => "a lower-case hyphenated UUID",
            Kind::Text => "a string without U+0000",
            Kind::Int => "a whole number of 32 bits",
            Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => "a string with a decimal number of 64 bits",
            Kind::Float => "a finite number",
            Kind::Bool => "true or false",
            Kind::Blob if self.form == Form::Log => "a string of hex digits",
            Kind::Blob => "a string of padded standard base64",
            Kind::Json => "a JSON value",
            Kind::Date => "a date, YYYY-MM-DD",
            Kind::File => "a file: its hash, size and mime in this order",
            Kind::Crdt(CrdtKind::GCounter) => "the state of a grow-only counter",
            Kind::Crdt(CrdtKind::PnCounter) => "the state of a counter",
            Kind::Crdt(CrdtKind::Lww(_)) => "the state of a register",
            Kind::Crdt(CrdtKind::OrSet(_)) => "the state of a set",
            #[cfg(feature = "text")]
            Kind::Crdt(CrdtKind::Text) => "the state of a text",
            Kind::Sealed => "the envelope of an encrypted value",
        };
        let null = if self.column.nullable { " or null" } else { "" };
        E::custom(format_args!("`{}` must be {expected}{null}, not {found}", self.column.name))
    }

    /// SQL NULL and JSON null are one thing: a nullable JSON column reads null as NULL.
    fn json<E: serde::de::Error>(&self, raw: &str) -> Result<Value, E> {
        match raw {
            "null" if self.column.nullable => Ok(Value::Null),
            _ => compact(raw)
                .map(Value::Json)
                .ok_or_else(|| E::custom(format_args!("`{}` is nested deeper than {MAX_DEPTH}", self.column.name))),
        }
    }

    /// JSON of a form of our own, in its one spelling.
    fn exact<E: serde::de::Error>(&self, raw: &str) -> Result<Value, E> {
        if raw == "null" && self.column.nullable {
            return Ok(Value::Null);
        }
        let json = compact(raw).and_then(|json| match self.column.kind {
            Kind::Crdt(crdt) => crdt.canonical(&json).ok(),
            Kind::Sealed => Envelope::from_json(&json).is_ok().then_some(json),
            _ => FileRef::from_canonical_json(&json).is_ok().then_some(json),
        });
        json.map(Value::Json).ok_or_else(|| self.wrong(Quoted(raw)))
    }

    fn text<E: serde::de::Error>(&self, text: Cow<'_, str>) -> Result<Value, E> {
        match self.column.kind {
            Kind::Id if is_row_id(&text) => Ok(Value::Text(text.into_owned())),
            Kind::Text if !text.as_bytes().contains(&0) => Ok(Value::Text(text.into_owned())),
            Kind::Date if text.parse::<Date>().is_ok() => Ok(Value::Text(text.into_owned())),
            Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => match canonical_integer(&text) {
                Some(n) => Ok(Value::Int(n)),
                None => Err(self.wrong(Quoted(&text))),
            },
            Kind::Blob => {
                let bytes = match self.form {
                    Form::Wire => STANDARD.decode(text.as_bytes()).ok(),
                    Form::Log => hex(text.as_bytes()),
                };
                bytes.map(Value::Blob).ok_or_else(|| self.wrong(Quoted(&text)))
            }
            _ => Err(self.wrong(Quoted(&text))),
        }
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of the column `{}`", self.column.name)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        if self.column.nullable { Ok(Value::Null) } else { Err(self.wrong("null")) }
    }

    fn visit_bool<E: serde::de::Error>(self, b: bool) -> Result<Value, E> {
        if self.column.kind == Kind::Bool { Ok(Value::Bool(b)) } else { Err(self.wrong(b)) }
    }

    fn visit_i64<E: serde::de::Error>(self, n: i64) -> Result<Value, E> {
        match self.column.kind {
            Kind::Int if i32::try_from(n).is_ok() => Ok(Value::Int(n)),
            // The nearest float of a whole number is what a JSON reader makes of it.
            Kind::Float => Ok(Value::Float(n as f64)),
            _ => Err(self.wrong(n)),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, n: u64) -> Result<Value, E> {
        match self.column.kind {
            Kind::Int if i32::try_from(n).is_ok() => Ok(Value::Int(n as i64)),
            Kind::Float => Ok(Value::Float(n as f64)),
            _ => Err(self.wrong(n)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, x: f64) -> Result<Value, E> {
        match self.column.kind {
            Kind::Float if x.is_finite() => Ok(Value::Float(if x == 0.0 { 0.0 } else { x })),
            _ => Err(self.wrong(x)),
        }
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Value, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.text(Cow::Borrowed(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(self.wrong("an object"))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(self.wrong("an array"))
    }
}

/// The first characters of a text, for a message.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(40) {
            Some((end, _)) => write!(f, "{:?}...", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

/// 36 characters: lower-case hex digits in groups of 8, 4, 4, 4 and 12.
pub(crate) fn is_row_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// The one spelling of an integer: no plus, no leading zeros, no `-0`.
pub(crate) fn canonical_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// JSON text (valid already) without the white space between its tokens; none when it is nested too deep. serde_json
/// does not look at the depth of a raw value, but whoever reads the value later would run into its limit.
fn compact(raw: &str) -> Option<String> {
    let (mut out, mut from, mut depth) = (String::with_capacity(raw.len()), 0, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for (at, byte) in raw.bytes().enumerate() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' if depth == MAX_DEPTH => return None,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b' ' | b'\n' | b'\r' | b'\t' => {
                out.push_str(&raw[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(&raw[from..]);
    Some(out)
}
