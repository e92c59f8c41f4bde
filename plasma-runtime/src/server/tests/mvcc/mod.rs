//! The order of the log on Postgres, as a model: every interleaving of small programs, and random ones of larger.
//!
//! The model knows transactions as Postgres has them ([`store`]), the sequencer in two steps (what it looked at, and when
//! that becomes visible), and a reader. The designs and slips that lose changes are in it too, and have to be found.

mod kinds;
mod store;

use std::collections::HashSet;

use self::kinds::{Bug, Program, Step, Wrong};
use self::store::State;
use Step::{Read, Write};

const fn raw(steps: &'static [Step]) -> Program {
    Program { is_mutation: false, steps }
}

const fn mutation(steps: &'static [Step]) -> Program {
    Program { is_mutation: true, steps }
}

/// Rows are 0 to 2.
const CASES: &[&[Program]] = &[
    &[raw(&[Write(0)]), raw(&[Write(1)]), raw(&[Write(0)])],
    &[raw(&[Write(0), Write(1)]), raw(&[Write(1)])],
    &[raw(&[Write(0), Write(1)]), raw(&[Write(1), Write(2)])],
    &[mutation(&[Write(0), Read(1)]), mutation(&[Write(1)])],
    &[mutation(&[Write(0), Read(1)]), raw(&[Write(1), Write(1)])],
    &[mutation(&[Read(0), Write(1)]), mutation(&[Write(0), Write(2)])],
    &[mutation(&[Write(0), Write(1)]), mutation(&[Write(1)]), raw(&[Write(0)])],
];

/// Every interleaving of the case; the first thing that goes wrong, and how many states there are.
fn explore(case: &[Program], bug: Bug) -> (Option<Wrong>, usize) {
    let mut seen = HashSet::new();
    let mut first = State::new(case, bug);
    if case.len() > 2 {
        first.allow(2, 1);
    }
    let mut open = vec![first];
    while let Some(state) = open.pop() {
        let actions = state.actions();
        if actions.is_empty()
            && let Err(wrong) = state.clone().finish()
        {
            return (Some(wrong), seen.len());
        }
        for action in actions {
            let mut next = state.clone();
            if let Err(wrong) = next.act(action) {
                return (Some(wrong), seen.len());
            }
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    (None, seen.len())
}

fn first_wrong(bug: Bug) -> Option<Wrong> {
    CASES.iter().find_map(|case| explore(case, bug).0)
}

#[test]
fn no_interleaving_loses_or_tears_anything() {
    for case in CASES {
        let (wrong, states) = explore(case, Bug::None);
        assert_eq!(wrong, None, "{case:?}");
        assert!(states > 500, "{case:?} has only {states} states");
    }
}

#[test]
fn every_wrong_design_is_found() {
    for (bug, expected) in [
        (Bug::Numbers, &[Wrong::Lost, Wrong::Torn][..]),
        (Bug::Transactions, &[Wrong::Torn]),
        (Bug::FirstDraws, &[Wrong::Torn, Wrong::Future]),
        (Bug::NoLastDraw, &[Wrong::Future]),
        (Bug::SnapshotBeforeLock, &[Wrong::Position]),
        (Bug::NoLock, &[Wrong::Position]),
        (Bug::AckOutside, &[Wrong::Ack]),
        (Bug::TailIgnored, &[Wrong::Head]),
    ] {
        let wrong = first_wrong(bug);
        assert!(wrong.is_some_and(|wrong| expected.contains(&wrong)), "{bug:?}: {wrong:?}");
    }
}

/// Larger programs, walked at random. `PLASMA_MVCC_WALKS` asks for another number.
#[test]
fn random_walks() {
    let walks = std::env::var("PLASMA_MVCC_WALKS").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000u64);
    for seed in 0..walks {
        assert_eq!(walk(seed, Bug::None), Ok(()), "walk {seed}");
    }
    for bug in [Bug::Numbers, Bug::Transactions, Bug::FirstDraws, Bug::NoLastDraw, Bug::AckOutside, Bug::TailIgnored] {
        assert!((0..walks).any(|seed| walk(seed, bug).is_err()), "{bug:?} is not found at random");
    }
}

fn walk(seed: u64, bug: Bug) -> Result<(), Wrong> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = move |n: usize| {
        // Xorshift (Marsaglia 2003).
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 32) as usize % n
    };
    const STEPS: [&[Step]; 8] = [
        &[Write(0)],
        &[Write(0), Write(1)],
        &[Write(0), Read(1), Write(2)],
        &[Write(1), Read(0)],
        &[Write(1), Write(2), Read(0)],
        &[Write(2), Write(2)],
        &[Read(2), Write(0), Read(1)],
        &[Write(0), Write(1), Write(2)],
    ];
    let programs: Vec<Program> =
        (0..6).map(|_| Program { is_mutation: below(2) == 0, steps: STEPS[below(STEPS.len())] }).collect();
    let mut state = State::new(&programs, bug);
    state.allow(4, 5);
    loop {
        let actions = state.actions();
        if actions.is_empty() {
            return state.finish();
        }
        state.act(actions[below(actions.len())])?;
    }
}
