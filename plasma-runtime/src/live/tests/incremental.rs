//! What incremental maintenance promises beside being right: what it is told, what it reads, what it holds.

use super::*;
use crate::live::explain;
use crate::live::ivm::{Class, classify};
use crate::live::{Explanation, LivePause};
use crate::query::typed::{count, exists};
use crate::schema::samples::Member;

/// The queries that are open, each on one rank.
fn by_rank(rank: i64) -> impl Query<Row = Todo> {
    Todo::select().filter(Todo::rank.eq(rank)).order_by(Todo::title.asc())
}

fn explained(bench: &Bench, query: &impl Query) -> Explanation {
    explain(&mut *lock(&bench.store), query.ir().expect("a query")).expect("an explanation")
}

#[test]
fn every_shape_is_incremental() {
    let select = |query: &dyn Fn() -> crate::Result<Class>| assert_eq!(query().expect("a query"), Class::Select);
    select(&|| classify(&Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.desc()).limit(50).offset(10)));
    select(&|| classify(&Todo::select().inner_join(Todo::org_id).left_join(Todo::owner_id)));
    select(&|| classify(&Todo::select().filter(Todo::owner_id.has(User::admin.eq(true)))));
    select(&|| classify(&Org::select().with_many(Todo::org_id.rel(|todos| todos.limit(2))).order_by(Org::name.asc())));
    select(&|| {
        classify(&Org::select().filter(exists(Member::select().correlate::<Org>().filter(Member::org_id.eq(Org::id)))))
    });
    let groups = Todo::select().group_by(Todo::done).having(count().gt(1)).project(|done| (done, count()));
    assert_eq!(classify(&groups).expect("a query"), Class::Aggregate);
    assert_eq!(classify(&Todo::select().count()).expect("a query"), Class::Aggregate);
}

#[test]
fn a_change_costs_the_same_with_many_queries_that_it_does_not_touch() {
    let bench = Bench::new();
    let untouched: Vec<_> = (100..2_100).map(|rank| bench.live(by_rank(rank))).collect();
    let ranges: Vec<_> = (100..600)
        .map(|rank| bench.live(Todo::select().filter(Todo::rank.gte(rank).and(Todo::rank.lt(rank + 5)))))
        .collect();
    let (touched, range) = (bench.live(by_rank(7)), bench.live(Todo::select().filter(Todo::rank.lte(7))));
    let before = bench.router.told();
    bench.put(todo(1, 7, false));
    bench.put(todo(1, 8, false));
    bench.put(todo(1, 9, false));
    assert_eq!(bench.router.told() - before, 4, "both queries hear of the row that comes and of the row that goes");
    bench.put(todo(2, 300, false));
    assert_eq!(bench.router.told() - before, 4 + 1 + 5, "one by its value, five by their ranges");
    assert_eq!((touched.rows().len(), range.rows().len()), (0, 0));
    assert_eq!(numbers(&untouched[200].rows()), [2]);
    assert_eq!(ranges.iter().filter(|live| !live.rows().is_empty()).count(), 5);
}

#[test]
fn a_window_reads_the_store_once_in_a_while_and_holds_little() {
    let bench = Bench::new();
    let rows = (0..2_000u128).map(|number| (Todo::DEF, todo(number, number as i64, false)));
    let rows: Vec<_> = rows.map(|(table, todo)| (table, todo.id.to_string(), encode(todo))).collect();
    bench.write(rows.iter().map(|(table, id, row)| (*table, id.as_str(), Some(row.clone()))).collect());
    let query = || Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.asc()).limit(50);
    let live = bench.live(query());
    let explanation = explained(&bench, &query());
    assert!(explanation.held <= 100, "{explanation}");
    let before = bench.queries();
    for number in 0..500 {
        bench.put(todo(number, number as i64, true));
        assert_eq!(numbers(&live.rows())[0], number + 1);
    }
    assert!(bench.queries() - before <= 10, "{} reads for 500 rows that left", bench.queries() - before);
    // A row that comes back to the window, and one behind everything that is held.
    bench.put(todo(3, -1, false));
    bench.put(todo(1_999, 10_000, false));
    assert_eq!(numbers(&live.rows())[..2], [3, 500]);
    assert_eq!(live.rows(), bench.live(query().any()).rows()[..]);
}

#[test]
fn what_ends_as_it_began_is_not_heard_of() {
    let bench = Bench::new();
    bench.put(todo(1, 1, false));
    bench.put(todo(2, 2, false));
    let live = bench.live(Todo::select().order_by(Todo::rank.asc()).limit(1));
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    // Two rows change places and back within the groups of one transaction; behind the window nothing is seen.
    bench.put(todo(2, 3, false));
    bench.put(Todo { note: Some("x".to_owned()), ..todo(2, 3, false) });
    assert!(heard.take().is_empty());
}

/// The nasty case: a window of two loses one row, has another moved behind what is held, and gets a third, all in one
/// transaction.
#[test]
fn a_window_is_filled_once_and_after_all_changes() {
    let bench = Bench::new();
    for (number, rank) in [(1, 2), (2, 3)] {
        bench.put(todo(number, rank, false));
    }
    let query = || Todo::select().filter(Todo::done.eq(false)).order_by(Todo::rank.asc()).limit(2);
    let live = bench.live(query());
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    let (moved, new) = (todo(2, 9, false), todo(3, 5, false));
    let ids = [todo(1, 0, false).id.to_string(), moved.id.to_string(), new.id.to_string()];
    bench.write(vec![
        (Todo::DEF, &ids[0], None),
        (Todo::DEF, &ids[1], Some(encode(moved))),
        (Todo::DEF, &ids[2], Some(encode(new))),
    ]);
    assert_eq!(numbers(&live.rows()), [3, 2]);
    let [delta] = <[crate::live::Delta<Todo>; 1]>::try_from(heard.take()).expect("one notification");
    assert_eq!((delta.removed.len(), delta.added.len(), delta.changed.len()), (1, 1, 1));
    assert_eq!((delta.removed[0].index, delta.added[0].index), (0, 0));
    assert_eq!((delta.changed[0].from, delta.changed[0].to), (1, 1));
}

#[test]
fn an_explanation_says_what_a_query_costs() {
    let bench = Bench::new();
    bench.write(vec![(Org::DEF, &id::<Org>(1).to_string(), Some(encode(Org { id: id(1), name: "a".to_owned() })))]);
    for number in 0..10 {
        bench.put(todo(number, 0, false));
    }
    let explanation = explained(&bench, &Todo::select().inner_join(Todo::org_id).filter(Todo::done.eq(false)));
    assert_eq!((explanation.class.clone(), explanation.rows), (Class::Select, 10));
    let of = |table: &str| {
        let found = explanation.tables.iter().find(|one| one.table == table).expect("the table is read");
        (found.told_of.as_str(), found.rows_per_change)
    };
    assert_eq!(of(Todo::DEF.name), ("changes of one `done`", 1.0));
    assert_eq!(of(Org::DEF.name), ("all changes", 10.0));
    assert!(explanation.held >= 21, "ten pairs, ten todos, one org: {explanation}");
    assert!(!explanation.plan.is_empty() && explanation.to_string().contains("incremental"));
}

#[test]
fn a_pause_ends_in_one_step() {
    let bench = Bench::new();
    bench.put(todo(1, 1, false));
    let live = bench.live(Todo::select().order_by(Todo::rank.asc()));
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    let host: Weak<dyn Host> = bench.me.clone();
    let (first, second) = (LivePause::new(host.clone()), LivePause::new(host));
    bench.put(todo(2, 2, false));
    bench.put(todo(3, 3, false));
    bench.remove(2);
    drop(first);
    assert!(heard.take().is_empty(), "there is another pause");
    assert_eq!(numbers(&live.rows()), [1]);
    bench.put(todo(4, 0, false));
    drop(second);
    let [delta] = <[crate::live::Delta<Todo>; 1]>::try_from(heard.take()).expect("one notification");
    assert_eq!(delta.added.iter().map(|added| added.index).collect::<Vec<_>>(), [0, 2]);
    assert!(delta.removed.is_empty() && delta.changed.is_empty());
    assert_eq!(numbers(&live.rows()), [4, 1, 3]);
    // A query that begins during a pause begins with what the store shows, and is told none of it again.
    let pause = LivePause::new(bench.me.clone());
    bench.put(todo(5, 5, false));
    let late = bench.live(Todo::select().filter(Todo::rank.gte(4)));
    assert_eq!((numbers(&late.rows()), numbers(&live.rows())), (vec![5], vec![4, 1, 3, 5]));
    bench.put(todo(6, 6, false));
    drop(pause);
    assert_eq!((numbers(&late.rows()), numbers(&live.rows())), (vec![5, 6], vec![4, 1, 3, 5, 6]));
}
