//! Random rows: the evaluator's, with fewer different values, so that more of them meet.

use crate::query::eval::tests::generate::{Choices, TABLES, Tables, row_id};
use crate::schema::TableDef;
use crate::value::{Kind, Row, Value};

/// Ids that rows can have.
pub(super) const IDS: usize = 9;

/// Rows of every table.
pub(super) fn tables(choices: &mut Choices<'_>) -> Tables {
    TABLES
        .iter()
        .map(|table| {
            let count = choices.pick(&[4, 6, 8, 3, 5, 7, 2, 1, 0]);
            (*table, (0..count).map(|n| row(choices, table, n)).collect())
        })
        .collect()
}

/// A row with this id.
pub(super) fn row(choices: &mut Choices<'_>, table: &TableDef, n: usize) -> Row {
    let mut row: Row = table.columns.iter().map(|column| value(choices, column.kind)).collect();
    row[table.id] = Value::Text(row_id(n));
    row
}

/// A value, half of the time one of a few; at times NULL or at the edge of its kind.
pub(super) fn value(choices: &mut Choices<'_>, kind: Kind) -> Value {
    if choices.once_in(2) {
        return choices.value(kind);
    }
    match kind {
        Kind::Id => Value::Text(row_id(choices.pick(&[0, 1, 2, 3]))),
        Kind::Text => Value::Text(choices.pick(&["a", "b", "B", "\u{e9}"]).to_owned()),
        Kind::Int | Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => Value::Int(choices.pick(&[0, 1, 2])),
        Kind::Float => Value::Float(choices.pick(&[0.5, 0.1, 1.0])),
        _ => choices.value(kind),
    }
}

/// A value that is seldom NULL, to compare with.
pub(super) fn constant(choices: &mut Choices<'_>, kind: Kind) -> Value {
    match value(choices, kind) {
        Value::Null => value(choices, kind),
        other => other,
    }
}
