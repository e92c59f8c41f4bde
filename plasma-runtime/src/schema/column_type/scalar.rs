//! The plain column types: text, numbers, bytes, times, dates, files.
//!
//! None of the impls is recommended: the errors list the column types themselves, and not eight of the impls.

use super::{ColumnType, Scalar, unexpected};
use crate::error::{Error, Result};
use crate::value::{Date, FileRef, Fixed, Kind, Timestamp, Value};

/// Text must not hold U+0000: Postgres refuses it, and both sides must agree.
fn text(text: String) -> Result<Value> {
    if text.contains('\0') {
        return Err(Error::validation("text must not contain the character U+0000"));
    }
    Ok(Value::Text(text))
}

#[diagnostic::do_not_recommend]
impl ColumnType for String {
    const KIND: Kind = Kind::Text;
    type NonNull = Self;
    type Literal = &'static str;
    fn literal(literal: Self::Literal) -> Value {
        Value::Text(literal.to_owned())
    }
    fn into_value(self) -> Result<Value> {
        text(self)
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Text(text) => Ok(text),
            other => unexpected("text", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for String {}

#[diagnostic::do_not_recommend]
impl ColumnType for i32 {
    const KIND: Kind = Kind::Int;
    type NonNull = Self;
    type Literal = i32;
    fn literal(literal: i32) -> Value {
        Value::Int(literal.into())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Int(self.into()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(n) => n.try_into().or_else(|_| unexpected("a 32-bit integer", &Value::Int(n))),
            other => unexpected("a 32-bit integer", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for i32 {}

#[diagnostic::do_not_recommend]
impl ColumnType for i64 {
    const KIND: Kind = Kind::BigInt;
    type NonNull = Self;
    type Literal = i64;
    fn literal(literal: i64) -> Value {
        Value::Int(literal)
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Int(self))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(n) => Ok(n),
            other => unexpected("an integer", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for i64 {}

#[diagnostic::do_not_recommend]
impl ColumnType for f64 {
    const KIND: Kind = Kind::Float;
    type NonNull = Self;
    type Literal = f64;
    fn literal(literal: f64) -> Value {
        Value::Float(literal)
    }
    fn into_value(self) -> Result<Value> {
        if !self.is_finite() {
            return Err(Error::validation(format!("a float column holds finite numbers, not {self}")));
        }
        // -0.0 equals 0.0 but has another JSON form: store one of them.
        Ok(Value::Float(if self == 0.0 { 0.0 } else { self }))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Float(x) => Ok(x),
            other => unexpected("a float", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for f64 {}

#[diagnostic::do_not_recommend]
impl ColumnType for bool {
    const KIND: Kind = Kind::Bool;
    type NonNull = Self;
    type Literal = bool;
    fn literal(literal: bool) -> Value {
        Value::Bool(literal)
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Bool(self))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Bool(b) => Ok(b),
            other => unexpected("a boolean", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for bool {}

#[diagnostic::do_not_recommend]
impl ColumnType for Vec<u8> {
    const KIND: Kind = Kind::Blob;
    type NonNull = Self;
    type Literal = &'static [u8];
    fn literal(literal: Self::Literal) -> Value {
        Value::Blob(literal.to_vec())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Blob(self))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Blob(bytes) => Ok(bytes),
            other => unexpected("bytes", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for Vec<u8> {}

#[diagnostic::do_not_recommend]
impl ColumnType for Timestamp {
    const KIND: Kind = Kind::Timestamp;
    type NonNull = Self;
    type Literal = Timestamp;
    fn literal(literal: Timestamp) -> Value {
        Value::Int(literal.micros())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Int(self.micros()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Int(micros) => Ok(Timestamp::from_micros(micros)),
            other => unexpected("a timestamp", &other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for Timestamp {}

#[diagnostic::do_not_recommend]
impl ColumnType for Date {
    const KIND: Kind = Kind::Date;
    type NonNull = Self;
    type Literal = Date;
    fn literal(literal: Date) -> Value {
        Value::Text(literal.to_string())
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Text(self.to_string()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match &value {
            Value::Text(text) => text.parse().or_else(|_| unexpected("a date", &value)),
            other => unexpected("a date", other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for Date {}

/// One by one, so that a scale there is not is one error at the type.
macro_rules! fixed_columns {
    ($($n:literal)*) => {
        $(
            #[diagnostic::do_not_recommend]
            impl ColumnType for Fixed<$n> {
                const KIND: Kind = Kind::Fixed($n);
                type NonNull = Self;
                type Literal = Self;
                fn literal(literal: Self) -> Value {
                    Value::Int(literal.minor())
                }
                fn into_value(self) -> Result<Value> {
                    Ok(Value::Int(self.minor()))
                }
                fn from_value(value: Value) -> Result<Self> {
                    match value {
                        Value::Int(minor) => Ok(Fixed::from_minor(minor)),
                        other => unexpected("a fixed decimal", &other),
                    }
                }
            }
            #[diagnostic::do_not_recommend]
            impl Scalar for Fixed<$n> {}
        )*
    };
}
fixed_columns! { 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 }

#[diagnostic::do_not_recommend]
impl ColumnType for FileRef {
    const KIND: Kind = Kind::File;
    type NonNull = Self;
    /// No const can hold a file.
    type Literal = std::convert::Infallible;
    fn literal(literal: Self::Literal) -> Value {
        match literal {}
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Json(self.to_json()))
    }
    fn from_value(value: Value) -> Result<Self> {
        match &value {
            Value::Json(json) => FileRef::from_canonical_json(json).or_else(|_| unexpected("a file", &value)),
            other => unexpected("a file", other),
        }
    }
}
#[diagnostic::do_not_recommend]
impl Scalar for FileRef {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ColumnDef, TableDef, fingerprint};

    #[test]
    fn every_scale_is_another_schema() {
        let hash = |kind: Kind| {
            let columns = [ColumnDef::new("id", Kind::Id), ColumnDef::new("total", kind)];
            fingerprint::table(&TableDef::new("t", Box::leak(Box::new(columns))))
        };
        let kinds = (0..=18).map(Kind::Fixed).chain([Kind::BigInt, Kind::Date, Kind::File, Kind::Text, Kind::Json]);
        let hashes: std::collections::BTreeSet<u64> = kinds.map(hash).collect();
        assert_eq!(hashes.len(), 24);
        assert_eq!((<Fixed<0>>::KIND, <Fixed<18>>::KIND), (Kind::Fixed(0), Kind::Fixed(18)));
    }
}
