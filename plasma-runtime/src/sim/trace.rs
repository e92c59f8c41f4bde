//! What happened, as lines: hashed always, kept on demand.

use std::fmt;

/// What becomes of the lines of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// They are hashed.
    Nothing,
    /// They are kept, too.
    Lines,
    /// They are kept, and printed at once, so that a run that hangs shows where.
    Print,
}

/// The trace of one run.
#[derive(Debug)]
pub(super) struct Trace {
    /// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): equal runs have equal traces.
    hash: u64,
    keep: Keep,
    lines: Vec<String>,
}

impl Trace {
    pub(super) fn new(keep: Keep) -> Self {
        Trace { hash: 0xcbf2_9ce4_8422_2325, keep, lines: Vec::new() }
    }

    /// Notes a line at a virtual time.
    pub(super) fn note(&mut self, now: i64, line: fmt::Arguments<'_>) {
        let mut hasher = Hasher(self.hash);
        // Writing into the hash cannot fail.
        let _ = fmt::write(&mut hasher, format_args!("{now} {line}\n"));
        self.hash = hasher.0;
        if self.keep != Keep::Nothing {
            let line = format!("{:>9.3} {line}", (now - super::world::EPOCH) as f64 / 1000.0);
            if self.keep == Keep::Print {
                print_line(&line);
            }
            self.lines.push(line);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

struct Hasher(u64);

impl fmt::Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

#[expect(clippy::print_stderr, reason = "a replayed seed shows its trace")]
pub(super) fn print_line(line: &str) {
    eprintln!("{line}");
}
