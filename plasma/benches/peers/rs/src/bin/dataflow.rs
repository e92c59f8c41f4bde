//! differential-dataflow: the top 50 by reduces in stages (256 buckets, 32, 4, one), and count and sum by owner.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use plasma_bench_peers::{EDITS, ROWS, Random, Row, record_times, row};
use timely::dataflow::operators::probe::Handle;
use timely::worker::Worker;

const NAME: &str = "differential-dataflow";
type Shown<T> = Rc<RefCell<BTreeMap<T, isize>>>;

/// The rows, their input and the wait for the result.
struct Todos<'w> {
    worker: &'w mut Worker,
    input: InputSession<u64, Row, isize>,
    probe: Handle<u64>,
    rows: Vec<Row>,
    time: u64,
}

impl Todos<'_> {
    fn settle(&mut self) {
        self.time += 1;
        self.input.advance_to(self.time);
        self.input.flush();
        while self.probe.less_than(self.input.time()) {
            self.worker.step();
        }
    }

    fn load(&mut self) {
        self.rows = (0..ROWS).map(row).collect();
        for row in &self.rows {
            self.input.insert(row.clone());
        }
        self.settle();
    }

    /// Nanoseconds.
    fn edit(&mut self, at: usize, new: Row) -> u64 {
        let old = std::mem::replace(&mut self.rows[at], new.clone());
        let start = Instant::now();
        self.input.remove(old);
        self.input.insert(new);
        self.settle();
        start.elapsed().as_nanos() as u64
    }
}

fn keep<T: Ord + Clone>(shown: &Shown<T>, value: &T, difference: isize) {
    let mut shown = shown.borrow_mut();
    *shown.entry(value.clone()).or_default() += difference;
    shown.retain(|_, count| *count != 0);
}

type Ranked = (i64, String);

/// The first 50 of a group.
fn first<K>(_: &K, rows: &[(&Ranked, isize)], first: &mut Vec<(Ranked, isize)>) {
    first.extend(rows.iter().take(50).map(|(row, n)| ((*row).clone(), *n)));
}

fn top50() {
    timely::execute_directly(|worker| {
        let shown: Shown<Ranked> = Rc::default();
        let mut probe = Handle::new();
        let input = worker.dataflow(|scope| {
            let (input, todos): (_, VecCollection<_, Row, isize>) = scope.new_collection();
            let seen = shown.clone();
            todos
                .filter(|row| !row.done)
                .map(|row| (row.created as u64 % 256, (-row.prio, row.id)))
                .reduce(first)
                .map(|(bucket, row)| (bucket % 32, row))
                .reduce(first)
                .map(|(bucket, row)| (bucket % 4, row))
                .reduce(first)
                .map(|(_, row)| ((), row))
                .reduce(first)
                .inspect(move |(((), row), _, difference)| keep(&seen, row, *difference))
                .probe_with(&mut probe);
            input
        });
        let mut todos = Todos { worker, input, probe, rows: Vec::new(), time: 0 };
        todos.load();
        let mut random = Random(12_345);
        let mut times = Vec::new();
        for k in 0..2 * EDITS {
            let at = random.below(ROWS);
            let old = todos.rows[at].clone();
            let new = if k < EDITS {
                Row { done: !old.done, ..old }
            } else {
                Row { prio: random.below(1_000) as i64, ..old }
            };
            times.push(todos.edit(at, new));
        }
        let within = (0..1_000).map(|k| todos.edit(2 * (k % 40), Row { prio: 5_000 + k as i64, ..row(2 * (k % 40)) }));
        let within: Vec<u64> = within.collect();
        let mut right: Vec<_> =
            todos.rows.iter().filter(|row| !row.done).map(|row| (-row.prio, row.id.clone())).collect();
        right.sort();
        right.truncate(50);
        assert_eq!(shown.borrow().keys().cloned().collect::<Vec<_>>(), right);
        record_times("ivm_top50", "edit off the window", NAME, times);
        record_times("ivm_top50", "edit in the window", NAME, within);
    });
}

fn group() {
    timely::execute_directly(|worker| {
        let shown: Shown<(String, i64, i64)> = Rc::default();
        let mut probe = Handle::new();
        let input = worker.dataflow(|scope| {
            let (input, todos): (_, VecCollection<_, Row, isize>) = scope.new_collection();
            let seen = shown.clone();
            // Count and sum as a difference of two numbers: kept without the rows.
            todos
                .explode(|row| [(row.owner, (1isize, row.prio as isize))])
                .map(|owner| (owner, ()))
                .count_and_sum()
                .inspect(move |(group, _, difference)| keep(&seen, group, *difference))
                .probe_with(&mut probe);
            input
        });
        let mut todos = Todos { worker, input, probe, rows: Vec::new(), time: 0 };
        todos.load();
        let mut random = Random(12_345);
        let mut times = Vec::new();
        for _ in 0..EDITS {
            let at = random.below(ROWS);
            let new = Row { owner: format!("user{}", random.below(100)), ..todos.rows[at].clone() };
            times.push(todos.edit(at, new));
        }
        let mut right: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for row in &todos.rows {
            let group = right.entry(row.owner.clone()).or_default();
            *group = (group.0 + 1, group.1 + row.prio);
        }
        let right: Vec<_> = right.into_iter().map(|(owner, (n, sum))| (owner, n, sum)).collect();
        assert_eq!(shown.borrow().keys().cloned().collect::<Vec<_>>(), right);
        record_times("ivm_group", "a row moves to another group", NAME, times);
    });
}

/// Count and sum of each key, from a collection whose differences are the pair of both.
trait Pairs {
    type Out;
    fn count_and_sum(self) -> Self::Out;
}

impl<'s> Pairs for VecCollection<'s, u64, (String, ()), (isize, isize)> {
    type Out = VecCollection<'s, u64, (String, i64, i64), isize>;

    fn count_and_sum(self) -> Self::Out {
        self.reduce(|_, input, output: &mut Vec<((i64, i64), isize)>| {
            let (count, sum) = input[0].1;
            output.push(((count as i64, sum as i64), 1));
        })
        .map(|(owner, (count, sum))| (owner, count, sum))
    }
}

fn main() {
    top50();
    group();
}
