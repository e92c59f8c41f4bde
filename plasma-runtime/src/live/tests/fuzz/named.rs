//! Interleavings that were thought of beforehand.

use super::super::super::delta::{Added, Changed, Delta, Removed};
use super::super::*;

/// Open todos by rank, two of them.
fn window(bench: &Bench) -> LiveQuery<Todo> {
    bench.live(Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.asc()).limit(2))
}

/// A pull during which the window loses a row, keeps one that would have left it, and gets a row that was changed again
/// by a replay: whoever fills the gap when the first row goes takes one of the others twice. In whatever order the rows
/// of the batch come.
#[test]
fn a_rebase_changes_a_window_in_several_places_at_once() {
    for [b, c, d] in [[2, 3, 4], [2, 4, 3], [3, 2, 4], [3, 4, 2], [4, 2, 3], [4, 3, 2]] {
        let bench = Bench::new();
        // Done by a mutation that is pending: its confirmation changes nothing and is not in the batch.
        bench.put(todo(1, 1, true));
        bench.put(todo(b, 2, false));
        bench.put(todo(c, 3, false));
        let live = window(&bench);
        let heard = Heard::new();
        let by = heard.by();
        let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
        assert_eq!(numbers(&live.rows()), [b, c]);
        heard.take();

        let mut changes = vec![(b, None), (c, Some(todo(c, 9, false))), (d, Some(todo(d, 5, false)))];
        changes.sort_by_key(|(number, _)| *number);
        let changes: Vec<_> =
            changes.into_iter().map(|(number, row)| (id::<Todo>(number).to_string(), row.map(encode))).collect();
        bench.write(changes.iter().map(|(id, row)| (Todo::DEF, &**id, row.clone())).collect());

        assert_eq!(numbers(&live.rows()), [d, c]);
        let delta = Delta {
            added: vec![Added { row: todo(d, 5, false), index: 0 }],
            removed: vec![Removed { row: todo(b, 2, false), index: 0 }],
            changed: vec![Changed { old: todo(c, 3, false), new: todo(c, 9, false), from: 1, to: 1 }],
        };
        assert_eq!(heard.take(), [delta]);
    }
}

/// Two rows of a window and one beyond it trade places in one transaction.
#[test]
fn rows_of_a_window_trade_places_with_one_beyond_it() {
    let bench = Bench::new();
    for number in 1..=4 {
        bench.put(todo(number, number as i64, false));
    }
    let live = window(&bench);
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    let rows = [(1, 4), (2, 1), (3, 3), (4, 2)]
        .map(|(number, rank)| (id::<Todo>(number).to_string(), encode(todo(number, rank, false))));
    bench.write(rows.iter().map(|(id, row)| (Todo::DEF, &**id, Some(row.clone()))).collect());
    assert_eq!(numbers(&live.rows()), [2, 4]);
    let [delta] = &heard.take()[..] else { panic!("one call for one transaction") };
    assert_eq!((delta.added.len(), delta.removed.len(), delta.changed.len()), (1, 1, 1));
}
