//! A live query under watch: what it shows and what it says after each step.

use super::super::super::delta::Delta;
use super::super::super::handle::{LiveQuery, Subscription};
use super::super::super::rows::LiveState;
use super::super::Heard;
use super::coverage::Tally;
use super::world::{Answer, Asked, Raw, World};
use crate::error::{Error, ErrorKind};
use crate::query::ir::Query;
use crate::value::Row;

/// A live query, those who follow it, and what was true of it before the step.
pub(super) struct Watched {
    pub asked: Asked,
    live: LiveQuery<Row>,
    ears: Vec<Ear>,
    held: Option<Held>,
    failed: bool,
    /// It asks something else since the last look.
    replaced: bool,
}

/// The last good result. Its keys are not known where SQLite refuses to calculate.
#[derive(Debug, Clone, PartialEq)]
struct Held {
    rows: Vec<Row>,
    keys: Option<Vec<Row>>,
}

/// Somebody who follows a live query.
struct Ear {
    deltas: Heard<Delta<Row>>,
    snapshots: Heard<Vec<Row>>,
    states: Heard<LiveState<Row>>,
    replayed: Vec<Row>,
    /// Nothing was heard yet: the first delta starts from nothing.
    new: bool,
    _subscriptions: [Subscription; 3],
}

/// What a live query said of a step, for comparison with another one's words.
pub(super) struct Words {
    /// From which result.
    before: Option<Held>,
    said: Option<Delta<Row>>,
}

impl Watched {
    /// Opens a live query; `rewrite` is the identity, or a planted bug.
    pub(super) fn open(world: &World, query: Query, rewrite: &dyn Fn(&mut Query)) -> Self {
        let live = world.bench.live(rewritten(&query, rewrite));
        let mut watched =
            Watched { asked: Asked::new(query), live, ears: Vec::new(), held: None, failed: false, replaced: false };
        watched.listen();
        watched
    }

    /// One more who follows it.
    pub(super) fn listen(&mut self) {
        let (deltas, snapshots, states) = (Heard::new(), Heard::new(), Heard::new());
        let (delta_by, snapshot_by, state_by) = (deltas.by(), snapshots.by(), states.by());
        let subscriptions = [
            self.live.subscribe_delta(move |delta| delta_by(delta.clone())),
            self.live.subscribe(move |rows| snapshot_by(rows.to_vec())),
            self.live.subscribe_state(move |state| state_by(state.clone())),
        ];
        let ear = Ear { deltas, snapshots, states, replayed: Vec::new(), new: true, _subscriptions: subscriptions };
        self.ears.push(ear);
    }

    /// One less, if there are two.
    pub(super) fn unlisten(&mut self) {
        if self.ears.len() > 1 {
            self.ears.remove(0);
        }
    }

    pub(super) fn ears(&self) -> usize {
        self.ears.len()
    }

    /// Asks something else.
    pub(super) fn replace(&mut self, query: Query, rewrite: &dyn Fn(&mut Query)) {
        self.live.replace(rewritten(&query, rewrite));
        self.asked = Asked::new(query);
        self.replaced = true;
    }

    /// Judges what the query shows and what it said since the last look.
    pub(super) fn look(&mut self, world: &World, tally: &mut Tally) -> Result<Words, String> {
        let now = self.rows(world, tally)?;
        let mut before = self.held.take();
        if self.replaced {
            // Its rows are told apart by other keys now.
            before.iter_mut().for_each(|held| held.keys = None);
        }
        let failed = matches!(self.live.state(), LiveState::Failed(_));
        let loud = failed || self.failed || self.replaced;
        let mut said = None;
        for ear in &mut self.ears {
            let new = ear.new;
            let delta = ear.hear(before.as_ref(), now.as_ref(), loud)?;
            if let (false, Some(delta)) = (new, &delta) {
                tally.delta(delta);
            }
            if !new {
                said = delta;
            }
        }
        // A new one is told alone: what the others hear is compared.
        let words = Words { before: before.filter(|_| !self.replaced && !failed && !self.failed), said };
        self.held = now;
        self.failed = failed;
        self.replaced = false;
        Ok(words)
    }

    /// The rows it shows, if they are right.
    fn rows(&self, world: &World, tally: &mut Tally) -> Result<Option<Held>, String> {
        let rows = self.live.rows().to_vec();
        let truth = self.asked.answer(world);
        let differ = |theirs: &[Row]| Err(format!("rows differ\nsqlite {theirs:?}\nlive   {rows:?}"));
        match (&truth, &self.live.state()) {
            (_, LiveState::Loading) => Err("it is still loading".to_owned()),
            (Ok(Answer { rows: theirs, .. }), LiveState::Ready(_)) if *theirs != rows => differ(theirs),
            (Ok(Answer { keys, .. }), LiveState::Ready(_)) => {
                tally.same += 1;
                tally.filled += usize::from(!rows.is_empty());
                Ok(Some(Held { rows, keys: keys.clone() }))
            }
            (Err(error), LiveState::Ready(_)) if overflows(error) => {
                tally.overflows += 1;
                match world.evaluated(&self.asked.query) {
                    Ok(theirs) if theirs != rows => differ(&theirs),
                    _ => Ok(Some(Held { rows, keys: None })),
                }
            }
            (truth, LiveState::Failed(error)) if overflows(error) && truth.as_ref().err().is_none_or(overflows) => {
                tally.overflows += 1;
                if truth.is_ok() && world.evaluated(&self.asked.query).is_ok() {
                    return Err(format!("nothing overflows any more, and it still fails: {error}"));
                }
                let last = self.held.as_ref().map_or(&[][..], |held| &held.rows);
                if last != rows {
                    return Err(format!("it fails and shows other rows\nlast {last:?}\nlive {rows:?}"));
                }
                Ok(self.held.clone())
            }
            (truth, state) => Err(format!("an error\nsqlite {truth:?}\nlive   {state:?}")),
        }
    }
}

fn rewritten(query: &Query, rewrite: &dyn Fn(&mut Query)) -> Raw {
    let mut query = query.clone();
    rewrite(&mut query);
    Raw(query)
}

fn overflows(error: &Error) -> bool {
    error.kind() == ErrorKind::Overflow
}

impl Words {
    /// Equal queries that showed the same say the same.
    pub(super) fn compare(&self, other: &Words) -> Result<(), String> {
        if self.before.is_some() && self.before == other.before && self.said != other.said {
            return Err(format!("equal queries say different things\n{:?}\n{:?}", self.said, other.said));
        }
        Ok(())
    }
}

impl Ear {
    /// Judges what was heard of a step from `before` to `now`. `loud` steps may be heard of when no row changed.
    fn hear(&mut self, before: Option<&Held>, now: Option<&Held>, loud: bool) -> Result<Option<Delta<Row>>, String> {
        let (deltas, snapshots, states) = (self.deltas.take(), self.snapshots.take(), self.states.take());
        let counts = (deltas.len(), snapshots.len(), states.len());
        let news = format!("{counts:?} calls with (deltas, rows, states): {deltas:?}");
        let mut deltas = deltas.into_iter();
        let (delta, None) = (deltas.next(), deltas.next()) else { return Err(format!("too much was said: {news}")) };
        let silent = Held { rows: Vec::new(), keys: Some(Vec::new()) };
        let now = now.unwrap_or(&silent);
        let said = usize::from(delta.is_some());
        let fits = counts.1 == said && if loud || self.new { counts.2 >= said } else { counts.2 == said };
        if !fits || counts.2 > 2 {
            return Err(format!("not the same is said to all: {news}"));
        }
        let first = self.new && delta.is_some();
        match &delta {
            None if self.replayed != now.rows => {
                return Err(format!("nothing is said\nheard so far {:?}\nlive         {:?}", self.replayed, now.rows));
            }
            None => {}
            Some(delta) if delta.is_empty() && !self.new => return Err("an empty delta".to_owned()),
            Some(delta) => {
                let from = if self.new { &silent } else { before.unwrap_or(&silent) };
                judged(delta, from, now).map_err(|wrong| format!("{wrong}\n{delta:?}\nfrom {from:?}\nto {now:?}"))?;
                let applied = delta.apply(&mut self.replayed);
                if applied.is_err() || self.replayed != now.rows || snapshots.first() != Some(&now.rows) {
                    return Err(format!(
                        "the delta leads elsewhere: {news}\nto   {:?}\nlive {:?}",
                        self.replayed, now.rows
                    ));
                }
            }
        }
        self.new &= !first;
        Ok(delta)
    }
}

/// A delta says what changed, all of it and no more.
fn judged(delta: &Delta<Row>, before: &Held, now: &Held) -> Result<(), &'static str> {
    let (old, new) = (&before.rows, &now.rows);
    let ascending = |places: Vec<usize>| places.is_sorted_by(|a, b| a < b);
    let places_fit = ascending(delta.added.iter().map(|added| added.index).collect())
        && ascending(delta.removed.iter().map(|removed| removed.index).collect())
        && ascending(delta.changed.iter().map(|changed| changed.to).collect());
    if !places_fit {
        return Err("places do not ascend");
    }
    let rows_fit = delta.added.iter().all(|added| new.get(added.index) == Some(&added.row))
        && delta.removed.iter().all(|removed| old.get(removed.index) == Some(&removed.row))
        && delta.changed.iter().all(|c| old.get(c.from) == Some(&c.old) && new.get(c.to) == Some(&c.new));
    if !rows_fit {
        return Err("rows are not where the delta says");
    }
    let (Some(old_keys), Some(new_keys)) = (&before.keys, &now.keys) else { return Ok(()) };
    if !are_distinct(old_keys) || !are_distinct(new_keys) {
        return Ok(());
    }
    if delta.added.iter().any(|added| old_keys.contains(&new_keys[added.index])) {
        return Err("a row that was there is added");
    }
    if delta.removed.iter().any(|removed| new_keys.contains(&old_keys[removed.index])) {
        return Err("a row that is still there is removed");
    }
    if delta.changed.iter().any(|changed| old_keys[changed.from] != new_keys[changed.to]) {
        return Err("a row changes into another one");
    }
    // What only moved must have: with it among those that stay, the order would be another one.
    let rest = |keys: &[Row], gone: Vec<usize>, but: usize| -> Vec<Row> {
        let stay = keys.iter().enumerate().filter(|(at, _)| *at == but || !gone.contains(at));
        stay.map(|(_, key)| key.clone()).collect()
    };
    let gone = || delta.removed.iter().map(|removed| removed.index).chain(delta.changed.iter().map(|c| c.from));
    let come = || delta.added.iter().map(|added| added.index).chain(delta.changed.iter().map(|c| c.to));
    let moved = delta.changed.iter().filter(|changed| changed.old == changed.new);
    for still in moved {
        if rest(old_keys, gone().collect(), still.from) == rest(new_keys, come().collect(), still.to) {
            return Err("a row that did not change is changed");
        }
    }
    Ok(())
}

fn are_distinct(keys: &[Row]) -> bool {
    keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key))
}
