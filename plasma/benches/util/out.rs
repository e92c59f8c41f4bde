//! Figures for programs: what `scripts/bench-peers` and `scripts/bench-charts` read.
//!
//! The file that `PLASMA_BENCH_OUT` names is appended to, one figure a line, six columns between tabs:
//! `scenario`, `parameter` (free text, or `name=number` for a chart's axis), `series` (`plasma`, `floor`, or a peer's
//! name), `measure` (`p50`, `p99`, `mean`, `rate`, ..), `value`, `unit`.

use std::fmt::Display;
use std::io::Write as _;

use super::Samples;

/// Appends one figure.
pub fn record(scenario: &str, parameter: impl Display, series: &str, measure: &str, value: f64, unit: &str) {
    let Some(path) = std::env::var_os("PLASMA_BENCH_OUT") else { return };
    let line = format!("{scenario}\t{parameter}\t{series}\t{measure}\t{value}\t{unit}\n");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
}

/// Appends the median, the 99th percentile and the mean of times in microseconds.
pub fn record_times(scenario: &str, parameter: impl Display, series: &str, samples: &Samples) {
    for (measure, value) in [("p50", samples.median()), ("p99", samples.quantile(0.99)), ("mean", samples.mean())] {
        record(scenario, &parameter, series, measure, value, "us");
    }
}
