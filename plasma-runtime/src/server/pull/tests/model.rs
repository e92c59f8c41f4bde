//! The model: every state the tables ever had, and the policies in plain Rust over them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::schema::Ctx;
use crate::protocol::cookie::Position;

/// Rows of a table by id, as JSON in wire form.
pub(super) type Rows = BTreeMap<String, Json>;

/// All tables.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State(pub(super) BTreeMap<&'static str, Rows>);

/// A statement that was run.
#[derive(Debug, Clone)]
struct Step {
    /// The head of the log after it.
    version: u64,
    /// Which unit it belongs to: neighbouring raw transactions are one.
    unit: Unit,
    after: State,
}

/// A unit: its number, and whether another program wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit(usize, bool);

/// What happened.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    steps: Vec<Step>,
    /// Per client: its mutations and the versions of their acknowledgements.
    pub(super) acks: BTreeMap<String, Vec<(u64, u64)>>,
    /// The group of each client.
    pub(super) groups: BTreeMap<String, String>,
}

impl State {
    fn rows(&self, table: &'static str) -> impl Iterator<Item = (&String, &Json)> {
        self.0.get(table).into_iter().flatten()
    }

    pub(super) fn get(&self, table: &str, id: &str) -> Option<&Json> {
        self.0.get(table)?.get(id)
    }

    /// The policies, in plain Rust.
    pub(super) fn shows(&self, ctx: &Ctx, table: &str, row: &Json) -> bool {
        let shared =
            |list: &Json| self.rows("shares").any(|(_, share)| share["list_id"] == *list && share["user"] == *ctx.user);
        let list_visible = |id: &Json, list: &Json| ctx.admin || list["owner"] == *ctx.user || shared(id);
        match table {
            "lists" => list_visible(&row["id"], row),
            "todos" => {
                self.rows("lists").any(|(_, list)| list["id"] == row["list_id"] && list_visible(&list["id"], list))
            }
            "shares" => {
                row["user"] == *ctx.user
                    || self.rows("lists").any(|(_, list)| list["id"] == row["list_id"] && list["owner"] == *ctx.user)
            }
            "tags" => {
                !self.rows("blocks").any(|(_, block)| block["list_id"] == row["list_id"] && block["user"] == *ctx.user)
            }
            "reports" => self.rows("switches").any(|(_, switch)| switch["is_on"] == true),
            "notes" => true,
            other => panic!("table {other} is never sent"),
        }
    }
}

pub(super) const SENT: [&str; 6] = ["lists", "notes", "reports", "shares", "tags", "todos"];

impl History {
    /// Opens a unit. Raw ones join.
    pub(super) fn open_unit(&mut self, raw: bool) -> Unit {
        match self.steps.last().map(|step| step.unit) {
            Some(last @ Unit(_, true)) if raw => last,
            Some(Unit(last, _)) => Unit(last + 1, raw),
            None => Unit(0, raw),
        }
    }

    pub(super) fn note(&mut self, version: u64, unit: Unit, after: State) {
        self.steps.push(Step { version, unit, after });
    }

    pub(super) fn state(&self, at: u64) -> &State {
        let next = self.steps.partition_point(|step| step.version <= at);
        &self.steps[next - 1].after
    }

    /// The versions units end at.
    pub(super) fn boundaries(&self) -> BTreeSet<u64> {
        let ends = self.steps.iter().map(|step| (step.unit, step.version)).collect::<BTreeMap<_, _>>();
        ends.into_values().collect()
    }

    /// Whether the row is readable as of `at`; a deleted one by its last image, with the tables of then and the rows
    /// that the same unit deleted.
    pub(super) fn readable(&self, ctx: &Ctx, table: &'static str, id: &str, at: u64) -> bool {
        let state = self.state(at);
        if let Some(row) = state.get(table, id) {
            return state.shows(ctx, table, row);
        }
        let Some((unit, image)) = self.deleted(table, id, at) else { return false };
        let mut with_deleted = state.clone();
        for pair in self.steps.windows(2).filter(|pair| pair[1].unit == unit && pair[1].version <= at) {
            for (table, rows) in &pair[0].after.0 {
                for (id, row) in rows {
                    let gone = pair[1].after.get(table, id).is_none() && state.get(table, id).is_none();
                    if gone && self.deleted(table, id, at).is_some_and(|(by, _)| by == unit) {
                        with_deleted.0.entry(table).or_default().insert(id.clone(), row.clone());
                    }
                }
            }
        }
        with_deleted.shows(ctx, table, image)
    }

    /// For a row that is absent as of `at`: who deleted it, and its last image.
    fn deleted(&self, table: &str, id: &str, at: u64) -> Option<(Unit, &Json)> {
        let steps = &self.steps[..self.steps.partition_point(|step| step.version <= at)];
        let last = steps.iter().rposition(|step| step.after.get(table, id).is_some())?;
        Some((steps.get(last + 1)?.unit, steps[last].after.get(table, id)?))
    }

    /// H(P, A): the rows as of P that the policy showed at P and, as of A, still shows.
    pub(super) fn held(&self, ctx: &Ctx, at: u64, seen: u64) -> State {
        let state = self.state(at);
        let mut held = State::default();
        for table in SENT {
            for (id, row) in state.rows(table) {
                if state.shows(ctx, table, row) && self.readable(ctx, table, id, seen) {
                    held.0.entry(table).or_default().insert(id.clone(), row.clone());
                }
            }
        }
        held
    }

    /// Checks a reader's rows against its cookie. Exactly, when its last set was made at one head; otherwise between
    /// what was readable at every head and what was visible at the position.
    pub(super) fn check_held(&self, ctx: &Ctx, position: &Position, held: &State) {
        let (first, last) = (position.seen.first, position.seen.last);
        if first == last {
            assert_eq!(*held, self.held(ctx, position.at, first), "H({}, {first}) of {ctx:?}", position.at);
            return;
        }
        let most = self.held(ctx, position.at, position.at);
        for (table, rows) in &held.0 {
            for (id, row) in rows {
                assert_eq!(most.get(table, id), Some(row), "{table} {id} of {ctx:?} at {position:?}");
            }
        }
        let heads: Vec<u64> =
            self.steps.iter().map(|step| step.version).filter(|v| (first..=last).contains(v)).collect();
        for (table, rows) in &most.0 {
            for (id, row) in rows {
                if heads.iter().all(|head| self.readable(ctx, table, id, *head)) {
                    assert_eq!(held.get(table, id), Some(row), "{table} {id} of {ctx:?} at {position:?}");
                }
            }
        }
    }
}
