//! The rows a mutation changes, as the user saw them when making it: what a merge on the server begins with.
//!
//! Taken down at the first run and never again. A replay runs over newer rows, but its arguments are as old as the
//! mutation: a title that was typed over the old one says nothing about a title that came in between.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::schema::TableDef;
use crate::value::{Row, json};

/// The rows of one run, of tables with `resolve_conflict`.
#[derive(Debug, Default)]
pub(crate) struct Bases(BTreeMap<&'static str, BTreeMap<String, Base>>);

#[derive(Debug)]
enum Base {
    /// The row, in wire form.
    Row(String),
    /// The mutation asked for the row, did not find it, and inserted it: on the server it may find one.
    Missing,
    /// The mutation inserted the row: there is nothing to merge.
    New,
}

impl Bases {
    /// A row was updated, which was this before. Only the first change of a row counts.
    pub(crate) fn updated(&mut self, table: &'static TableDef, id: &str, before: Row) {
        if let Some(Entry::Vacant(entry)) = self.entry(table, id) {
            entry.insert(Base::Row(json::encode_row(table, &before)));
        }
    }

    /// A row was inserted; `asked` when the mutation had looked for it.
    pub(crate) fn inserted(&mut self, table: &'static TableDef, id: &str, asked: bool) {
        if let Some(Entry::Vacant(entry)) = self.entry(table, id) {
            entry.insert(if asked { Base::Missing } else { Base::New });
        }
    }

    fn entry(&mut self, table: &'static TableDef, id: &str) -> Option<Entry<'_, String, Base>> {
        table.resolve_conflict?;
        Some(self.0.entry(table.name).or_default().entry(id.to_owned()))
    }

    /// As the member `bases` of a pushed mutation; none when there is nothing to say.
    ///
    /// A row stands there as text: the JSON in its columns was never held to the protocol's rules for a body (depth,
    /// members that come twice), and must not be what a push is refused for.
    pub(crate) fn into_json(self) -> Option<String> {
        let mut tables: BTreeMap<&str, BTreeMap<String, Option<String>>> = BTreeMap::new();
        for (table, rows) in self.0 {
            for (id, base) in rows {
                let image = match base {
                    Base::Row(row) => Some(row),
                    Base::Missing => None,
                    Base::New => continue,
                };
                tables.entry(table).or_default().insert(id, image);
            }
        }
        if tables.is_empty() {
            return None;
        }
        Some(serde_json::to_string(&tables).expect("maps with text keys are JSON"))
    }
}
