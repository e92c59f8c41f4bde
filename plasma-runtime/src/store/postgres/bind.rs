//! Values as parameters, by the types the server says they have.

use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{Format, IsNull, Kind as TypeKind, ToSql, Type, to_sql_checked};

use crate::error::{Error, Result};
use crate::value::{Timestamp, Value};

/// Microseconds from the epoch of Unix to that of Postgres, 2000-01-01.
pub(super) const EPOCH: i64 = 946_684_800_000_000;

/// A parameter.
#[derive(Debug)]
pub(super) struct Param<'v>(pub(super) &'v Value);

/// A value as it is sent.
enum Sent<'v> {
    Null,
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Unsigned(u32),
    Float4(f32),
    Float8(f64),
    Bytes(&'v [u8]),
    /// In the server's written form, which it reads as the type: also types this library does not know.
    Written(String),
}

impl Param<'_> {
    /// The value in the form of the type.
    ///
    /// # Errors
    /// [`Validation`](crate::ErrorKind::Validation) when the type does not hold it.
    fn sent(&self, ty: &Type) -> Result<Sent<'_>> {
        if let TypeKind::Domain(of) = ty.kind() {
            return self.sent(of);
        }
        let is_text =
            matches!(*ty, Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::JSON);
        Ok(match (self.0, ty) {
            // No column holds rows: no constraint lets this NULL through where it would matter.
            (Value::Null | Value::Rows(_), _) => Sent::Null,
            (Value::Bool(b), &Type::BOOL) => Sent::Bool(*b),
            (Value::Bool(b), &Type::INT2 | &Type::INT4 | &Type::INT8) => return integer(i64::from(*b), ty),
            (Value::Bool(b), _) => Sent::Written(b.to_string()),
            (Value::Int(n), _) => return integer(*n, ty),
            (Value::Float(x), _) if !x.is_finite() => {
                return Err(Error::validation("a float column holds finite numbers only"));
            }
            // Zero has no sign.
            (Value::Float(x), &Type::FLOAT8) => Sent::Float8(if *x == 0.0 { 0.0 } else { *x }),
            (Value::Float(x), &Type::FLOAT4) => Sent::Float4(if *x == 0.0 { 0.0 } else { *x as f32 }),
            (Value::Float(x), _) => Sent::Written(format!("{x:?}")),
            (Value::Text(text) | Value::Json(text), _) if text.contains('\0') => {
                return Err(Error::validation("text holds no U+0000"));
            }
            (Value::Text(text) | Value::Json(text), _) if is_text => Sent::Bytes(text.as_bytes()),
            (Value::Text(text) | Value::Json(text), _) => Sent::Written(text.clone()),
            (Value::Blob(bytes), &Type::BYTEA) => Sent::Bytes(bytes),
            (Value::Blob(_), other) => {
                return Err(Error::validation(format!("a blob is no value of the type `{other}`")));
            }
        })
    }
}

fn integer(n: i64, ty: &Type) -> Result<Sent<'static>> {
    let outside = || Error::validation(format!("{n} is no value of the type `{ty}`"));
    Ok(match *ty {
        Type::INT8 | Type::XID8 => Sent::Int8(n),
        Type::INT4 => Sent::Int4(i32::try_from(n).map_err(|_| outside())?),
        Type::INT2 => Sent::Int2(i16::try_from(n).map_err(|_| outside())?),
        Type::OID | Type::XID => Sent::Unsigned(u32::try_from(n).map_err(|_| outside())?),
        Type::BOOL if matches!(n, 0 | 1) => Sent::Bool(n == 1),
        Type::BOOL => return Err(outside()),
        Type::FLOAT8 => Sent::Float8(n as f64),
        Type::FLOAT4 => Sent::Float4(n as f32),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => Sent::Int8(n.checked_sub(EPOCH).ok_or_else(|| {
            Error::validation(format!("{} is no value of the type `{ty}`", Timestamp::from_micros(n)))
        })?),
        _ => Sent::Written(n.to_string()),
    })
}

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.sent(ty)? {
            Sent::Null => return Ok(IsNull::Yes),
            Sent::Bool(b) => out.put_u8(u8::from(b)),
            Sent::Int2(n) => out.put_i16(n),
            Sent::Int4(n) => out.put_i32(n),
            Sent::Int8(n) => out.put_i64(n),
            Sent::Unsigned(n) => out.put_u32(n),
            Sent::Float4(x) => out.put_f32(x),
            Sent::Float8(x) => out.put_f64(x),
            Sent::Bytes(bytes) => out.put_slice(bytes),
            Sent::Written(text) => out.put_slice(text.as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        match self.sent(ty) {
            Ok(Sent::Written(_)) => Format::Text,
            _ => Format::Binary,
        }
    }

    to_sql_checked!();
}
