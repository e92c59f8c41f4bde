//! Expressions that a loop nests without end.

use super::meaning::World;
use crate::query::eval;
use crate::query::lower::{self, Dialect};
use crate::query::typed::{Filter, Query, exists, when};
use crate::schema::Table as _;
use crate::schema::samples::Todo;
use crate::store::SqlConnection as _;

#[test]
fn what_a_loop_nests_is_an_error_before_it_is_a_crash() {
    type Nested = fn(Filter<Todo>) -> Filter<Todo>;
    let ways: [(&str, Nested); 7] = [
        ("and, or", |inner| inner.and(Todo::points.ne(1)).or(Todo::points.eq(7))),
        ("not", |inner| Todo::done.and(Todo::flag.eq(true)).and(inner.not()).not().into()),
        ("has", |inner| Todo::parent_id.has(inner).into()),
        ("any", |inner| Todo::parent_id.any(inner).into()),
        ("in_query", |inner| Todo::id.in_query(Todo::select().filter(inner).project(Todo::id)).into()),
        ("exists", |inner| exists(Todo::select().filter(inner)).into()),
        ("when", |inner| when(inner).then(Todo::rank).otherwise(2i64).gt(1).into()),
    ];
    let mut world = World::new();
    let mut db = world.sqlite();
    for (name, way) in ways {
        let mut filter: Filter<Todo> = Todo::done.into();
        let mut deepest = None;
        for _ in 0..5_000 {
            filter = way(filter);
            if filter.clone().into_ir().is_ok() {
                deepest = Some(filter.clone());
            }
        }
        let error = filter.into_ir().expect_err(name);
        assert!(error.message().contains("128 levels"), "{name}: {error}");
        // What is just not too deep is read by everybody; of sub-queries SQLite bears less.
        let query = Todo::select().filter(deepest.expect("one level is allowed"));
        let lowered = lower::select(Dialect::Sqlite, query.ir().expect("a query"));
        match db.query(&lowered.sql, &lowered.params, &lowered.kinds) {
            Ok(rows) => assert_eq!(rows, eval::select(query.ir().expect("a query"), &mut world).expect(name)),
            Err(error) => assert_eq!(error.kind(), crate::ErrorKind::TooLarge, "{name}: {error}"),
        }
    }
    let long = (0..20_000).fold(Filter::<Todo>::all(), |all, n| all.and(Todo::points.ne(n)));
    assert!(long.into_ir().is_ok(), "a long list is not deep");
}
