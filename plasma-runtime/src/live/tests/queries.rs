//! When live queries run, what they say, and when they are silent.

use std::pin::pin;

use super::super::rows::LiveState;
use super::*;
use crate::ErrorKind;
use crate::query::typed::count;

#[test]
fn a_result_is_there_at_once_and_follows_every_transaction() {
    let bench = Bench::new();
    bench.put(todo(1, 5, false));
    let live = bench.live(Todo::select().order_by(Todo::rank.asc()));
    assert_eq!(numbers(&live.rows()), [1]);
    let heard = Heard::new();
    let by = heard.by();
    let subscription = live.subscribe(move |rows| by(numbers(rows)));
    assert_eq!(heard.take(), [vec![1]], "first what is there");
    bench.put(todo(2, 3, false));
    bench.remove(1);
    assert_eq!(heard.take(), [vec![2, 1], vec![2]]);
    drop(subscription);
    bench.put(todo(3, 0, false));
    assert!(heard.take().is_empty(), "nobody listens any more");
    assert_eq!(numbers(&live.rows()), [3, 2], "but the rows are current");
}

#[test]
fn only_queries_whose_tables_were_touched_are_told_and_none_asks_the_store() {
    let bench = Bench::new();
    let users = bench.live(User::select());
    let todos = bench.live(Todo::select().filter(Todo::owner_id.has(User::admin.eq(true))));
    let asked = bench.queries();
    let before = bench.router.told();
    bench.write(vec![(Org::DEF, "o", Some(encode(Org { id: id(1), name: "org".into() })))]);
    assert_eq!(bench.router.told(), before, "no query reads orgs");
    bench.put(todo(1, 0, false));
    assert_eq!(bench.router.told(), before + 1, "one query reads todos");
    bench.put(Todo { owner_id: Some(id(7)), ..todo(2, 0, false) });
    assert!(todos.rows().is_empty());
    let before = bench.router.told();
    let admin = User { admin: true, ..user(7) };
    bench.write(vec![(User::DEF, &admin.id.to_string(), Some(encode(admin.clone())))]);
    assert_eq!(bench.router.told(), before + 2, "users directly, todos through the sub-query");
    assert_eq!((users.rows().len(), numbers(&todos.rows())), (1, vec![2]));
    // Each write of the test itself reads one row.
    assert_eq!(bench.queries(), asked, "all of it was known");
}

#[test]
fn rows_outside_of_the_range_are_told_to_nobody() {
    let bench = Bench::new();
    let live = bench.live(Todo::select().filter(Todo::rank.gt(5).and(Todo::note.is_not_null())));
    let before = bench.router.told();
    bench.put(todo(1, 9, false));
    bench.put(Todo { note: Some("x".into()), ..todo(2, 5, false) });
    bench.remove(1);
    assert_eq!((bench.router.told(), live.rows().len()), (before + 2, 0), "the one whose rank fits");
    bench.put(Todo { note: Some("x".into()), ..todo(2, 6, false) });
    assert_eq!((bench.router.told(), live.rows().len()), (before + 3, 1), "it came in");
    bench.put(todo(2, 6, false));
    assert_eq!((bench.router.told(), live.rows().len()), (before + 4, 0), "it went out");
}

#[test]
fn a_query_over_its_own_table_twice_looks_at_every_change() {
    let bench = Bench::new();
    // Open todos that have a child that is done: the child itself does not satisfy the condition.
    let live = bench.live(Todo::select().filter(Todo::done.eq(false)).filter(Todo::parent_id.any(Todo::done.eq(true))));
    bench.put(todo(1, 0, false));
    bench.put(Todo { parent_id: Some(id(1)), ..todo(2, 0, true) });
    assert_eq!(numbers(&live.rows()), [1]);
    bench.remove(2);
    assert_eq!(numbers(&live.rows()), [] as [u128; 0]);
}

/// Each organisation with the titles of its open todos.
#[test]
fn related_rows_are_live() {
    let bench = Bench::new();
    let org = |number: u128, name: &str| Org { id: id(number), name: name.to_owned() };
    let put = |org: Org| bench.write(vec![(Org::DEF, &org.id.to_string(), Some(encode(org)))]);
    let live = bench.live(
        Org::select()
            .order_by(Org::name.desc())
            .with_many(Todo::org_id.rel(|todos| todos.filter(Todo::done.eq(false)).project(Todo::rank).limit(2))),
    );
    let seen = || -> Vec<(String, Vec<i64>)> {
        let rows = live.rows();
        rows.iter().map(|(org, todos)| (org.name.clone(), todos.clone())).collect()
    };
    put(org(1, "a"));
    put(org(2, "b"));
    assert_eq!(seen(), [("b".to_owned(), vec![]), ("a".to_owned(), vec![])]);
    let of = |org: u128, todo: Todo| Todo { org_id: id(org), ..todo };
    for (number, org) in [(1, 1), (2, 1), (3, 1), (4, 2)] {
        bench.put(of(org, todo(number, number as i64, false)));
    }
    assert_eq!(seen(), [("b".to_owned(), vec![4]), ("a".to_owned(), vec![1, 2])]);
    // A related row changes, leaves the condition, changes its parent, and goes.
    bench.put(of(1, todo(1, 10, false)));
    assert_eq!(seen()[1].1, [10, 2]);
    bench.put(of(1, todo(1, 10, true)));
    assert_eq!(seen()[1].1, [2, 3]);
    bench.put(of(2, todo(2, 2, false)));
    assert_eq!(seen(), [("b".to_owned(), vec![2, 4]), ("a".to_owned(), vec![3])]);
    bench.remove(4);
    assert_eq!(seen()[0].1, [2]);
    put(org(2, "0"));
    assert_eq!(seen(), [("a".to_owned(), vec![3]), ("0".to_owned(), vec![2])]);
}

#[test]
fn joins_and_groups_are_live() {
    let bench = Bench::new();
    let live = bench.live(Todo::select().group_by(Todo::done).project(|done| (done, count())));
    bench.put(todo(1, 0, false));
    bench.put(todo(2, 0, true));
    bench.put(todo(3, 0, true));
    assert_eq!(live.rows()[..], [(false, 1), (true, 2)]);
    bench.put(todo(3, 0, false));
    assert_eq!(live.rows()[..], [(false, 2), (true, 1)]);
}

#[test]
fn a_transaction_that_changes_nothing_visible_is_not_heard_of() {
    let bench = Bench::new();
    bench.put(todo(1, 1, false));
    let live = bench.live(Todo::select().filter(Todo::done.eq(false)));
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    let rows = live.rows();
    bench.put(todo(1, 1, false));
    bench.put(todo(2, 1, true));
    assert!(heard.take().is_empty());
    assert!(rows.is_same(&live.rows()), "the very same rows");
}

#[test]
fn equal_queries_share_their_upkeep_and_go_with_their_last_holder() {
    let bench = Bench::new();
    let open = || Todo::select().filter(Todo::done.eq(false));
    let (first, second) = (bench.live(open()), bench.live(open().any()));
    let titles = bench.live(open().project((Todo::title,)));
    assert_eq!(bench.router.len(), 2);
    let before = bench.router.told();
    bench.put(todo(1, 0, false));
    assert_eq!(bench.router.told(), before + 2);
    assert_eq!(first.rows(), second.rows());
    let (clone, subscription) = (first.clone(), first.subscribe(|_| {}));
    drop((first, titles));
    assert_eq!(bench.router.len(), 1);
    drop((second, clone));
    assert_eq!(bench.router.len(), 1, "a subscription keeps its query");
    drop(subscription);
    assert_eq!(bench.router.len(), 0);
    let before = bench.router.told();
    bench.put(todo(2, 0, false));
    assert_eq!(bench.router.told(), before, "nothing is kept up to date for nobody");
}

#[test]
fn projections_and_counts_are_live_too() {
    let bench = Bench::new();
    let titles = bench.live(Todo::select().order_by(Todo::rank.asc()).project((Todo::title, Todo::rank)));
    let count = bench.live(Todo::select().filter(Todo::done.eq(true)).count());
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = titles.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    bench.put(todo(1, 1, true));
    bench.put(todo(2, 2, true));
    heard.take();
    bench.put(todo(2, 0, true));
    let deltas = heard.take();
    assert_eq!(deltas.len(), 1);
    let change = &deltas[0].changed[0];
    assert_eq!((&change.old, &change.new), (&("todo 2".to_owned(), 2), &("todo 2".to_owned(), 0)));
    assert_eq!((change.from, change.to), (1, 0), "the same row by its id, though no id is selected");
    assert_eq!(titles.rows(), [("todo 2".to_owned(), 0), ("todo 1".to_owned(), 1)]);
    assert_eq!(count.rows(), [2]);
}

#[test]
fn a_row_that_cannot_be_read_fails_the_query_and_keeps_the_last_good_rows() {
    let bench = Bench::new();
    bench.put(todo(1, 1, false));
    let live = bench.live(Todo::select().order_by(Todo::rank.asc()));
    let (states, deltas) = (Heard::new(), Heard::new());
    let (state_by, delta_by) = (states.by(), deltas.by());
    let _subscriptions = (
        live.subscribe_state(move |state| state_by(state.clone())),
        live.subscribe_delta(move |delta| delta_by(delta.clone())),
    );
    let mut replayed = Vec::new();
    let mut broken = encode(todo(2, 2, false));
    broken[Todo::DEF.column_index("meta").expect("a column")] = Value::Json("{\"no\":\"list\"}".into());
    bench.write(vec![(Todo::DEF, &id::<Todo>(2).to_string(), Some(broken))]);
    assert!(matches!(live.state(), LiveState::Failed(error) if error.kind() == ErrorKind::Storage));
    assert_eq!(numbers(&live.rows()), [1]);
    match poll(pin!(live.when_ready())) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Storage),
        other => panic!("{other:?}"),
    }
    // More happens while it fails; then the row is mended.
    bench.put(todo(3, 0, false));
    bench.put(todo(2, 2, false));
    assert_eq!(numbers(&live.rows()), [3, 1, 2]);
    let shown: Vec<&str> = states
        .take()
        .iter()
        .map(|state| match state {
            LiveState::Loading => "loading",
            LiveState::Ready(_) => "ready",
            LiveState::Failed(_) => "failed",
        })
        .collect();
    assert_eq!(shown, ["ready", "failed", "failed", "ready"]);
    for delta in deltas.take() {
        delta.apply(&mut replayed).expect("a failure loses no delta");
    }
    assert_eq!(numbers(&replayed), [3, 1, 2]);
}

#[test]
fn a_store_that_fails_is_heard_of_and_recovers() {
    let bench = Bench::new();
    let live = bench.live(Todo::select());
    lock(&bench.store).broken = true;
    bench.put(todo(1, 0, false));
    assert_eq!(numbers(&live.rows()), [1], "a change needs no store");
    bench.foreign();
    let late = bench.live(Todo::select());
    for query in [&live, &late] {
        assert!(matches!(query.state(), LiveState::Failed(error) if error.to_string() == "the disk is gone"));
    }
    lock(&bench.store).broken = false;
    bench.put(todo(2, 0, false));
    assert_eq!((numbers(&live.rows()), numbers(&late.rows())), (vec![1, 2], vec![1, 2]));
    assert!(matches!(late.state(), LiveState::Ready(_)));
}

#[test]
fn a_query_that_is_opened_in_somebody_elses_turn_waits_for_its_end() {
    let bench = Bench::new();
    bench.put(todo(1, 0, false));
    let heard = Heard::new();
    let by = heard.by();
    let turn = lock(&bench.store);
    let live = bench.live(Todo::select());
    let subscription = live.subscribe(move |rows| by(numbers(rows)));
    assert!(matches!(live.state(), LiveState::Loading));
    let mut waiting = pin!(live.when_ready());
    assert!(poll(waiting.as_mut()).is_pending());
    bench.end_of_turn(turn);
    assert_eq!(heard.take(), [vec![1]]);
    assert!(matches!(poll(waiting), Poll::Ready(Ok(rows)) if rows.len() == 1));
    drop(subscription);
}

#[test]
fn a_query_that_cannot_be_asked_fails_at_once() {
    let bench = Bench::new();
    let nul = bench.live(Todo::select().filter(Todo::title.eq("a\0b")));
    assert!(matches!(nul.state(), LiveState::Failed(error) if error.kind() == ErrorKind::Validation));
    let foreign = bench.live(crate::schema::samples::Stray::select());
    assert!(matches!(foreign.state(), LiveState::Failed(error) if error.kind() == ErrorKind::Config));
    assert_eq!(bench.router.len(), 0);
}

#[test]
fn a_query_can_be_exchanged_under_its_subscribers() {
    let bench = Bench::new();
    (1..=4).for_each(|number| bench.put(todo(number, number as i64, number % 2 == 0)));
    let live = bench.live(Todo::select().filter(Todo::done.eq(false)));
    let heard = Heard::new();
    let by = heard.by();
    let _subscription = live.subscribe_delta(move |delta| by(delta.clone()));
    heard.take();
    live.replace(Todo::select().filter(Todo::rank.gte(3)));
    let deltas = heard.take();
    assert_eq!(deltas.len(), 1);
    assert_eq!(numbers(&deltas[0].removed.iter().map(|gone| gone.row.clone()).collect::<Vec<_>>()), [1]);
    assert_eq!(numbers(&deltas[0].added.iter().map(|come| come.row.clone()).collect::<Vec<_>>()), [4]);
    assert!(deltas[0].changed.is_empty(), "todo 3 is in both");
    assert_eq!(bench.router.len(), 1, "the old query is gone");
    // Equal raw rows that are read otherwise are other rows.
    let texts = bench.live(Todo::select().order_by(Todo::rank.asc()).project(Todo::title).map(|title| title));
    texts.replace(Todo::select().order_by(Todo::rank.asc()).project(Todo::title).map(|title| title.to_uppercase()));
    assert_eq!(texts.rows()[0], "TODO 1");
}

#[test]
fn a_stream_gives_the_newest_state_and_ends_with_the_client() {
    let bench = Bench::new();
    let live = bench.live(Todo::select());
    let mut stream = live.stream();
    let next = |stream: &mut super::super::handle::LiveStream<Todo>| poll(pin!(stream.next()));
    assert!(matches!(next(&mut stream), Poll::Ready(Some(LiveState::Ready(rows))) if rows.is_empty()));
    assert!(next(&mut stream).is_pending());
    bench.put(todo(1, 0, false));
    bench.put(todo(2, 0, false));
    assert!(matches!(next(&mut stream), Poll::Ready(Some(LiveState::Ready(rows))) if rows.len() == 2));
    assert!(next(&mut stream).is_pending(), "a slow reader missed what was in between");
    bench.router.close();
    assert!(matches!(next(&mut stream), Poll::Ready(None)));
    assert_eq!(live.rows().len(), 2, "what is shown stays");
    let turn = lock(&bench.store);
    let unready = bench.live(Todo::select());
    bench.router.close();
    drop(turn);
    match poll(pin!(unready.when_ready())) {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Closed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_callback_that_writes_is_followed_by_its_own_news() {
    let bench = Bench::new();
    let live = bench.live(Todo::select());
    let heard = Heard::new();
    let (by, writer) = (heard.by(), bench.clone());
    let _subscription = live.subscribe(move |rows| {
        by(rows.len());
        if rows.len() == 1 {
            writer.put(todo(2, 0, false));
        }
        by(100 + rows.len());
    });
    bench.put(todo(1, 0, false));
    assert_eq!(heard.take(), [0, 100, 1, 101, 2, 102], "after it, not inside it");
}

#[test]
fn a_subscription_may_end_inside_its_own_callback() {
    let bench = Bench::new();
    let live = bench.live(Todo::select());
    let slot: Arc<Mutex<Option<super::super::handle::Subscription>>> = Arc::default();
    let (heard, held) = (Heard::new(), slot.clone());
    let by = heard.by();
    *lock(&slot) = Some(live.subscribe(move |rows| {
        by(rows.len());
        if rows.len() == 1 {
            drop(lock(&held).take());
        }
    }));
    (1..=3).for_each(|number| bench.put(todo(number, 0, false)));
    assert_eq!(heard.take(), [0, 1]);
}
