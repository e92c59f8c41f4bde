//! Walks through a log and looks at what power loss would leave: at every sync and every mark, and between them.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use plasma::sim::Rng;

use super::disk::{Disk, Fate, Image};
use super::log::Event;
use super::recording::deep;

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Of so many syncs and marks one.
    pub stride: usize,
    /// Of so many other calls one.
    pub between: usize,
    /// Fates by chance, beside those that are always tried.
    pub by_chance: usize,
}

impl Effort {
    /// This in an ordinary run, everything in a deep one.
    pub fn sampled(stride: usize, between: usize, by_chance: usize) -> Self {
        if deep() { Effort { stride: 1, between: 2, by_chance: 6 } } else { Effort { stride, between, by_chance } }
    }
}

/// What was looked at.
#[derive(Debug, Default)]
pub struct Tally {
    pub events: usize,
    pub points: usize,
    pub images: usize,
}

/// A moment at which the power fails, and what it leaves.
#[derive(Debug)]
pub struct Loss<'l> {
    pub image: &'l Image,
    /// How far the program has said to have come.
    pub marks: &'l [String],
    at: usize,
    before: Option<&'l Event>,
    fate: Fate,
}

impl Loss<'_> {
    /// For messages.
    pub fn place(&self) -> String {
        let before = match self.before {
            Some(Event::Written { file, at, data }) => format!("{} bytes written to {file} at {at}", data.len()),
            Some(other) => format!("{other:?}"),
            None => "the end".to_owned(),
        };
        let lengths = self.image.iter().map(|(name, content)| format!("{name}: {}", content.len()));
        let lengths = lengths.collect::<Vec<_>>().join(", ");
        format!(
            "power lost at call {}, before {before}, after {:?}, {:?}: {lengths}",
            self.at,
            self.marks.last(),
            self.fate
        )
    }

    /// Whether this is what a kill leaves, too.
    pub fn is_kill(&self) -> bool {
        self.fate == Fate::KILLED
    }

    /// The last number that was said after this word.
    pub fn said(&self, word: &str) -> Option<u64> {
        self.marks.iter().rev().find_map(|mark| mark.strip_prefix(word)?.trim().parse().ok())
    }
}

pub fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Shows `look` each image that is not the one before it.
pub fn replay(first: Image, events: &[Event], effort: Effort, seed: u64, mut look: impl FnMut(&Loss<'_>)) -> Tally {
    let mut rng = Rng::new(seed);
    let mut disk = Disk::of(first);
    let mut marks = Vec::new();
    let mut tally = Tally { events: events.len(), ..Tally::default() };
    let (mut turns, mut seen) = (0_usize, HashSet::new());
    for (at, before) in events.iter().map(Some).chain([None]).enumerate() {
        // Just before a sync most is open. What was said is promised from then on.
        let said = at > 0 && matches!(events[at - 1], Event::Mark(_));
        let chosen = if said || before.is_none_or(Event::is_sync) {
            turns += 1;
            turns.is_multiple_of(effort.stride)
        } else {
            rng.below(effort.between) == 0
        };
        if chosen {
            tally.points += 1;
            let fates = if disk.is_settled() { vec![Fate::KILLED] } else { Fate::some(effort.by_chance, &mut rng) };
            for fate in fates {
                let image = disk.after(fate);
                if seen.insert((hash(&image), marks.len())) {
                    tally.images += 1;
                    look(&Loss { image: &image, marks: &marks, at, before, fate });
                }
            }
        }
        if let Some(Event::Mark(line)) = before {
            marks.push(line.clone());
        } else if let Some(event) = before {
            disk.apply(event);
        }
    }
    tally
}
