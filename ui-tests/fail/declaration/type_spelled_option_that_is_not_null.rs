use plasma::prelude::*;

pub struct Option<T>(pub T);

#[derive(plasma::Column)]
pub struct Text(String);

impl plasma::ColumnType for Option<Text> {
    const KIND: plasma::value::Kind = plasma::value::Kind::Text;
    type NonNull = Text;
    type Literal = &'static str;
    fn literal(literal: &'static str) -> plasma::value::Value {
        literal.into()
    }
    fn into_value(self) -> plasma::Result<plasma::value::Value> {
        self.0.into_value()
    }
    fn from_value(value: plasma::value::Value) -> plasma::Result<Self> {
        Text::from_value(value).map(Option)
    }
}

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub note: Option<Text>,
}

fn main() {}
