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
