//! What a change of one row costs the live queries that are open, over 100,000 todos, from the batch the store has
//! captured to the subscribers' callbacks:
//!
//! - **ivm_top50**: `NOT done ORDER BY prio DESC, id LIMIT 50`; edits that miss the window and edits in it apart;
//! - **ivm_group**: `GROUP BY owner`, count and sum; rows move between groups;
//! - **ivm_fanout_views**: 101 live queries at once: the top 50, and the newest 50 open todos of each of 100 owners;
//! - **ivm_growth_rows**, **ivm_growth_views**: the top 50 by the number of rows, and by the number of queries open.
//!
//! The floor is Rust written by hand for exactly these results, in memory, in turns with plasma. The results of both are
//! compared with SQLite's answer at the end. `cargo bench --bench ivm -- ivm_group` runs one scenario.

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(missing_debug_implementations, reason = "a benchmark")]

mod floor;
mod todos;
#[path = "../util/mod.rs"]
mod util;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use floor::{Floor, Ordered, WINDOW};
use plasma::Schema as _;
use plasma::prelude::*;
use plasma_runtime::client::event::RowChange;
use plasma_runtime::live::probe::Probe;
use plasma_runtime::live::{LiveQuery, Subscription};
use todos::{Edit, Kind, Random, Todo, Todos, owner, row};
use util::{Samples, folder, micros, rounds, time_of, timed};

const ROWS: usize = 100_000;
const EDITS: usize = 10_000;
/// A kind of edits ends early after so long: an engine that runs queries again needs minutes for all of them.
const BUDGET: Duration = Duration::from_secs(8);

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    if wanted("ivm_top50") {
        top50();
    }
    if wanted("ivm_group") {
        group();
    }
    if wanted("ivm_fanout_views") {
        fanout_views();
    }
    if wanted("ivm_growth_rows") {
        for rows in [1_000, 10_000, 100_000, 1_000_000] {
            growth("ivm_growth_rows", &format!("rows={rows}"), rows, 0);
        }
    }
    if wanted("ivm_growth_views") {
        for views in [1, 10, 100, 1_000, 10_000] {
            growth("ivm_growth_views", &format!("views={views}"), ROWS, views);
        }
    }
}

/// Both sides with the same rows, and what they took.
struct Sides {
    probe: Arc<Probe>,
    floor: Floor,
    current: Vec<Todo>,
    random: Random,
    /// Changes the store does not have yet.
    unwritten: Vec<RowChange>,
    heard: Arc<AtomicUsize>,
    subscriptions: Vec<Subscription>,
}

/// When the store gets the rows.
#[derive(Clone, Copy, PartialEq)]
enum Writes {
    /// Before live queries hear of them, one by one, as in a client. The caches are cold after each.
    Each,
    /// Later, but for rows near a window: nothing asks the store for the others. The caches are as warm as those of the
    /// floor and of the peers, which write nothing.
    Later,
}

/// Times of edits, apart by whether a result changed.
#[derive(Default)]
struct Times {
    off: [Samples; 2],
    within: [Samples; 2],
}

impl Times {
    /// Prints and records both.
    fn show(&self, scenario: &str, off: &str, within: &str, aim: Option<f64>) {
        for (what, [plasma, floor]) in [(off, &self.off), (within, &self.within)] {
            if !plasma.is_empty() {
                time_of(scenario, what, plasma, floor, aim);
            }
        }
    }
}

impl Sides {
    fn load(path: &Path, rows: usize, mut floor: Floor) -> Sides {
        let probe = Probe::new(Todos::DEF, Some(path)).expect("a store");
        let current: Vec<Todo> = (0..rows).map(row).collect();
        probe.store(|store| {
            let db = store.connection();
            db.execute_batch("BEGIN").expect("a transaction");
            let mut insert = db.prepare("INSERT INTO todos VALUES (?, ?, ?, ?, ?, ?)").expect("a statement");
            for todo in &current {
                let id = todo.id.to_string();
                insert.execute((id, &todo.title, todo.done, &todo.owner, todo.prio, todo.created)).expect("a row");
            }
            drop(insert);
            db.execute_batch("COMMIT").expect("a commit");
        });
        floor.load(&current);
        let (random, heard) = (Random(12_345), Arc::default());
        Sides { probe, floor, current, random, unwritten: Vec::new(), heard, subscriptions: Vec::new() }
    }

    /// Opens a live query; its subscriber counts its calls.
    fn open<Q: plasma::Query>(&mut self, query: Q) -> LiveQuery<Q::Row>
    where
        Q::Row: plasma_runtime::live::Output,
    {
        let live = self.probe.live(query);
        let heard = self.heard.clone();
        self.subscriptions.push(live.subscribe_delta(move |delta| {
            std::hint::black_box(delta);
            heard.fetch_add(1, Ordering::Relaxed);
        }));
        live
    }

    /// Edits of one kind, in blocks: by hand, then plasma.
    fn run(&mut self, kind: Kind, writes: Writes, times: &mut Times) {
        let started = Instant::now();
        let count = if kind == Kind::Window { 2_000 } else { EDITS };
        let mut k = 0;
        while k < count && started.elapsed() < BUDGET {
            let block = k..count.min(k + 200);
            k = block.end;
            let edits = block.map(|k| Edit::make(kind, k, &mut self.current, &mut self.random));
            let edits: Vec<Edit> = edits.filter(|edit| edit.old != edit.new).collect();
            // Rows rank up only: nothing has to come in.
            let near = |edit| kind != Kind::Window && self.floor.is_near(edit);
            let near: Vec<bool> = edits.iter().map(near).collect();
            let by_hand: Vec<_> = edits.iter().map(|edit| (edit.old.id.to_string(), edit)).collect();
            let by_hand: Vec<(Duration, bool)> =
                by_hand.iter().map(|(id, edit)| timed(|| self.floor.edit(id, &edit.new))).collect();
            let batches: Vec<_> = edits.iter().map(|edit| edit.batch()).collect();
            for ((batch, near), (by_hand, touched)) in batches.into_iter().zip(near).zip(by_hand) {
                self.unwritten.extend(batch.changes.iter().cloned());
                if writes == Writes::Each || near || touched && kind != Kind::Window {
                    self.write();
                }
                let before = self.heard.load(Ordering::Relaxed);
                let (elapsed, ()) = timed(|| self.probe.change(&batch));
                assert_eq!(self.heard.load(Ordering::Relaxed) > before, touched, "{kind:?}: {batch:?}");
                let [plasma, floor] = if touched { &mut times.within } else { &mut times.off };
                plasma.push(micros(elapsed));
                floor.push(micros(by_hand));
            }
        }
        self.write();
    }

    /// Brings the store up to date.
    fn write(&mut self) {
        self.probe.write(&self.unwritten).expect("the store works");
        self.unwritten.clear();
    }

    /// Ids as SQLite finds them.
    fn ids(&self, condition: &str, order: &str) -> Vec<String> {
        let sql = format!("SELECT id FROM todos WHERE NOT done AND {condition} ORDER BY {order}, id LIMIT {WINDOW}");
        self.probe.store(|store| {
            let mut statement = store.connection().prepare(&sql).expect("a statement");
            let rows = statement.query_map([], |row| row.get(0)).expect("an answer");
            rows.collect::<Result<_, _>>().expect("ids")
        })
    }

    /// The window of plasma and that of the floor are SQLite's, row by row and in order.
    fn check(&self, live: &LiveQuery<Todo>, by_hand: &Ordered, condition: &str, order: &str) {
        let right = self.ids(condition, order);
        assert_eq!(live.rows().iter().map(|todo| todo.id.to_string()).collect::<Vec<_>>(), right);
        assert!(by_hand.window().eq(right.iter().map(String::as_str)), "the floor is wrong");
        for todo in &live.rows() {
            let at = (todo.id.uuid().as_u128() & 0xffff_ffff) as usize;
            assert_eq!(*todo, self.current[at]);
        }
    }
}

/// The open todos of the highest rank.
fn best() -> impl plasma::Query<Row = Todo> {
    Todo::select().filter(Todo::done.eq(false)).order_by(Todo::prio.desc()).limit(WINDOW as u64)
}

/// The newest open todos of an owner.
fn newest(n: usize) -> impl plasma::Query<Row = Todo> {
    Todo::select()
        .filter(Todo::owner.eq(owner(n)).and(Todo::done.eq(false)))
        .order_by(Todo::created.desc())
        .limit(WINDOW as u64)
}

fn top50() {
    let (mut times, mut cold) = (Times::default(), Times::default());
    for _ in 0..rounds(3) {
        let folder = folder();
        let floor = Floor { ranked: Some(Ordered::default()), ..Floor::default() };
        let mut sides = Sides::load(&folder.path().join("todos.db"), ROWS, floor);
        let live = sides.open(best());
        for kind in [Kind::Done, Kind::Prio, Kind::Window] {
            sides.run(kind, Writes::Later, &mut times);
        }
        sides.run(Kind::Prio, Writes::Each, &mut cold);
        sides.check(&live, sides.floor.ranked.as_ref().expect("asked for"), "true", "prio DESC");
    }
    times.show("ivm_top50", "edit off the window", "edit in the window", Some(2.0));
    cold.show("ivm_top50", "edit off the window, after its write", "edit in the window, after its write", None);
}

fn group() {
    let mut times = Times::default();
    for _ in 0..rounds(3) {
        let folder = folder();
        let floor = Floor { groups: Some(HashMap::new()), ..Floor::default() };
        let mut sides = Sides::load(&folder.path().join("todos.db"), ROWS, floor);
        let query = Todo::select().group_by(Todo::owner).project(|owner| (owner, count(), Todo::prio.sum()));
        let live = sides.open(query);
        sides.run(Kind::Owner, Writes::Later, &mut times);
        let mut right: Vec<(String, i64, i64)> = sides.probe.store(|store| {
            let sql = "SELECT owner, count(*), sum(prio) FROM todos GROUP BY owner ORDER BY owner";
            let mut statement = store.connection().prepare(sql).expect("a statement");
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("an answer");
            rows.collect::<Result<_, _>>().expect("groups")
        });
        let groups = sides.floor.groups.as_ref().expect("asked for");
        let mut by_hand: Vec<_> = groups.iter().map(|(owner, (n, sum))| (owner.clone(), *n, *sum)).collect();
        let mut shown: Vec<_> =
            live.rows().iter().map(|(owner, n, sum)| (owner.clone(), *n, sum.expect("values"))).collect();
        for rows in [&mut right, &mut by_hand, &mut shown] {
            rows.sort();
        }
        assert_eq!(shown, right);
        assert_eq!(by_hand, right);
    }
    times.show("ivm_group", "no group changes", "a row moves to another group", Some(1.7));
}

fn fanout_views() {
    let mut times = Times::default();
    for _ in 0..rounds(3) {
        let folder = folder();
        let floor = Floor { ranked: Some(Ordered::default()), owners: Some(HashMap::new()), ..Floor::default() };
        let mut sides = Sides::load(&folder.path().join("todos.db"), ROWS, floor);
        let all = sides.open(best());
        let views: Vec<_> = (0..100).map(|n| sides.open(newest(n))).collect();
        sides.run(Kind::Done, Writes::Later, &mut times);
        sides.check(&all, sides.floor.ranked.as_ref().expect("asked for"), "true", "prio DESC");
        let owners = sides.floor.owners.as_ref().expect("asked for");
        for (n, live) in views.iter().enumerate() {
            let condition = format!("owner = '{}'", owner(n));
            sides.check(live, &owners[&owner(n)], &condition, "created DESC");
        }
    }
    times.show("ivm_fanout_views", "101 views, edit off all windows", "101 views, edit in a window", Some(2.0));
}

/// Edits beside the window of the top 50, with so many rows and so many other queries open.
fn growth(scenario: &str, parameter: &str, rows: usize, views: usize) {
    let folder = folder();
    let floor = Floor { ranked: Some(Ordered::default()), ..Floor::default() };
    let mut sides = Sides::load(&folder.path().join("todos.db"), rows, floor);
    let live = sides.open(best());
    // Owners without todos, so that no edit touches these.
    let views: Vec<_> = (0..views).map(|n| sides.open(newest(1_000 + n))).collect();
    let mut times = Times::default();
    sides.run(Kind::Prio, Writes::Later, &mut times);
    sides.check(&live, sides.floor.ranked.as_ref().expect("asked for"), "true", "prio DESC");
    let [plasma, floor] = &times.off;
    time_of(scenario, parameter, plasma, floor, None);
    drop(views);
}
