//! What happens to the store and to those who look at it.

use super::case::short;
use super::hot::{Hot, hot};
use super::rows::{IDS, row, value};
use super::watch::Watched;
use super::world::{End, World};
use crate::client::event::{Batch, RowChange};
use crate::query::eval::tests::generate::{Choices, TABLES, row_id};
use crate::query::ir::Query;
use crate::schema::TableDef;
use crate::value::{Row, Value};

/// A planted bug, or none: what the live side is asked, and what it is told of a transaction.
pub(super) struct Bug<'b> {
    pub rewrite: &'b dyn Fn(&mut Query),
    pub spoil: &'b dyn Fn(Batch) -> Vec<Batch>,
}

impl Bug<'_> {
    /// No bug.
    pub(super) const NONE: Bug<'static> = Bug { rewrite: &|_| {}, spoil: &|batch| vec![batch] };
}

/// Takes one step and says what it was: its name, and in full.
pub(super) fn step(
    choices: &mut Choices<'_>,
    world: &mut World,
    watched: &mut Vec<Watched>,
    queries: &[Query],
    bug: &Bug<'_>,
) -> (&'static str, String) {
    let was = world.tables.clone();
    let mut made = Made { hot: hot(watched.iter().map(|watched| &watched.asked.query)), journal: Vec::new(), world };
    let (name, end) = match choices.below(20) {
        0..=9 => {
            let count = 1 + choices.below(6);
            (0..count).for_each(|_| made.change(choices));
            ("transaction", End::Committed)
        }
        10..=12 => {
            made.rebase(choices);
            ("rebase", End::Committed)
        }
        13 => {
            made.nothing(choices);
            ("nothing", End::Committed)
        }
        14 => {
            let count = 1 + choices.below(4);
            (0..count).for_each(|_| made.change(choices));
            ("foreign", End::Foreign)
        }
        15 => {
            let count = 1 + choices.below(4);
            (0..count).for_each(|_| made.change(choices));
            ("rolled back", End::RolledBack)
        }
        16 => {
            let at = choices.below(watched.len());
            let one = &mut watched[at];
            if one.ears() > 1 {
                one.unlisten();
                return ("unsubscribe", format!("one follows query {at} no more"));
            }
            one.listen();
            return ("subscribe", format!("one more follows query {at}"));
        }
        17 => {
            let (at, query) = (choices.below(watched.len()), choices.pick(queries));
            let said = format!("query {at} asks something else: {}", short(&query));
            watched[at].replace(query, bug.rewrite);
            return ("replace", said);
        }
        18 if watched.len() > 1 => {
            let at = choices.below(watched.len());
            drop(watched.remove(at));
            return ("close", format!("query {at} is closed"));
        }
        _ => {
            let query = choices.pick(queries);
            let said = format!("one more query is opened: {}", short(&query));
            watched.push(Watched::open(made.world, query, bug.rewrite));
            return ("open", said);
        }
    };
    let journal = made.journal;
    let changes = world.end(was, journal, end, bug.spoil);
    let lines: Vec<String> = changes.iter().map(line).collect();
    (name, format!("{name}\n{}", lines.join("\n")))
}

fn line(change: &RowChange) -> String {
    format!("    {} {}: {:?}\n      -> {:?}", change.table, change.id, change.before, change.after)
}

/// A transaction that is being made.
struct Made<'w> {
    world: &'w mut World,
    /// What matters to somebody.
    hot: Hot,
    journal: Vec<RowChange>,
}

impl Made<'_> {
    fn set(&mut self, table: &'static TableDef, id: &str, row: Option<Row>) {
        let change = self.world.set(table, id, row);
        self.journal.push(change);
    }

    /// A change of one row.
    fn change(&mut self, choices: &mut Choices<'_>) {
        let table = if self.hot.tables.is_empty() || choices.once_in(5) {
            choices.table()
        } else {
            choices.pick(&self.hot.tables)
        };
        let present: Vec<String> =
            self.world.rows(table).iter().filter_map(|row| row[table.id].as_text().map(str::to_owned)).collect();
        let again = self.journal.iter().rev().find(|change| change.table == table.name && change.after.is_some());
        match choices.below(10) {
            0..=5 if !present.is_empty() => {
                let id = match again {
                    Some(change) if choices.once_in(4) => change.id.clone(),
                    _ => choices.pick(&present),
                };
                let row = self.updated(choices, table, &id);
                self.set(table, &id, row);
            }
            6 | 7 if !present.is_empty() => self.set(table, &choices.pick(&present), None),
            _ => {
                let n = choices.below(IDS);
                let row = row(choices, table, n);
                self.set(table, &row_id(n), Some(row));
            }
        }
    }

    /// The row with some other values; none if there is no row.
    fn updated(&self, choices: &mut Choices<'_>, table: &'static TableDef, id: &str) -> Option<Row> {
        let mut row = self.world.row(table, id)?.clone();
        let hot: Vec<usize> =
            self.hot.columns.iter().filter(|(name, _)| *name == table.name).map(|(_, at)| *at).collect();
        let any: Vec<usize> = (0..table.columns.len()).filter(|at| *at != table.id).collect();
        for _ in 0..1 + choices.below(2) {
            let at = if hot.is_empty() || choices.once_in(4) { choices.pick(&any) } else { choices.pick(&hot) };
            // Another row's value makes ties, members of a group, and rows that trade places.
            let others: Vec<Value> = self.world.rows(table).iter().map(|row| row[at].clone()).collect();
            row[at] = if choices.once_in(3) { choices.pick(&others) } else { value(choices, table.columns[at].kind) };
        }
        Some(row)
    }

    /// A pull over what is pending: some of the newest changes are undone, rows of the server come and go, and what was
    /// undone is done again, to the same row or to another one.
    fn rebase(&mut self, choices: &mut Choices<'_>) {
        let count = (1 + choices.below(5)).min(self.world.past.len());
        let pending = self.world.past.split_off(self.world.past.len() - count);
        let mut images = Vec::new();
        for change in pending.iter().rev() {
            let table = def(change.table);
            images.push((table, change.id.clone(), self.world.row(table, &change.id).cloned()));
            self.set(table, &change.id, change.before.clone());
        }
        for _ in 0..choices.below(4) {
            self.change(choices);
        }
        for (table, id, image) in images.into_iter().rev() {
            match choices.below(5) {
                // Rejected: it stays undone.
                4 => {}
                3 => {
                    self.set(table, &id, image);
                    let row = self.updated(choices, table, &id);
                    self.set(table, &id, row);
                }
                _ => self.set(table, &id, image),
            }
        }
    }

    /// Rows are written and end as they were.
    fn nothing(&mut self, choices: &mut Choices<'_>) {
        for _ in 0..choices.below(3) {
            let table = choices.table();
            let id = row_id(choices.below(IDS));
            let was = self.world.row(table, &id).cloned();
            let row = self.updated(choices, table, &id);
            self.set(table, &id, row);
            self.set(table, &id, was);
        }
    }
}

fn def(name: &str) -> &'static TableDef {
    TABLES.iter().copied().find(|table| table.name == name).expect("a table")
}
