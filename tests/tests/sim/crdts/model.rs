//! What a note must say, from the ledger alone.

use std::collections::BTreeSet;

use plasma::prelude::*;
use plasma_runtime::schema::RowReader;
use plasma_runtime::value::Row;

use super::schema::{Note, Step};

/// The bound of [`ServerOptions::register_clock_ahead_ms`](plasma::server::ServerOptions::register_clock_ahead_ms).
const AHEAD_MS: i64 = 60_000;

fn read<T: Table>(row: &Row) -> T {
    (T::CODEC.decode)(&mut RowReader::new(row.clone())).expect("a row of the table")
}

/// The time of the register of a note.
pub(super) fn written_at(note: &Row) -> u64 {
    read::<Note>(note).status.written_at()
}

/// The additions of a tag to a note that these steps know of.
pub(super) fn additions(steps: &[Row], note: &str, tag: &str) -> Vec<String> {
    let steps = steps.iter().map(read::<Step>);
    let adds = |step: &Step| step.note == note && step.added.as_deref() == Some(tag);
    steps.filter(adds).map(|step| step.id.to_string()).collect()
}

/// The time of a write: by its caller's clock, held to the bound, or after what its caller had seen.
fn time(step: &Step) -> i64 {
    let clock = step.received.map_or(step.at, |received| step.at.min(received + AHEAD_MS));
    clock.max(step.seen_at + 1)
}

pub(super) fn check(note: &Row, steps: &[Row]) -> Result<(), String> {
    let note: Note = read(note);
    let id = note.id.to_string();
    let steps: Vec<Step> = steps.iter().map(read).filter(|step: &Step| step.note == id || step.note == "all").collect();
    let sum = |of: fn(&Step) -> i64| steps.iter().map(of).sum::<i64>();
    for (name, is, must) in
        [("likes", note.likes.value(), sum(|step| step.likes)), ("votes", note.votes.value(), sum(|step| step.votes))]
    {
        if is != must {
            return Err(format!("the counter `{name}` is {is}, and its increments are {must}"));
        }
    }
    let seen: BTreeSet<&String> = steps.iter().filter_map(|step| step.seen.as_ref()).flat_map(|seen| &seen.0).collect();
    let unseen = steps.iter().filter(|step| !seen.contains(&step.id.to_string()));
    let must: BTreeSet<String> = unseen.filter_map(|step| step.added.clone()).collect();
    let is: BTreeSet<String> = note.tags.values().into_iter().collect();
    if let Some(lost) = must.difference(&is).next() {
        return Err(format!("the tag {lost} is lost: nobody who removed it had seen its addition"));
    }
    if let Some(left) = is.difference(&must).next() {
        return Err(format!("the tag {left} is there, and every addition of it was seen and removed"));
    }
    let writes = steps.iter().filter(|step| step.wrote.is_some());
    let last = writes.max_by_key(|step| (time(step), step.replica.clone()));
    let must = last.and_then(|step| step.wrote.clone()).unwrap_or_else(|| "new".to_owned());
    if *note.status.value() != must {
        let (is, at) = (note.status.value(), note.status.written_at());
        return Err(format!("the register is {is} of {at}, and must be {must} of {}", last.map_or(0, time)));
    }
    Ok(())
}
