//! A text as a column.

use super::Text;
use crate::crdt::{BeginsEmpty, CrdtKind};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::ColumnType;
use crate::value::{Kind, Value};

#[diagnostic::do_not_recommend]
impl ColumnType for Text {
    const KIND: Kind = Kind::Crdt(CrdtKind::Text);
    const EMPTY: Option<fn() -> Value> = Some(|| Value::Json(Text::default().to_json()));
    type NonNull = Self;
    type Literal = BeginsEmpty;
    fn literal(literal: BeginsEmpty) -> Value {
        match literal {}
    }
    fn into_value(self) -> Result<Value> {
        Ok(Value::Json(self.to_json()))
    }
    fn from_value(value: Value) -> Result<Self> {
        let text = match &value {
            Value::Json(json) => Text::from_stored(json).ok(),
            _ => None,
        };
        text.ok_or_else(|| {
            Error::new(ErrorKind::Storage, format!("expected the state of {} in the column", CrdtKind::Text))
        })
    }
}
