//! The evaluator against a database: the same rows, in the same order, for random queries over random rows.
//!
//! The numbers that everything is made of come from a seed, `PLASMA_SEED`, or a fixed one; `PLASMA_DEEP=1` asks for more
//! pairs of data and query, from a seed of the moment. A failing pair is shrunk, printed with its seed and kept in
//! `proptest-regressions`, which is run first.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::backend::{Backend, Memory, Sqlite};
use super::coverage::Coverage;
use super::generate::{Choices, Tables};
use crate::error::{ErrorKind, Result};
use crate::query::eval::{matches, select};
use crate::query::ir::{Expr, Query, Select};
use crate::schema::TableDef;
use crate::value::Row;
use crate::value::compare::compare;

/// Queries over one set of rows.
const QUERIES: usize = 2;

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) coverage: Coverage,
    pub(super) same: usize,
    /// A calculation left its range, on one side at least.
    pub(super) overflows: usize,
    /// Of the same answers, those with rows.
    pub(super) filled: usize,
}

/// One case: data, and some queries and conditions over it. `rewrite` changes what the database is asked: the identity,
/// or a planted bug.
pub(super) fn agree(
    backend: &mut dyn Backend,
    rows: &[u16],
    queries: &[u16],
    rewrite: &dyn Fn(&mut Query),
    tally: &mut Tally,
) -> std::result::Result<(), String> {
    let tables = Choices::new(rows).tables();
    backend.load(&tables).map_err(|error| format!("loading: {error}"))?;
    let mut memory = Memory::new(tables.clone());
    let mut choices = Choices::new(queries);
    let mut ask = |query: &Query, memory: &mut Memory| {
        let mut rewritten = query.clone();
        rewrite(&mut rewritten);
        let (theirs, ours) = (backend.run(&rewritten), select(query, memory));
        match same(backend.name(), &theirs, &ours, tally) {
            Ok(true) => tally.coverage.add(query),
            Ok(false) => {}
            Err(difference) => return Err(format!("{difference}\n{}\n{}", backend.explain(query), listed(&tables))),
        }
        Ok(())
    };
    for _ in 0..QUERIES {
        ask(&choices.query(), &mut memory)?;
    }
    // A condition's three truth values, for every row, in both forms.
    let table = choices.table();
    let filter = choices.filter(table);
    let truths = Query { select: Select::Exprs(vec![filter.clone()]), ..Query::all(table) };
    ask(&truths, &mut memory)?;
    let (theirs, ours) = (backend.matching(table, &filter), matching(&mut memory, table, &filter, &tables));
    match same(backend.name(), &theirs, &ours, tally) {
        Ok(_) => Ok(()),
        Err(difference) => Err(format!("{difference}\n{}\n{}", backend.explain(&truths), listed(&tables))),
    }
}

/// All rows, one a line.
fn listed(tables: &Tables) -> String {
    let rows = tables.iter().flat_map(|(table, rows)| rows.iter().map(|row| format!("{} {row:?}", table.name)));
    rows.collect::<Vec<_>>().join("\n")
}

/// Whether both answered, the same. The one difference that may be is an overflow.
fn same(
    name: &str,
    theirs: &Result<Vec<Row>>,
    ours: &Result<Vec<Row>>,
    tally: &mut Tally,
) -> std::result::Result<bool, String> {
    let overflows = |answer: &Result<Vec<Row>>| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Overflow);
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) if theirs == ours => {
            tally.same += 1;
            tally.filled += usize::from(!ours.is_empty());
            Ok(true)
        }
        (theirs, ours)
            if overflows(theirs) && (ours.is_ok() || overflows(ours)) || overflows(ours) && theirs.is_ok() =>
        {
            tally.overflows += 1;
            Ok(false)
        }
        (Ok(theirs), Ok(ours)) => Err(format!("rows differ\n{name:9} {theirs:?}\nevaluator {ours:?}")),
        _ => Err(format!("an error\n{name:9} {theirs:?}\nevaluator {ours:?}")),
    }
}

fn matching(memory: &mut Memory, table: &'static TableDef, filter: &Expr, tables: &Tables) -> Result<Vec<Row>> {
    let mut ids = Vec::new();
    for row in tables.iter().filter(|(def, _)| *def == table).flat_map(|(_, rows)| rows) {
        if matches(filter, table, row, memory)? == Some(true) {
            ids.push(vec![row[table.id].clone()]);
        }
    }
    ids.sort_by(|a, b| compare(&a[0], &b[0]));
    Ok(ids)
}

/// Runs so many pairs against a database.
fn run(backend: &mut dyn Backend, pairs: u32, seed: u64) -> Tally {
    let config = ProptestConfig {
        cases: pairs.div_ceil(QUERIES as u32),
        max_shrink_iters: 20_000,
        max_shrink_time: 30_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::default())),
        source_file: Some(file!()),
        test_name: Some("the_evaluator_answers_as_the_database_does"),
        ..ProptestConfig::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let numbers = |length| prop::collection::vec(any::<u16>(), length / 2..length);
    let state = RefCell::new((backend, Tally::default()));
    let result = runner.run(&(numbers(500), numbers(1_000)), |(rows, queries)| {
        let (backend, tally) = &mut *state.borrow_mut();
        agree(&mut **backend, &rows, &queries, &|_| {}, tally).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => state.into_inner().1,
        Err(TestError::Fail(difference, _)) => panic!("seed {seed}: {difference}"),
        Err(TestError::Abort(reason)) => panic!("seed {seed}: {reason}"),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Compares so many pairs of data and query: `deep` or, in every run, `usual`.
#[allow(clippy::print_stdout, reason = "what was covered is part of the result")]
fn compare_with(backend: &mut dyn Backend, usual: u32, deep: u32) {
    let is_deep = std::env::var_os("PLASMA_DEEP").is_some();
    let now = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
    let seed = number("PLASMA_SEED").unwrap_or_else(|| if is_deep { now() } else { 1 });
    let pairs = number("PLASMA_PAIRS").map_or(if is_deep { deep } else { usual }, |pairs| pairs as u32);
    let name = backend.name();
    let tally = run(backend, pairs, seed);
    let Tally { coverage, same, overflows, filled } = &tally;
    println!("{name}, seed {seed}: {same} answers are the same, {filled} with rows, {overflows} overflows; {coverage}");
    assert!(overflows * 8 < *same, "{overflows} overflows hide too much");
    assert!(filled * 2 > *same, "{filled} of {same} answers have rows");
    if pairs >= 2_000 {
        let (covered, possible) = coverage.counts();
        assert!(covered * 100 >= possible * 95, "the queries have become poorer: {coverage}");
    }
}

#[test]
fn the_evaluator_answers_as_sqlite_does() {
    compare_with(&mut Sqlite::new(), 4_000, 40_000);
}

/// The same cases as for SQLite, as far as they go: so all three are compared.
#[cfg(feature = "postgres")]
#[test]
fn the_evaluator_answers_as_postgres_does() {
    let Some(mut postgres) = super::backend::Postgres::new() else { return };
    compare_with(&mut postgres, 500, 20_000);
}
