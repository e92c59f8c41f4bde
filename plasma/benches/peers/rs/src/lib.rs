//! What the peers in Rust share: the workload of `benches/ivm/todos.rs`, and figures for programs.

use std::io::Write as _;

/// The rows of every scenario.
pub const ROWS: usize = 100_000;
/// The edits of one kind.
pub const EDITS: usize = 10_000;

/// One todo.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    pub id: String,
    pub title: String,
    pub done: bool,
    pub owner: String,
    pub prio: i64,
    pub created: i64,
}

/// The i-th row.
pub fn row(i: usize) -> Row {
    Row {
        id: format!("t{i:07}"),
        title: format!("todo number {i} with some text"),
        done: i % 2 == 1,
        owner: format!("user{}", i % 100),
        prio: (i as i64 * 7919) % 1000,
        created: 1_700_000_000_000 + i as i64,
    }
}

/// The linear congruential generator of all harnesses.
pub struct Random(pub u32);

impl Random {
    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        (f64::from(self.0) / 4_294_967_296.0 * n as f64) as usize
    }
}

/// Prints one figure, and appends it to the file that `PLASMA_BENCH_OUT` names.
pub fn record(scenario: &str, parameter: &str, series: &str, measure: &str, value: f64, unit: &str) {
    println!("{scenario} | {parameter} | {series} | {measure} {value:.5} {unit}");
    if let Some(path) = std::env::var_os("PLASMA_BENCH_OUT") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the file of figures");
        writeln!(file, "{scenario}\t{parameter}\t{series}\t{measure}\t{value}\t{unit}").expect("it can be written");
    }
}

/// Median, 99th percentile and mean of times in nanoseconds.
pub fn record_times(scenario: &str, parameter: &str, series: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let quantile = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize] as f64 / 1e3;
    let mean = times.iter().sum::<u64>() as f64 / times.len() as f64 / 1e3;
    for (measure, value) in [("p50", quantile(0.5)), ("p99", quantile(0.99)), ("mean", mean)] {
        record(scenario, parameter, series, measure, value, "us");
    }
}

/// The workload of `benches/columns/crdt.rs`.
pub mod columns {
    use std::time::Instant;

    use super::{record, record_times};

    pub const SCENARIO: &str = "columns";
    pub const CLIENTS: usize = 1_000;
    pub const COUNTS: usize = 100_000;
    pub const ELEMENTS: usize = 10_000;
    pub const REMOVED: usize = 1_000;
    const COUNTED: &str = "counter of 1000 clients: change and merge";
    const MERGED: &str = "sets of 10000 elements: merge of stored states";

    /// The n-th element; both sets have the first half.
    pub fn element(n: usize) -> String {
        format!("element {n:05}")
    }

    /// Elements that only one of the two sets has.
    pub fn own(second: bool) -> impl Iterator<Item = String> {
        let ahead = if second { ELEMENTS } else { 0 };
        (ELEMENTS / 2..ELEMENTS).map(move |n| element(n + ahead))
    }

    /// Runs `merges`, which takes in so many changes of the counter and returns its stored bytes, and records the rate.
    pub fn counted(series: &str, changes: usize, mut merges: impl FnMut() -> usize) {
        let mut size = 0;
        let mut rates: Vec<f64> = (0..5)
            .map(|_| {
                let start = Instant::now();
                size = merges();
                changes as f64 / start.elapsed().as_secs_f64()
            })
            .collect();
        record(SCENARIO, "counter", series, "size", size as f64, "bytes");
        rates.sort_by(f64::total_cmp);
        record(SCENARIO, COUNTED, series, "rate", rates[rates.len() / 2], "1/s");
    }

    /// Runs `merge`, which takes one stored set into another that is in memory, and returns the stored bytes of both.
    pub fn merged(series: &str, mut merge: impl FnMut() -> (std::time::Duration, usize)) {
        let (times, sizes): (Vec<u64>, Vec<usize>) = (0..20)
            .map(|_| merge())
            .map(|(took, size)| (took.as_nanos() as u64, size))
            .unzip();
        record_times(SCENARIO, MERGED, series, times);
        record(SCENARIO, "merged set", series, "size", sizes[0] as f64, "bytes");
    }
}
