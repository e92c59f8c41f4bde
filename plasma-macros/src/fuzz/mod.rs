//! Mangled token streams through every macro: none panics, what comes out is Rust, and the user's item is in it.
//!
//! Cases start from every item that the snapshots, `ui-tests` and the guide's twins feed to a macro, and are mangled
//! token by token. A case is known by its number: the same number is the same case as long as those files are the same.
//!
//! ```console
//! $ PLASMA_FUZZ_CASES=1000000 cargo test --release -p plasma-macros fuzz     # cases of each macro
//! $ PLASMA_FUZZ_CASE=4711 cargo test -p plasma-macros fuzz::table            # one case again, shrunk and printed
//! ```

mod corpus;
mod judge;
mod mangle;
mod planted;
mod regressions;
mod rng;
mod shrink;
mod tree;

use std::fmt;

use proc_macro2::TokenStream;

use self::corpus::Corpus;
use self::judge::{Failure, Verdict};
use self::rng::Rng;
use self::tree::Tree;

/// A macro and how it is called.
#[derive(Clone, Copy)]
enum Macro {
    /// Options and item.
    Attribute(fn(TokenStream, TokenStream) -> TokenStream),
    /// Item alone, which stays in the program beside what comes out.
    Derive(fn(TokenStream) -> TokenStream),
}

/// The macros by the name users write.
const MACROS: &[(&str, Macro)] = &[
    ("table", Macro::Attribute(crate::table::attribute)),
    ("schema", Macro::Attribute(crate::schema::attribute)),
    ("args", Macro::Attribute(crate::args::attribute)),
    ("mutators", Macro::Attribute(crate::mutators::attribute)),
    ("Column", Macro::Derive(crate::column::derive)),
    ("Projection", Macro::Derive(crate::projection::derive)),
    ("Rejection", Macro::Derive(crate::rejection::derive)),
];

/// What a macro is fed with.
#[derive(Clone)]
struct Case {
    /// The options of an attribute; always empty for a derive.
    options: Vec<Tree>,
    /// The item.
    item: Vec<Tree>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "options: {}\nitem:    {}", tree::stream(&self.options), tree::stream(&self.item))
    }
}

/// What happened to the cases of a run.
#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    /// The item was one that Rust can parse.
    parsed: u64,
    /// The macro had nothing to complain about.
    clean: u64,
}

/// A case that broke a promise.
struct Found {
    number: u64,
    failure: Failure,
    smallest: Case,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "case {}: {}\nsmallest:\n{}", self.number, self.failure, self.smallest)
    }
}

/// Cases of one macro in the normal run: all of them together are more than 100,000.
const NORMAL: &[(&str, u64)] = &[
    ("table", 30_000),
    ("schema", 15_000),
    ("args", 15_000),
    ("mutators", 15_000),
    ("Column", 13_000),
    ("Projection", 13_000),
    ("Rejection", 13_000),
];

/// Judges the cases of these numbers, up to the first that fails.
fn run(name: &str, mac: Macro, corpus: &Corpus, numbers: impl Iterator<Item = u64>) -> Result<Tally, Box<Found>> {
    let mut tally = Tally::default();
    for number in numbers {
        let case = mangle::case(&mut Rng::of(name, number), corpus, name);
        match judge::judge(mac, &case) {
            Ok(Verdict { parsed, clean }) => {
                tally.cases += 1;
                tally.parsed += u64::from(parsed);
                tally.clean += u64::from(clean);
            }
            Err(failure) => {
                let smallest = shrink::smallest(case, |case| {
                    judge::judge(mac, case).is_err_and(|other| other.kind() == failure.kind())
                });
                // The message of the smallest case is the one to read.
                let failure = judge::judge(mac, &smallest).err().unwrap_or(failure);
                return Err(Box::new(Found { number, failure, smallest }));
            }
        }
    }
    Ok(tally)
}

fn mangled(name: &str) {
    let mac = MACROS.iter().find(|(known, _)| *known == name).expect("a macro of the list").1;
    let corpus = Corpus::read();
    if let Some(number) = number("PLASMA_FUZZ_CASE") {
        match run(name, mac, &corpus, number..=number) {
            Ok(_) => panic!("case {number} of `{name}` does not fail"),
            Err(found) => panic!("{found}"),
        }
    }
    let normal = NORMAL.iter().find(|(known, _)| *known == name).expect("every macro has a number of cases").1;
    let cases = number("PLASMA_FUZZ_CASES").unwrap_or(normal);
    match run(name, mac, &corpus, 0..cases) {
        Ok(tally) => {
            // Cases that are all refused at the door would prove nothing.
            assert!(tally.parsed * 5 > tally.cases, "too few items are Rust: {tally:?}");
            assert!(tally.clean * 25 > tally.cases, "too few items are accepted: {tally:?}");
        }
        Err(found) => panic!("`{name}`, {found}\nreplay with PLASMA_FUZZ_CASE={}", found.number),
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not `{text}`")))
}

#[test]
fn table() {
    mangled("table");
}

#[test]
fn schema() {
    mangled("schema");
}

#[test]
fn args() {
    mangled("args");
}

#[test]
fn mutators() {
    mangled("mutators");
}

#[test]
fn column() {
    mangled("Column");
}

#[test]
fn projection() {
    mangled("Projection");
}

#[test]
fn rejection() {
    mangled("Rejection");
}

#[test]
fn a_normal_run_is_large_enough() {
    assert!(NORMAL.iter().map(|(_, cases)| cases).sum::<u64>() >= 100_000);
    assert!(MACROS.iter().all(|(name, _)| NORMAL.iter().any(|(known, _)| known == name)));
    // Every macro of the crate is here.
    let declared = include_str!("../lib.rs").matches("entry::").count();
    assert_eq!(declared, MACROS.len());
}
