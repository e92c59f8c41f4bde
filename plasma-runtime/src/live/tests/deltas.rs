//! Deltas: complete, small, replayable.

use proptest::prelude::*;

use super::super::delta::{Changed, Delta, splice};
use super::super::diff::{Edit, diff};
use super::*;
use crate::ErrorKind;

fn edit_of(old: &[(u8, u8)], new: &[(u8, u8)]) -> Edit {
    let keys = |rows: &[(u8, u8)]| rows.iter().map(|(key, _)| *key).collect::<Vec<_>>();
    diff(&keys(old), &keys(new), |before, after| old[before] == new[after])
}

/// Rows with distinct keys, in any order.
fn list() -> impl Strategy<Value = Vec<(u8, u8)>> {
    proptest::collection::btree_map(0u8..12, 0u8..3, 0..12)
        .prop_map(|rows| rows.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
}

proptest! {
    #[test]
    fn an_edit_leads_from_any_list_to_any_other(old in list(), new in list()) {
        let edit = edit_of(&old, &new);
        let gone = edit.removed.iter().copied().chain(edit.changed.iter().map(|(from, _)| *from)).collect();
        let come = edit.added.iter().copied().chain(edit.changed.iter().map(|(_, to)| *to));
        let come = come.map(|to| (to, new[to])).collect();
        prop_assert_eq!(splice(old.clone(), gone, come), Ok(new.clone()));
        prop_assert_eq!(edit.is_empty(), old == new);
        // What is named changed: gone, come, or the same key on both sides.
        prop_assert!(edit.removed.iter().all(|&at| new.iter().all(|(key, _)| *key != old[at].0)));
        prop_assert!(edit.added.iter().all(|&at| old.iter().all(|(key, _)| *key != new[at].0)));
        prop_assert!(edit.changed.iter().all(|&(from, to)| old[from].0 == new[to].0));
    }
}

#[test]
fn a_row_that_moves_is_one_change_and_not_one_for_each_row_it_passes() {
    let old: Vec<(u8, u8)> = (0..100).map(|key| (key, 0)).collect();
    let mut new = old.clone();
    let moved = new.remove(3);
    new.push(moved);
    assert_eq!(edit_of(&old, &new), Edit { changed: vec![(3, 99)], ..Edit::default() });
    assert_eq!(edit_of(&new, &old), Edit { changed: vec![(99, 3)], ..Edit::default() });
}

#[test]
fn a_delta_is_not_applied_to_another_result() {
    let delta = Delta { added: vec![], removed: vec![], changed: vec![Changed { old: 'a', new: 'b', from: 1, to: 1 }] };
    let mut rows = vec!['x'];
    assert_eq!(delta.apply(&mut rows).expect_err("there is no second row").kind(), ErrorKind::Internal);
    assert_eq!(rows, ['x'], "and nothing was lost");
    let mut rows = vec!['x', 'a'];
    delta.apply(&mut rows).expect("it fits");
    assert_eq!(rows, ['x', 'b']);
}

/// One step of a transaction.
#[derive(Debug, Clone)]
enum Write {
    Put { number: u128, rank: i64, done: bool },
    Remove { number: u128 },
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        3 => (1u128..9, 0i64..6, any::<bool>()).prop_map(|(number, rank, done)| Write::Put { number, rank, done }),
        1 => (1u128..9).prop_map(|number| Write::Remove { number }),
    ]
}

fn apply(bench: &Bench, writes: &[Write]) {
    let rows: Vec<(String, Option<Row>)> = writes
        .iter()
        .map(|write| match write {
            Write::Put { number, rank, done } => {
                (id::<Todo>(*number).to_string(), Some(encode(todo(*number, *rank, *done))))
            }
            Write::Remove { number } => (id::<Todo>(*number).to_string(), None),
        })
        .collect();
    bench.write(rows.iter().map(|(id, row)| (Todo::DEF, id.as_str(), row.clone())).collect());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// A window (filter, order, limit), several changes of it in one transaction, a subscriber from the beginning and one
    /// from the middle, and a query that is exchanged at the end.
    #[test]
    fn replaying_the_deltas_gives_the_rows(
        transactions in proptest::collection::vec(proptest::collection::vec(write(), 1..6), 1..12),
        late in 0usize..12,
    ) {
        let bench = Bench::new();
        let window = || Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.asc()).limit(3);
        let live = bench.live(window());
        let (deltas, snapshots, late_deltas) = (Heard::new(), Heard::new(), Heard::new());
        let (heard, shot) = (deltas.by(), snapshots.by());
        let _subscriptions = (
            live.subscribe_delta(move |delta| heard(delta.clone())),
            live.subscribe(move |rows| shot(rows.to_vec())),
        );
        let (mut replayed, mut replayed_late) = (Vec::new(), Vec::new());
        let mut joined = None;
        let mut shown = None;
        for (step, writes) in transactions.iter().enumerate() {
            if step == late {
                let heard_late = late_deltas.by();
                joined = Some(live.subscribe_delta(move |delta| heard_late(delta.clone())));
            }
            apply(&bench, writes);
            let fresh = bench.live(window().any()).rows();
            prop_assert_eq!(&live.rows(), &fresh);
            let news = deltas.take();
            let shots = snapshots.take();
            prop_assert!(news.len() <= 1 + usize::from(step == 0), "one callback for each transaction: {:?}", news);
            prop_assert_eq!(news.len(), shots.len());
            for (delta, shot) in news.iter().zip(&shots) {
                prop_assert!(shown.is_none() || !delta.is_empty(), "silent when nothing changed");
                delta.apply(&mut replayed).expect("deltas follow each other");
                prop_assert_eq!(&replayed, shot);
                shown = Some(shot.clone());
            }
            prop_assert_eq!(&replayed[..], &fresh[..]);
            if joined.is_some() {
                for delta in late_deltas.take() {
                    delta.apply(&mut replayed_late).expect("deltas follow each other");
                }
                prop_assert_eq!(&replayed_late[..], &fresh[..]);
            }
        }
        live.replace(Todo::select().order_by(Todo::rank.desc()));
        for delta in deltas.take() {
            delta.apply(&mut replayed).expect("deltas follow each other");
        }
        prop_assert_eq!(&replayed[..], &bench.live(Todo::select().order_by(Todo::rank.desc())).rows()[..]);
    }
}
