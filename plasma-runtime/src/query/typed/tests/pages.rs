//! Page after page gives the rows of the whole query, each once, whatever the order and wherever the NULLs are.

use super::meaning::{World, answer};
use crate::query::lower::{self, Dialect};
use crate::query::typed::{Cursor, Page, Query, Select, count, read};
use crate::schema::Table as _;
use crate::schema::samples::Todo;
use crate::store::SqlConnection as _;
use crate::store::sqlite::SqliteConnection;
use crate::value::Kind;

fn page<Q: Query>(db: &mut SqliteConnection, query: Q) -> crate::Result<Page<Q::Row>> {
    let read = read::page(query)?;
    let lowered = lower::select(Dialect::Sqlite, read.query());
    let rows = db.query(&lowered.sql, &lowered.params, &lowered.kinds)?;
    read.finish(rows)
}

/// All pages of a query, joined; every cursor goes through its text.
fn pages<R: std::fmt::Debug + PartialEq + 'static, Sc: 'static>(query: &Select<R, Sc>, size: u64) {
    let (mut world, mut all) = (World::new(), Vec::new());
    let mut db = world.sqlite();
    let mut cursor: Option<Cursor> = None;
    loop {
        let found = page(&mut db, query.clone().limit(size).after(cursor)).expect("a page");
        assert!(found.rows.len() as u64 <= size);
        assert!(found.next.is_none() || found.rows.len() as u64 == size);
        all.extend(found.rows);
        let Some(next) = found.next else { break };
        cursor = Some(next.to_string().parse().expect("a cursor's own text"));
        assert_eq!(cursor, Some(next));
    }
    assert_eq!(all, answer(&mut world, &mut db, query), "in pages of {size}: {query:?}");
    assert!(!all.is_empty());
}

#[test]
fn pages_are_the_whole_in_pieces() {
    for size in 1..=9 {
        pages(&Todo::select(), size);
        pages(&Todo::select().order_by(Todo::note.asc()), size);
        pages(&Todo::select().order_by(Todo::note.desc()), size);
        pages(&Todo::select().order_by(Todo::flag.desc()).order_by(Todo::note.desc()), size);
        pages(&Todo::select().order_by(Todo::rank.asc()).order_by(Todo::weight.desc()), size);
        pages(&Todo::select().filter(Todo::points.gt(-1)).order_by((Todo::points * 7 % 3).asc()), size);
        pages(&Todo::select().order_by(Todo::rank.desc()).project((Todo::title, Todo::rank)), size);
        pages(&Todo::select().project(Todo::rank).distinct().order_by(Todo::rank.desc()), size);
        pages(&Todo::select().left_join(Todo::owner_id).order_by(Todo::owner_id.desc()), size);
        let groups = Todo::select().group_by(Todo::owner_id).order_by(count().desc());
        pages(&groups.project(|owner| (owner, count())), size);
    }
}

#[test]
fn rows_that_come_and_go_move_no_page() {
    let world = World::new();
    let mut db = world.sqlite();
    let query = || Todo::select().order_by(Todo::points.asc()).limit(3).project(Todo::points);
    let first = page(&mut db, query()).expect("a page");
    assert_eq!(first.rows, [-2, -1, 0]);
    db.execute("DELETE FROM todos WHERE points < 0", &[]).expect("a statement");
    assert_eq!(page(&mut db, query().after(first.next)).expect("a page").rows, [1, 2, 3]);
}

#[test]
fn a_cursor_of_another_query_is_refused() {
    let world = World::new();
    let mut db = world.sqlite();
    let next = page(&mut db, Todo::select().order_by(Todo::rank.asc()).limit(1)).expect("a page").next;
    let error = page(&mut db, Todo::select().order_by(Todo::rank.desc()).limit(1).after(next)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Validation);
    assert!(error.message().contains("todos.rank desc"), "{error}");
    let by = |factor: i64| Todo::select().order_by((Todo::points * factor).asc()).limit(1);
    let next = page(&mut db, by(2)).expect("a page").next;
    assert!(page(&mut db, by(2).after(next.clone())).is_ok());
    for other in [by(3), Todo::select().order_by((Todo::rank + 7).asc()).limit(1)] {
        let error = page(&mut db, other.after(next.clone())).expect_err("a calculation is not another");
        assert_eq!(error.kind(), crate::ErrorKind::Validation);
    }
    for text in ["", "x", "bm90aGluZw", "eyJvcmRlciI6W10sImF0IjoxfQ", "\u{1f600}"] {
        assert_eq!(text.parse::<Cursor>().unwrap_err().kind(), crate::ErrorKind::Validation, "{text:?}");
    }
    let error = page(&mut db, Todo::select().limit(1).count()).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Validation);
}

#[test]
fn a_late_page_is_found_in_the_index() {
    let world = World::new();
    let mut db = world.sqlite();
    db.batch("CREATE INDEX by_rank ON todos (rank); CREATE INDEX by_note ON todos (note)").expect("indexes");
    let mut plan = |query: &Select<Todo>, size: u64| {
        let first = page(&mut db, query.clone().limit(size)).expect("a page");
        let read = read::page(query.clone().limit(size).after(first.next)).expect("a query");
        let lowered = lower::select(Dialect::Sqlite, read.query());
        let kinds = [Kind::BigInt, Kind::BigInt, Kind::BigInt, Kind::Text];
        let steps = db.query(&format!("EXPLAIN QUERY PLAN {}", lowered.sql), &lowered.params, &kinds).expect("a plan");
        steps.iter().map(|step| format!("{:?}", step[3])).collect::<Vec<_>>().join("; ")
    };
    let ascending = plan(&Todo::select().order_by(Todo::rank.asc()), 2);
    assert!(ascending.contains("by_rank (rank>?)"), "{ascending}");
    let descending = plan(&Todo::select().order_by(Todo::rank.desc()), 2);
    assert!(descending.contains("by_rank (rank<?)"), "{descending}");
    // The page ends with a row that has a note.
    let nullable = plan(&Todo::select().order_by(Todo::note.asc()), 6);
    assert!(nullable.contains("by_note (note>?)"), "{nullable}");
}
