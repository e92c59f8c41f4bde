//! One case: rows, live queries over them, and what happens then.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::coverage::Tally;
use super::rows;
use super::shapes::{self, Lane};
use super::steps::{Bug, step};
use super::watch::{Watched, Words};
use super::world::World;
use crate::query::eval::tests::generate::{Choices, Tables};
use crate::query::ir::Query;
use crate::query::lower::{self, Dialect};

/// Numbers for a query that can be anything.
const LONGEST: usize = 120;

/// The numbers everything is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case<'c> {
    pub lane: Lane,
    pub rows: &'c [u16],
    pub queries: &'c [Vec<u16>],
    pub steps: &'c [Vec<u16>],
}

/// Runs a case; what is wrong is said in full.
pub(super) fn run(case: Case<'_>, bug: &Bug<'_>, tally: &mut Tally) -> Result<(), String> {
    let tables = rows::tables(&mut Choices::new(case.rows));
    let mut queries = Vec::new();
    for numbers in case.queries {
        // Where queries are wild, long ones have no rows.
        let length = if case.lane == Lane::Anything { numbers.len().min(LONGEST) } else { numbers.len() };
        let mut choices = Choices::new(&numbers[..length]);
        let query = shapes::query(&mut choices, case.lane);
        // Twice the same, at times.
        queries.extend(choices.once_in(5).then(|| query.clone()));
        queries.push(query);
    }
    let mut world = World::new(tables);
    let start = world.tables.clone();
    let mut story = Story { start, said: Vec::new() };
    let mut watched: Vec<Watched> =
        queries.iter().map(|query| Watched::open(&world, query.clone(), bug.rewrite)).collect();
    look(&mut watched, &world, tally).map_err(|wrong| story.told(&watched, wrong))?;
    for (at, numbers) in case.steps.iter().enumerate() {
        let old = watched.len();
        let mut choices = Choices::new(numbers);
        let taken = AssertUnwindSafe(|| step(&mut choices, &mut world, &mut watched, &queries, bug));
        let Ok((name, said)) = catch_unwind(taken) else {
            return Err(story.told(&watched, (0, format!("a panic in step {}", at + 1))));
        };
        story.said.push(format!("{}. {said}", at + 1));
        tally.step(name);
        let opened = watched.get(old..).unwrap_or_default();
        opened.iter().for_each(|watched| tally.pair(&watched.asked.query));
        look(&mut watched, &world, tally).map_err(|wrong| story.told(&watched, wrong))?;
    }
    queries.iter().for_each(|query| tally.pair(query));
    Ok(())
}

/// Looks at all live queries.
fn look(watched: &mut [Watched], world: &World, tally: &mut Tally) -> Result<(), (usize, String)> {
    let mut words: Vec<Words> = Vec::new();
    for (at, one) in watched.iter_mut().enumerate() {
        words.push(one.look(world, tally).map_err(|wrong| (at, wrong))?);
    }
    for (at, one) in watched.iter().enumerate() {
        for (before, other) in watched[..at].iter().enumerate() {
            if one.asked.query == other.asked.query {
                words[at].compare(&words[before]).map_err(|wrong| (at, wrong))?;
            }
        }
    }
    Ok(())
}

/// What is told of a case that fails.
struct Story {
    start: Tables,
    said: Vec<String>,
}

impl Story {
    fn told(&self, watched: &[Watched], (at, wrong): (usize, String)) -> String {
        let mut text = format!("{wrong}\n\nquery {at} of {}\n", watched.len());
        sql(&watched[at].asked.query, 0, &mut text);
        text.push_str(&format!("{}\n\nrows\n", short(&watched[at].asked.query)));
        for (table, rows) in &self.start {
            rows.iter().for_each(|row| text.push_str(&format!("    {} {row:?}\n", table.name)));
        }
        text.push_str(&format!("\nsteps\n{}\n", self.said.join("\n")));
        text
    }
}

/// The query without the definitions of its tables.
pub(super) fn short(query: &Query) -> String {
    let whole = format!("{query:?}");
    let mut parts = whole.split("TableDef { ");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.split(", columns:").next().unwrap_or_default();
        let rest = part.split_once("resolve_conflict: None }").map_or("", |(_, rest)| rest);
        text.push_str(name.trim_start_matches("name: "));
        text.push_str(rest);
    }
    text
}

fn sql(query: &Query, depth: usize, text: &mut String) {
    let lowered = lower::select(Dialect::Sqlite, query);
    text.push_str(&format!("{}{}\n    {:?}\n", "  ".repeat(depth), lowered.sql, lowered.params));
    query.nested.iter().for_each(|nested| sql(&nested.query, depth + 1, text));
}
