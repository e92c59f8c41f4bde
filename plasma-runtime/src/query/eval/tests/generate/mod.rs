//! Random tables, rows and queries out of a list of numbers: 0 is always the simplest choice, so that a failing case
//! shrinks to a simple one.

mod condition;
mod crdt;
mod expr;
mod query;
mod rows;
pub(crate) mod scope;

pub(crate) use self::rows::{TABLES, Tables, row_id};
use crate::crdt::CrdtKind;
use crate::query::ir::{Expr, Query};
use crate::schema::TableDef;
use crate::value::Kind;

/// Everything a column can hold.
const KINDS: [Kind; 18] = [
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
    Kind::Crdt(CrdtKind::GCounter),
    Kind::Crdt(CrdtKind::PnCounter),
    Kind::Crdt(CrdtKind::Lww(&Kind::Text)),
    Kind::Crdt(CrdtKind::Lww(&Kind::Float)),
    Kind::Crdt(CrdtKind::OrSet(&Kind::Text)),
    Kind::Crdt(CrdtKind::OrSet(&Kind::Int)),
];

/// A stream of choices.
pub(crate) struct Choices<'c> {
    numbers: &'c [u16],
    at: usize,
    /// How many more sources the query may have: what it costs grows with their product.
    sources: usize,
}

impl<'c> Choices<'c> {
    pub(crate) fn new(numbers: &'c [u16]) -> Self {
        Choices { numbers, at: 0, sources: 0 }
    }

    /// One of `0..below`; 0 when the numbers are used up.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        let number = self.numbers.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(number) % below
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// True once in `times`; false when the numbers are used up.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }

    /// Any kind; those that something is made of twice as often.
    fn kind(&mut self) -> Kind {
        let often = [Kind::Text, Kind::BigInt, Kind::Float, Kind::Bool];
        if self.once_in(3) { self.pick(&often) } else { self.pick(&KINDS) }
    }

    /// Rows of every table.
    pub(crate) fn tables(&mut self) -> Tables {
        TABLES.iter().map(|table| (*table, self.rows(table))).collect()
    }

    pub(crate) fn table(&mut self) -> &'static TableDef {
        self.pick(&TABLES)
    }

    /// A whole query, as an application could send it.
    pub(crate) fn query(&mut self) -> Query {
        self.sources = 8;
        query::outermost(self)
    }

    /// A condition over a row of `table`, as a policy has.
    pub(crate) fn filter(&mut self, table: &'static TableDef) -> Expr {
        self.sources = 3;
        query::filter(self, table)
    }
}
