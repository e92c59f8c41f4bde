//! Random tables, rows and queries out of a list of numbers: 0 is always the simplest choice, so that a failing case
//! shrinks to a simple one.

use crate::query::ir::{ColumnRef, CompareOp, Expr, Order, Query, Select};
use crate::schema::{ColumnDef, TableDef};
use crate::value::{Kind, Row, Value};

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
        column("ref", Kind::Id),
    ],
);
static SOME: TableDef =
    TableDef::new("so\"me", &[id(), column("ref", Kind::Id), column("text", Kind::Text), column("int", Kind::Int)]);
static FEW: TableDef = TableDef::new("few", &[id(), column("ref", Kind::Id), column("bool", Kind::Bool)]);

pub(super) static TABLES: [&TableDef; 3] = [&ALL, &SOME, &FEW];

/// A stream of choices.
pub(super) struct Choices<'c> {
    numbers: &'c [u16],
    at: usize,
}

impl<'c> Choices<'c> {
    pub(super) fn new(numbers: &'c [u16]) -> Self {
        Choices { numbers, at: 0 }
    }

    /// One of `0..below`; 0 when the numbers are used up.
    fn below(&mut self, below: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % below
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// True once in `times`; false when the numbers are used up.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    pub(super) fn rows(&mut self, table: &TableDef) -> Vec<Row> {
        (0..self.below(9))
            .map(|n| {
                let mut row: Row = table.columns.iter().map(|column| self.value(column.kind)).collect();
                row[table.id] = Value::Text(row_id(n));
                row
            })
            .collect()
    }

    /// A value of a kind; often NULL, often one that comes again.
    pub(super) fn value(&mut self, kind: Kind) -> Value {
        if self.once_in(4) {
            return Value::Null;
        }
        match kind {
            Kind::Id => Value::Text(row_id(self.below(9))),
            Kind::Text => Value::Text(self.text()),
            Kind::Int => Value::Int(self.pick(&[0, 1, -1, 2, i64::from(i32::MAX), i64::from(i32::MIN)])),
            Kind::BigInt | Kind::Timestamp | Kind::Fixed(_) => {
                let edges = [0, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993, 9_007_199_254_740_992, -10];
                Value::Int(self.pick(&edges))
            }
            Kind::Float => Value::Float(self.pick(&[
                0.0,
                1.0,
                -1.0,
                0.1,
                1.0 / 3.0,
                f64::MAX,
                f64::MIN,
                5e-324,
                9_007_199_254_740_992.0,
                -0.1,
                1e22,
            ])),
            Kind::Bool => Value::Bool(self.once_in(2)),
            Kind::Blob => Value::Blob((0..self.below(3)).map(|_| self.pick(&[0, 1, 127, 128, 255])).collect()),
            Kind::Json => Value::Json(self.pick(&["null", "1", "[1,2]", "{\"a\":\"é\"}", "\"x\"", "\"X\""]).to_owned()),
            Kind::Date => Value::Text(self.pick(&["0001-01-01", "2024-02-29", "2024-03-01", "9999-12-31"]).to_owned()),
            Kind::File => Value::Json(file(self.below(3))),
        }
    }

    /// Short text of characters that matter to patterns, order and case.
    fn text(&mut self) -> String {
        if self.once_in(2) {
            return self.pick(&["a", "A", "ab", "aB", "B"]).to_owned();
        }
        let pieces =
            ["", "a", "b", "A", "B", "%", "_", "\\", "[", "]", "*", "?", "^", "é", "É", "\u{ff5e}", "\u{1f600}", "ab"];
        (0..self.below(4)).map(|_| self.pick(&pieces)).collect()
    }

    pub(super) fn table(&mut self) -> &'static TableDef {
        self.pick(&TABLES)
    }

    /// A whole query, as an application could send it.
    pub(super) fn query(&mut self, table: &'static TableDef) -> Query {
        self.query_in(table, &mut Vec::new(), 3, None)
    }

    /// A condition over `table`.
    pub(super) fn filter(&mut self, table: &'static TableDef) -> Expr {
        self.condition(&mut vec![table], 3)
    }

    /// `member` is the kind of the one expression an `in_query` selects.
    fn query_in(
        &mut self,
        table: &'static TableDef,
        around: &mut Vec<&'static TableDef>,
        depth: usize,
        member: Option<Kind>,
    ) -> Query {
        around.push(table);
        let filter = (!self.once_in(5)).then(|| self.condition(around, depth));
        let order = (0..self.below(3))
            .map(|_| {
                let kind = self.pick(&KINDS);
                Order { expr: self.operand(kind, around, depth.min(1)), descending: self.once_in(2) }
            })
            .collect();
        let limit = self.once_in(3).then(|| self.below(5) as u64);
        let offset = self.once_in(4).then(|| self.below(4) as u64);
        let select = match member {
            Some(Kind::BigInt) if self.once_in(4) => Select::Count,
            Some(kind) => Select::Exprs(vec![self.operand(kind, around, 1)]),
            None => match self.below(4) {
                0 | 1 => Select::Row,
                2 => {
                    let count = 1 + self.below(3);
                    Select::Exprs(
                        (0..count)
                            .map(|_| {
                                let kind = self.pick(&KINDS);
                                self.operand(kind, around, depth.min(2))
                            })
                            .collect(),
                    )
                }
                _ => Select::Count,
            },
        };
        around.pop();
        Query { filter, order, limit, offset, select, ..Query::all(table) }
    }

    /// An expression with values of one kind: a column in scope, a constant, or (booleans) a condition.
    fn operand(&mut self, kind: Kind, around: &mut Vec<&'static TableDef>, depth: usize) -> Expr {
        if kind == Kind::Bool && depth > 0 && self.once_in(3) {
            return self.condition(around, depth - 1);
        }
        let columns: Vec<ColumnRef> = around
            .iter()
            .rev()
            .zip(0..)
            .flat_map(|(table, level)| {
                let of_kind = table.columns.iter().filter(|column| column.kind == kind);
                of_kind.map(move |column| ColumnRef { level, table: table.name, column: column.name })
            })
            .collect();
        if columns.is_empty() || self.once_in(3) {
            return Expr::Literal(self.value(kind));
        }
        Expr::Column(self.pick(&columns))
    }

    fn condition(&mut self, around: &mut Vec<&'static TableDef>, depth: usize) -> Expr {
        let ways = if depth == 0 { 5 } else { 12 };
        match self.below(ways) {
            0 | 1 => {
                let op = self.pick(&[
                    CompareOp::Eq,
                    CompareOp::Ne,
                    CompareOp::Lt,
                    CompareOp::Lte,
                    CompareOp::Gt,
                    CompareOp::Gte,
                    CompareOp::Is,
                ]);
                let kind = self.pick(&KINDS);
                Expr::compare(op, self.operand(kind, around, depth), self.operand(kind, around, depth))
            }
            2 => {
                let kind = self.pick(&KINDS);
                Expr::IsNull(Box::new(self.operand(kind, around, depth)))
            }
            3 => {
                let kind = self.pick(&KINDS);
                let length = if self.once_in(10) { 60 + self.below(20) } else { self.below(4) };
                let list = (0..length).map(|_| self.value(kind)).filter(|value| !value.is_null()).collect();
                Expr::In { expr: Box::new(self.operand(kind, around, depth)), list }
            }
            4 => {
                let kind = self.pick(&[Kind::Text, Kind::Id, Kind::Json]);
                Expr::Like { expr: Box::new(self.operand(kind, around, depth)), pattern: self.text() }
            }
            5 | 6 => Expr::And(self.conditions(around, depth)),
            7 => Expr::Or(self.conditions(around, depth)),
            8 => Expr::Not(Box::new(self.condition(around, depth - 1))),
            9 | 10 => {
                let table = self.table();
                let mut query = self.query_in(table, around, depth - 1, None);
                if self.once_in(2) {
                    // The shape of policies: correlated by a reference.
                    let level = 1;
                    let outer = Expr::Column(ColumnRef { level, table: around[around.len() - 1].name, column: "id" });
                    query = query.filter(Expr::eq(Expr::column(table.name, "ref"), outer));
                }
                Expr::Exists(Box::new(query))
            }
            _ => {
                let kind = self.pick(&KINDS);
                let expr = self.operand(kind, around, depth - 1);
                let table = self.table();
                let query = self.query_in(table, around, depth - 1, Some(kind));
                Expr::InQuery { expr: Box::new(expr), query: Box::new(query) }
            }
        }
    }

    fn conditions(&mut self, around: &mut Vec<&'static TableDef>, depth: usize) -> Vec<Expr> {
        (0..self.below(4)).map(|_| self.condition(around, depth - 1)).collect()
    }
}

const KINDS: [Kind; 12] = [
    Kind::Text,
    Kind::Int,
    Kind::Id,
    Kind::BigInt,
    Kind::Float,
    Kind::Bool,
    Kind::Blob,
    Kind::Json,
    Kind::Timestamp,
    Kind::Date,
    Kind::Fixed(2),
    Kind::File,
];

fn file(n: usize) -> String {
    crate::value::FileRef::of(&[n as u8], "image/png").expect("the mime is one").to_json()
}

fn row_id(n: usize) -> String {
    format!("0190a1b2-0000-7000-8000-00000000000{n}")
}
