//! What the benchmarks share: the clock, the schema, the table of results.
//!
//! Every scenario runs plasma and a raw rusqlite program in turns, in the same folder, and prints the ratio of their
//! medians: absolute numbers depend on the machine, ratios much less. `PLASMA_BENCH_DIR` chooses the folder (and with it
//! the disk), `PLASMA_BENCH_ROUNDS` the number of rounds, `PLASMA_BENCH_OUT` a file of figures for programs ([`out`]).

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    missing_debug_implementations,
    reason = "each benchmark uses a part"
)]

#[cfg(all(feature = "http-client", feature = "http-server"))]
pub mod http;
pub mod load;
pub mod local;
pub mod out;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod schema;

use std::fmt::Display;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use plasma_runtime::inputs::Entropy;
use rusqlite::Connection;
use tempfile::TempDir;

/// The benchmark this is compiled into: the scenario of what it records.
pub const SCENARIO: &str = env!("CARGO_CRATE_NAME");

/// How many rounds each side runs.
pub fn rounds(usual: usize) -> usize {
    std::env::var("PLASMA_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// A fresh folder on the disk to measure.
pub fn folder() -> TempDir {
    match std::env::var_os("PLASMA_BENCH_DIR") {
        Some(dir) => TempDir::new_in(PathBuf::from(dir)),
        None => TempDir::new(),
    }
    .expect("a temporary folder")
}

/// How long `work` takes.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// Measurements of one thing.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value below which a part of the samples lies; 0.5 is the median.
    pub fn quantile(&self, part: f64) -> f64 {
        assert!(!self.0.is_empty(), "nothing was measured");
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * part).round() as usize]
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }
}

/// Prints one line of the results: what, plasma, baseline, ratio. `aim` is the smallest ratio that is good enough. Both
/// medians are [recorded](out::record) under the benchmark's name.
pub fn rate(what: impl Display, unit: &str, plasma: &Samples, raw: &Samples, aim: Option<f64>) {
    let (plasma, raw) = (plasma.median(), raw.median());
    out::record(SCENARIO, &what, "plasma", "rate", plasma, unit);
    out::record(SCENARIO, &what, "floor", "rate", raw, unit);
    let ratio = plasma / raw;
    let verdict = match aim {
        Some(aim) if ratio >= aim => format!("aim {aim:.2}: reached"),
        Some(aim) => format!("aim {aim:.2}: MISSED"),
        None => String::new(),
    };
    println!("{what:<44} plasma {plasma:>11.0} {unit}   raw {raw:>11.0} {unit}   ratio {ratio:>5.2}   {verdict}");
}

/// Prints one line of times, where less is better. `aim` is the greatest ratio that is good enough. Both sides are
/// [recorded](out::record_times) under the benchmark's name.
pub fn time(what: impl Display, plasma: &Samples, raw: &Samples, aim: Option<f64>) {
    time_of(SCENARIO, what, plasma, raw, aim);
}

/// The same for one scenario of a benchmark that has several.
pub fn time_of(scenario: &str, what: impl Display, plasma: &Samples, raw: &Samples, aim: Option<f64>) {
    out::record_times(scenario, &what, "plasma", plasma);
    out::record_times(scenario, &what, "floor", raw);
    let ratio = plasma.median() / raw.median();
    let verdict = match aim {
        Some(aim) if ratio <= aim => format!("aim {aim:.2}: reached"),
        Some(aim) => format!("aim {aim:.2}: MISSED"),
        None => String::new(),
    };
    let side = |samples: &Samples| {
        // The decimals that still say something.
        let digits = if samples.median() < 10.0 { 2 } else { 1 };
        format!("{:>9.digits$} us (p99 {:>9.digits$})", samples.median(), samples.quantile(0.99))
    };
    println!("{what:<44} plasma {}   raw {}   ratio {ratio:>5.2}   {verdict}", side(plasma), side(raw));
}

/// Microseconds.
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Equal on every run: Vigna's SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
#[derive(Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random row id.
    pub fn id(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

impl Entropy for Numbers {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The raw program's connection, with the same settings as plasma's.
pub fn raw(path: &std::path::Path, synchronous: &str) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection.pragma_update(None, "synchronous", synchronous).expect("a durability");
    connection.pragma_update(None, "foreign_keys", true).expect("foreign keys");
    connection.set_prepared_statement_cache_capacity(512);
    connection
}

/// The peak resident set of this process, KiB (Linux; 0 elsewhere).
pub fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
