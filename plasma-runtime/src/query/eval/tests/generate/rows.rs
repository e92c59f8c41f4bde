//! Random rows: many NULLs, few different values, and the edges of every kind.

use super::Choices;
use crate::crdt::CrdtKind;
use crate::schema::{ColumnDef, TableDef};
use crate::value::{FileRef, Kind, Row, Value};

/// The rows of each table.
pub(crate) type Tables = Vec<(&'static TableDef, Vec<Row>)>;

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
}
const fn id() -> ColumnDef {
    let mut id = column("id", Kind::Id);
    id.nullable = false;
    id
}

/// Every kind, `id` not first; names that need quoting.
static ALL: TableDef = TableDef::new(
    "all",
    &[
        column("text", Kind::Text),
        id(),
        column("order", Kind::Text),
        column("int", Kind::Int),
        column("bigint", Kind::BigInt),
        column("float", Kind::Float),
        column("bool", Kind::Bool),
        column("blob", Kind::Blob),
        column("json", Kind::Json),
        column("time", Kind::Timestamp),
        column("date", Kind::Date),
        column("fixed", Kind::Fixed(2)),
        column("file", Kind::File),
        column("ref", Kind::Id),
        column("views", Kind::Crdt(CrdtKind::GCounter)),
        column("votes", Kind::Crdt(CrdtKind::PnCounter)),
        column("name", Kind::Crdt(CrdtKind::Lww(&Kind::Text))),
        column("tags", Kind::Crdt(CrdtKind::OrSet(&Kind::Text))),
    ],
);
static SOME: TableDef = TableDef::new(
    "so\"me",
    &[
        id(),
        column("ref", Kind::Id),
        column("text", Kind::Text),
        column("int", Kind::Int),
        column("bigint", Kind::BigInt),
        column("float", Kind::Float),
        column("weight", Kind::Crdt(CrdtKind::Lww(&Kind::Float))),
        column("numbers", Kind::Crdt(CrdtKind::OrSet(&Kind::Int))),
    ],
);
static FEW: TableDef = TableDef::new("few", &[id(), column("ref", Kind::Id), column("bool", Kind::Bool)]);

pub(crate) static TABLES: [&TableDef; 3] = [&ALL, &SOME, &FEW];

impl Choices<'_> {
    /// Up to seven rows; the ids are the same in every table.
    pub(super) fn rows(&mut self, table: &TableDef) -> Vec<Row> {
        let count = self.pick(&[3, 2, 1, 0, 4, 5, 6, 7]);
        (0..count)
            .map(|n| {
                let mut row: Row = table.columns.iter().map(|column| self.value(column.kind)).collect();
                row[table.id] = Value::Text(row_id(n));
                row
            })
            .collect()
    }

    /// A value of a kind; often NULL, often one that comes again.
    pub(crate) fn value(&mut self, kind: Kind) -> Value {
        if self.once_in(4) {
            return Value::Null;
        }
        // Numbers at the edge leave nothing to calculate with: not too often.
        let edge = self.once_in(10);
        match kind {
            Kind::Id => Value::Text(row_id(self.pick(&[0, 1, 2, 1, 0, 3, 7]))),
            Kind::Text => Value::Text(self.text()),
            Kind::Int if edge => Value::Int(self.pick(&[i64::from(i32::MAX), i64::from(i32::MIN)])),
            Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) if edge => {
                Value::Int(self.pick(&[i64::MAX, i64::MIN, 9_007_199_254_740_993, 9_007_199_254_740_992]))
            }
            Kind::Timestamp => Value::Int(self.pick(&[0, -1, 1_732_190_399_999_999, 1_732_190_400_000_000])),
            Kind::Int | Kind::BigInt | Kind::Fixed(_) => Value::Int(self.pick(&[0, 1, -1, 2, -10, 7])),
            Kind::Float if edge => {
                Value::Float(self.pick(&[f64::MAX, f64::MIN, 5e-324, 9_007_199_254_740_992.0, 1e22]))
            }
            // Some need all 17 digits.
            Kind::Float => {
                Value::Float(self.pick(&[0.0, 1.0, 1.0 / 3.0, 0.1, -1.0, 0.1 + 0.2, -0.1, 2.5, -0.0, -2.0 / 3.0]))
            }
            Kind::Bool => Value::Bool(self.once_in(2)),
            Kind::Blob => Value::Blob((0..self.below(3)).map(|_| self.pick(&[0, 1, 127, 128, 255])).collect()),
            Kind::Json => Value::Json(self.pick(&["null", "1", "[1,2]", "{\"a\":\"é\"}", "\"x\"", "\"X\""]).to_owned()),
            Kind::Date => Value::Text(self.pick(&["0001-01-01", "2024-02-29", "2024-03-01", "9999-12-31"]).to_owned()),
            Kind::File => Value::Json(file(self.below(3))),
            Kind::Crdt(kind) => Value::Json(self.state(kind)),
            Kind::Sealed => Value::Null,
        }
    }

    /// Short text of characters that matter to patterns, order and case.
    pub(crate) fn text(&mut self) -> String {
        if self.once_in(2) {
            return self.pick(&["a", "A", "ab", "aB", "B", " a ", "b  "]).to_owned();
        }
        let pieces = [
            "",
            "a",
            "b",
            "A",
            "B",
            " ",
            "%",
            "_",
            "\\",
            "[",
            "]",
            "*",
            "?",
            "^",
            "é",
            "É",
            "\u{a0}",
            "\u{ff5e}",
            "\u{1f600}",
            "ab",
        ];
        (0..self.below(4)).map(|_| self.pick(&pieces)).collect()
    }
}

fn file(n: usize) -> String {
    FileRef::of(&[n as u8], "image/png").expect("the mime is one").to_json()
}

/// The id of a row, in every table.
pub(crate) fn row_id(n: usize) -> String {
    format!("0190a1b2-0000-7000-8000-00000000000{n}")
}
