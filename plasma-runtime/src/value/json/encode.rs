//! Values to JSON text, straight into a string.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::schema::TableDef;
use crate::value::{Kind, Value};

/// A row in wire form.
///
/// # Panics
/// When the row has fewer values than the table has columns.
pub fn encode_row(table: &TableDef, row: &[Value]) -> String {
    let mut out = String::with_capacity(32 * table.columns.len() + 64);
    encode_row_into(table, row, &mut out);
    out
}

/// Appends a row in wire form.
///
/// # Panics
/// When the row has fewer values than the table has columns.
pub fn encode_row_into(table: &TableDef, row: &[Value], out: &mut String) {
    out.push('{');
    for (index, column) in table.columns.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(column.name, out);
        out.push(':');
        encode_kind_into(column.kind, &row[index], out);
    }
    out.push('}');
}

/// Appends one value in wire form. The kind decides, because an integer has two JSON forms.
pub(crate) fn encode_kind_into(kind: Kind, value: &Value, out: &mut String) {
    match value {
        Value::Int(n) if kind != Kind::Int => {
            out.push('"');
            integer(*n, out);
            out.push('"');
        }
        value => encode_value_into(value, out),
    }
}

/// Appends one value. An integer is a number here: a column of a bigint or timestamp writes it as a string.
pub fn encode_value_into(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Int(n) => integer(*n, out),
        Value::Float(x) => float(*x, out),
        Value::Text(text) => string(text, out),
        Value::Blob(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        Value::Json(json) => out.push_str(json),
        Value::Rows(rows) => {
            let mut comma = "";
            out.push('[');
            for row in rows {
                out.push_str(comma);
                comma = ",";
                for (at, value) in row.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    encode_value_into(value, out);
                }
                out.push_str(if row.is_empty() { "[]" } else { "]" });
            }
            out.push(']');
        }
    }
}

/// The shortest decimal that reads back to the same float. Rust's `Debug` form of a finite float is one, and it is a JSON
/// number (`1.0`, `1e300`).
fn float(x: f64, out: &mut String) {
    let x = if x == 0.0 { 0.0 } else { x };
    // Writing to a String cannot fail.
    let _ = write!(out, "{x:?}");
}

/// Decimal digits without the detour through `fmt`.
fn integer(n: i64, out: &mut String) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push('-');
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits are ASCII"));
}

/// A JSON string (RFC 8259, section 7): quote, backslash and control characters are escaped, the rest stands as it is.
fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        match special.as_bytes()[0] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &special[1..];
    }
    out.push_str(rest);
    out.push('"');
}
