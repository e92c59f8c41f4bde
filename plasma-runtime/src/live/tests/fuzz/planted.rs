//! The comparison is worth something: bugs are found when there are any, within the cases of a normal run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::case::{Case, run};
use super::coverage::Tally;
use super::runner::{numbers, rng};
use super::shapes::Lane;
use super::steps::Bug;
use crate::client::event::Batch;
use crate::query::eval::tests::planted::{exprs, queries};
use crate::query::ir::{Aggregate, Expr, Order, Query, Select};

/// Whether live queries are kept up to date by what a transaction changed. Queries that are run again do not look at the
/// changes: most lies about them go unnoticed.
const INCREMENTAL: bool = true;

const LANES: [Lane; 4] = [Lane::Windows, Lane::Joins, Lane::Groups, Lane::Anything];
/// Cases of each lane: as many as are run.
const CASES: usize = 250;

/// Looks for a bug: rows that differ or words that do not fit, not a query that is refused. A live query that does not
/// survive what it is told has noticed, too.
fn is_found(bug: &Bug<'_>) -> bool {
    let mut runner = TestRunner::new_with_rng(Default::default(), rng(1));
    let numbers = numbers();
    (0..CASES * LANES.len()).any(|n| {
        let (rows, queries, steps) = numbers.new_tree(&mut runner).expect("numbers").current();
        let case = Case { lane: LANES[n % LANES.len()], rows: &rows, queries: &queries, steps: &steps };
        match catch_unwind(AssertUnwindSafe(|| run(case, bug, &mut Tally::default()))) {
            Ok(Ok(())) => false,
            Ok(Err(wrong)) => !wrong.starts_with("an error"),
            Err(_) => true,
        }
    })
}

type Rewrite = (&'static str, fn(&mut Query));

/// Bugs of what the live side is asked.
fn assert_rewrites_found(bugs: &[Rewrite]) {
    for (name, change) in bugs {
        let bug = Bug { rewrite: &|query| queries(query, change), ..Bug::NONE };
        assert!(is_found(&bug), "the planted bug `{name}` was not found");
    }
}

#[test]
fn parts_of_a_query_that_are_not_done_are_found() {
    assert_rewrites_found(&[
        ("left join drops rows without a match", |query| query.joins.iter_mut().for_each(|join| join.left = false)),
        ("inner join keeps rows without a match", |query| query.joins.iter_mut().for_each(|join| join.left = true)),
        ("a condition of a join is ignored", |query| {
            for join in &mut query.joins {
                if let Expr::And(all) = &mut join.on {
                    all.truncate(1);
                }
            }
        }),
        ("having is ignored", |query| query.group.iter_mut().for_each(|group| group.having = None)),
        ("distinct is ignored", |query| query.distinct = false),
        ("the last key of a group is ignored", |query| {
            if let Some(group) = &mut query.group
                && group.keys.len() > 1
            {
                group.keys.pop();
            }
        }),
        ("related rows are not filtered", |query| {
            query.nested.iter_mut().for_each(|nested| nested.query.filter = None);
        }),
        ("a count is not cut", |query| {
            if query.select == Select::Count {
                (query.limit, query.offset) = (None, None);
            }
        }),
    ]);
}

#[test]
fn windows_at_the_wrong_place_are_found() {
    assert_rewrites_found(&[
        ("no offset", |query| query.offset = None),
        ("no limit", |query| query.limit = None),
        ("one row too many", |query| query.limit.iter_mut().for_each(|limit| *limit += 1)),
        ("an offset that is one short", |query| {
            query.offset.iter_mut().for_each(|offset| *offset = offset.saturating_sub(1));
        }),
        ("the order is flipped", |query| query.order.iter_mut().for_each(|order| order.descending ^= true)),
        ("the second key of an order is ignored", |query| query.order.truncate(1)),
        ("ties in the wrong order", |query| {
            if let Some(table) = query.plain_table() {
                let id = Expr::column(query.from.name, table.columns[table.id].name);
                query.order.push(Order { expr: id, descending: true });
            }
        }),
        ("related rows are not cut", |query| {
            for nested in &mut query.nested {
                (nested.query.limit, nested.query.offset) = (None, None);
            }
        }),
        ("related rows are in the order of ids", |query| {
            query.nested.iter_mut().for_each(|nested| nested.query.order.clear());
        }),
    ]);
}

#[test]
fn wrong_values_are_found() {
    type Change = (&'static str, fn(&mut Expr));
    let bugs: [Change; 8] = [
        ("exists flips", |expr| {
            if let Expr::Exists(_) = expr {
                *expr = Expr::Not(Box::new(expr.clone()));
            }
        }),
        ("not in a query is in it", |expr| {
            if let Expr::Not(inner) = expr
                && matches!(**inner, Expr::InQuery { .. })
            {
                *expr = (**inner).clone();
            }
        }),
        ("the least is the greatest", |expr| {
            if let Expr::Aggregate { function: function @ Aggregate::Min, .. } = expr {
                *function = Aggregate::Max;
            }
        }),
        ("the mean is the greatest", |expr| {
            if let Expr::Aggregate { function: function @ Aggregate::Avg, .. } = expr {
                *function = Aggregate::Max;
            }
        }),
        ("NULLs count", |expr| {
            if let Expr::Aggregate { function: Aggregate::Count, expr } = expr {
                *expr = None;
            }
        }),
        ("repetitions count", |expr| {
            if let Expr::Aggregate { function: function @ Aggregate::CountDistinct, .. } = expr {
                *function = Aggregate::Count;
            }
        }),
        ("a sum leaves repetitions out", |expr| {
            if let Expr::Aggregate { function: function @ Aggregate::Sum, .. } = expr {
                *function = Aggregate::CountDistinct;
            }
        }),
        ("a sub-query looks at its own row", |expr| {
            if let Expr::Column(column) = expr
                && column.level == 1
            {
                column.column = "id";
            }
        }),
    ];
    for (name, change) in bugs {
        let bug = Bug { rewrite: &|query| exprs(query, &change), ..Bug::NONE };
        assert!(is_found(&bug), "the planted bug `{name}` was not found");
    }
}

/// A bug's name, whether queries that are run again notice it, and what the live queries are told.
type Spoil = (&'static str, bool, fn(Batch) -> Vec<Batch>);

fn changed(mut batch: Batch, change: impl FnOnce(&mut Batch)) -> Vec<Batch> {
    change(&mut batch);
    vec![batch]
}

#[test]
fn batches_that_do_not_say_what_happened_are_found() {
    let bugs: [Spoil; 11] = [
        ("the last change is left out", true, |batch| {
            changed(batch, |batch| batch.changes.truncate(batch.changes.len().saturating_sub(1)))
        }),
        ("the first change is left out", true, |batch| {
            changed(batch, |batch| drop(batch.changes.drain(..1.min(batch.changes.len()))))
        }),
        ("there was no row before", true, |batch| {
            changed(batch, |batch| batch.changes.iter_mut().for_each(|change| change.before = None))
        }),
        ("there is no row any more", true, |batch| {
            changed(batch, |batch| batch.changes.iter_mut().for_each(|change| change.after = None))
        }),
        ("the row before is the one after", true, |batch| {
            changed(batch, |batch| {
                for change in batch.changes.iter_mut().filter(|change| change.before.is_some()) {
                    change.before = change.after.clone();
                }
            })
        }),
        ("nothing is said", true, |_| Vec::new()),
        ("two rows are taken for each other", false, |batch| {
            changed(batch, |batch| {
                if let [first, second, ..] = &mut batch.changes[..]
                    && first.table == second.table
                {
                    std::mem::swap(&mut first.after, &mut second.after);
                }
            })
        }),
        ("backwards", false, |batch| {
            changed(batch, |batch| {
                for change in &mut batch.changes {
                    std::mem::swap(&mut change.before, &mut change.after);
                }
            })
        }),
        ("in two parts", false, |mut batch| {
            let rest = batch.changes.split_off(batch.changes.len() / 2);
            vec![batch.clone(), Batch { changes: rest, version: batch.version + 1, all: false }]
        }),
        ("told twice", false, |batch| vec![batch.clone(), batch]),
        ("another row before", false, |batch| {
            changed(batch, |batch| {
                let other = batch.changes.first().and_then(|change| Some((change.table, change.before.clone()?)));
                if let (Some((table, before)), Some(last)) = (other, batch.changes.last_mut())
                    && last.table == table
                    && last.before.is_some()
                {
                    last.before = Some(before);
                }
            })
        }),
    ];
    for (name, always, spoil) in bugs {
        if always || INCREMENTAL {
            assert!(is_found(&Bug { spoil: &spoil, ..Bug::NONE }), "the planted bug `{name}` was not found");
        }
    }
}
