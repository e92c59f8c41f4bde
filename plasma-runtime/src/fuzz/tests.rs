//! The corpora of the fuzzer, replayed and mutated.

use std::path::PathBuf;

use super::TARGETS;
use crate::sim::Rng;

/// Mutations of the corpus of one target; with `PLASMA_DEEP` a hundred times as many.
const MUTATIONS: usize = 1_500;

/// Bytes that decoders stumble over.
const INTERESTING: &[&[u8]] = &[
    b"",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b"[",
    b"]",
    b"{",
    b"}",
    b":",
    b",",
    b"null",
    b"-0",
    b"1e999",
    b"9007199254740993",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\n",
    b" ",
    b"\0",
    b"==",
    b"c2:",
    b"true",
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no corpus");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn mutated(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = rng.pick(corpus).unwrap().clone();
    for _ in 0..rng.between(1, 4) {
        let at = rng.below(bytes.len() + 1);
        match rng.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.splice(at..at, rng.pick(INTERESTING).unwrap().iter().copied())),
            3 if at < bytes.len() => {
                let end = (at + rng.below(12)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let other = rng.pick(corpus).unwrap();
                let from = rng.below(other.len() + 1);
                let to = (from + rng.below(60)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => {
                // A part again: members and elements that come twice.
                let end = (at + rng.below(80)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

fn run(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(target, _)| *target == name).unwrap();
    let corpus = corpus(name);
    corpus.iter().for_each(|bytes| target(bytes));
    let mut rng = Rng::new(name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte)));
    let count = if std::env::var_os("PLASMA_DEEP").is_some() { MUTATIONS * 100 } else { MUTATIONS };
    for _ in 0..count {
        let bytes = mutated(&mut rng, &corpus);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        let held = std::panic::catch_unwind(|| target(&bytes));
        assert!(held.is_ok(), "{name} does not hold for {shown:?} ({bytes:?})");
    }
}

macro_rules! targets {
    ($($name:ident),*) => {$(
        #[test]
        fn $name() {
            run(stringify!($name));
        }
    )*};
}
targets!(cookie, push, pull, answer, row, envelope, crdt, identifier);

#[test]
fn every_target_is_run() {
    let names = TARGETS.map(|(name, _)| name);
    assert_eq!(names, ["cookie", "push", "pull", "answer", "row", "envelope", "crdt", "identifier"]);
}
