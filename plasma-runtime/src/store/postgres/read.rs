//! Results as values, by the kinds the caller names.

use tokio_postgres::Row as PgRow;
use tokio_postgres::types::{FromSql, Kind as TypeKind, Type};

use super::bind::EPOCH;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{Date, Kind, Row, Timestamp, Value};

/// A result as it came.
struct Raw<'r>(&'r [u8]);

impl<'r> FromSql<'r> for Raw<'r> {
    fn from_sql(_: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// One result row, each column read by its kind.
pub(super) fn row(row: &PgRow, kinds: &[Kind]) -> Result<Row> {
    let mut values = Vec::with_capacity(kinds.len());
    for (index, kind) in kinds.iter().enumerate() {
        let raw: Option<Raw<'_>> = row.try_get(index).map_err(super::error::from_postgres)?;
        let column = &row.columns()[index];
        values.push(match raw {
            None => Value::Null,
            Some(Raw(bytes)) => value(bytes, column.type_(), *kind).ok_or_else(|| unreadable(column, *kind))?,
        });
    }
    Ok(values)
}

#[cold]
fn unreadable(column: &tokio_postgres::Column, kind: Kind) -> Error {
    let (name, ty) = (column.name(), column.type_());
    Error::new(
        ErrorKind::Storage,
        format!("the column `{name}` should hold a value of kind {kind:?}, it holds one of the type `{ty}`"),
    )
}

fn value(bytes: &[u8], ty: &Type, kind: Kind) -> Option<Value> {
    if let TypeKind::Domain(of) = ty.kind() {
        return value(bytes, of, kind);
    }
    match kind {
        Kind::Id | Kind::Text | Kind::Date => text(bytes, ty).map(Value::Text),
        Kind::Json | Kind::File | Kind::Crdt(_) | Kind::Sealed => text(bytes, ty).map(Value::Json),
        Kind::Int | Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => integer(bytes, ty).map(Value::Int),
        Kind::Float => float(bytes, ty).filter(|x| x.is_finite()).map(|x| Value::Float(if x == 0.0 { 0.0 } else { x })),
        Kind::Bool => match (ty, bytes) {
            (&Type::BOOL, [byte]) => Some(Value::Bool(*byte != 0)),
            _ => integer(bytes, ty).filter(|n| matches!(n, 0 | 1)).map(|n| Value::Bool(n == 1)),
        },
        Kind::Blob => (*ty == Type::BYTEA).then(|| Value::Blob(bytes.to_vec())),
    }
}

fn text(bytes: &[u8], ty: &Type) -> Option<String> {
    let utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    match *ty {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::CHAR | Type::UNKNOWN | Type::JSON => utf8(bytes),
        // One byte of a version first.
        Type::JSONB => utf8(bytes.get(1..)?),
        Type::UUID => Some(uuid::Uuid::from_slice(bytes).ok()?.to_string()),
        Type::DATE => {
            let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            let micros = days.checked_mul(86_400_000_000)?.checked_add(EPOCH)?;
            let date: Date = Timestamp::from_micros(micros).date(0).ok()?;
            Some(date.to_string())
        }
        _ if matches!(ty.kind(), TypeKind::Enum(_)) => utf8(bytes),
        _ => None,
    }
}

fn integer(bytes: &[u8], ty: &Type) -> Option<i64> {
    Some(match *ty {
        Type::INT8 | Type::XID8 => i64::from_be_bytes(bytes.try_into().ok()?),
        Type::INT4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
        Type::INT2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
        Type::OID | Type::XID => i64::from(u32::from_be_bytes(bytes.try_into().ok()?)),
        Type::NUMERIC => numeric(bytes)?.parse().ok()?,
        Type::TIMESTAMP | Type::TIMESTAMPTZ => i64::from_be_bytes(bytes.try_into().ok()?).checked_add(EPOCH)?,
        _ => return None,
    })
}

fn float(bytes: &[u8], ty: &Type) -> Option<f64> {
    Some(match *ty {
        Type::FLOAT8 => f64::from_be_bytes(bytes.try_into().ok()?),
        Type::FLOAT4 => f64::from(f32::from_be_bytes(bytes.try_into().ok()?)),
        Type::NUMERIC => numeric(bytes)?.parse().ok()?,
        _ => integer(bytes, ty)? as f64,
    })
}

/// A `numeric` written out, without a fraction where that is zero: groups of four digits, the first one worth 10,000 to
/// the power of the weight.
fn numeric(bytes: &[u8]) -> Option<String> {
    let mut words = bytes.chunks_exact(2).map(|word| i16::from_be_bytes([word[0], word[1]]));
    let (count, weight, sign, _scale) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let digits: Vec<i16> = words.collect();
    if digits.len() != usize::try_from(count).ok()? || !matches!(sign, 0 | 0x4000) {
        // Not a number, or infinite.
        return None;
    }
    let group = |at: i32| usize::try_from(at).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut text = String::from(if sign == 0 { "" } else { "-" });
    let weight = i32::from(weight);
    if weight < 0 {
        text.push('0');
    }
    for at in 0..=weight {
        text.push_str(&if at == 0 { group(at).to_string() } else { format!("{:04}", group(at)) });
    }
    let last = i32::from(count) - 1;
    if last > weight {
        text.push('.');
        // Groups above the first one are zeros: there the index is below 0.
        (weight + 1..=last).for_each(|at| text.push_str(&format!("{:04}", group(at))));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[i16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn numerics_are_read() {
        for (given, expected) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[1, 0, 0, 0, 7], "7"),
            (&[2, 1, 0x4000, 0, 12, 34], "-120034"),
            (&[1, 2, 0, 0, 1], "100000000"),
            (&[2, 0, 0, 2, 1, 2500], "1.2500"),
            (&[1, -1, 0, 2, 2500], "0.2500"),
            (&[1, -2, 0, 6, 5], "0.00000005"),
        ] {
            assert_eq!(numeric(&words(given)).as_deref(), Some(expected), "{given:?}");
        }
        assert_eq!(numeric(&words(&[0, 0, i16::from_be_bytes([0xC0, 0]), 0])), None);
    }
}
