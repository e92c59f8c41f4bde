//! How many rows a change makes a query look at.

use super::attach::Attach;
use super::join::Join;
use super::pipeline::Pipeline;
use super::source::Rows;

impl Pipeline {
    /// For each table, how many rows are looked at for a change of one of its rows, on average over what is held; of a table
    /// that stands in several places the sum.
    pub(crate) fn rows_per_change(&self) -> Vec<(&'static str, f64)> {
        let mut found: Vec<(&'static str, f64)> = Vec::new();
        self.touched(1.0, &mut |table, rows| match found.iter_mut().find(|(known, _)| *known == table) {
            Some((_, sum)) => *sum += rows,
            None => found.push((table, rows)),
        });
        found
    }

    /// `factor` is how many rows further out one result row of this query is looked at for.
    fn touched(&self, factor: f64, found: &mut dyn FnMut(&'static str, f64)) {
        for (at, source) in self.sources.iter().enumerate() {
            let mut rows = 1.0;
            for (joined, join) in self.joins.iter().enumerate().skip(at.saturating_sub(1)) {
                rows *= if joined + 1 == at { join.left_per_key() } else { join.right_per_key() }.max(1.0);
            }
            match &source.rows {
                Rows::Table(table) => found(table.table.name, rows * factor),
                Rows::Query(query) => query.touched(rows * factor, found),
                Rows::Nothing => {}
            }
        }
        for attach in self.attach.iter().chain(&self.attach_to_groups) {
            for (at, asked) in attach.asked.iter().enumerate() {
                let asking = Attach::asking_per_key(attach, at).max(1.0) * factor;
                match asked.query() {
                    Some(query) => query.touched(asking, found),
                    None => asked.tables().into_iter().for_each(|table| found(table, asking)),
                }
            }
        }
        for query in self.related.iter().flat_map(|related| &related.queries) {
            query.touched(factor, found);
        }
    }
}

impl Join {
    fn left_per_key(&self) -> f64 {
        per_key(self.held_left(), self.left_values())
    }

    fn right_per_key(&self) -> f64 {
        per_key(self.held_right(), self.right_values())
    }
}

/// An average.
pub(super) fn per_key(rows: usize, keys: usize) -> f64 {
    rows as f64 / keys.max(1) as f64
}
