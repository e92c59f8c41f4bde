use super::{compare, todo};
use crate::ErrorKind;
use crate::query::ir::{self, CompareOp, Expr};
use crate::query::typed::{AnyQuery, Query, Select, read, row};
use crate::schema::samples::{App, Stray, Todo, User};
use crate::schema::{Id, Schema, Table};
use crate::value::{Row, Value};

fn id<T>(n: u128) -> Id<T> {
    Id::from_uuid(uuid::Uuid::from_u128(n))
}

fn user_row(n: u128, name: &str, admin: bool) -> Row {
    vec![Value::Text(id::<User>(n).to_string()), Value::Text(name.to_owned()), Value::Bool(admin)]
}

#[test]
fn a_query_is_what_was_asked() {
    let search: Option<&str> = None;
    let query = Todo::select()
        .filter(Todo::done.eq(false))
        .filter(search.map(|text| Todo::title.contains(text)))
        .filter(Todo::points.gte(3))
        .order_by(Todo::rank.desc())
        .order_by(Todo::id.asc())
        .limit(20)
        .offset(40);
    let done = compare(CompareOp::Eq, todo("done"), false);
    let points = compare(CompareOp::Gte, todo("points"), 3);
    let expected = ir::Query {
        filter: Some(Expr::And(vec![done, points])),
        order: vec![
            ir::Order { expr: todo("rank"), descending: true },
            ir::Order { expr: todo("id"), descending: false },
        ],
        limit: Some(20),
        offset: Some(40),
        ..ir::Query::all(Todo::DEF)
    };
    assert_eq!(query.ir().unwrap(), &expected);
    assert_eq!(query.any().ir().unwrap(), &expected);
    assert_eq!(Todo::select().ir().unwrap(), &ir::Query::all(Todo::DEF));
    assert_eq!(Todo::select().filter(None::<crate::query::typed::Filter<Todo>>), Todo::select());
}

#[test]
fn rows_become_structs_tuples_and_values() {
    let ada = User { id: id(1), name: "Ada".into(), admin: true };
    assert_eq!(User::select().decode(user_row(1, "Ada", true)).unwrap(), ada);

    let single: Select<String, _> = User::select().project(User::name);
    assert_eq!(single.ir().unwrap().select, ir::Select::Exprs(vec![Expr::column("users", "name")]));
    assert_eq!(single.decode(vec!["Ada".into()]).unwrap(), "Ada");

    let pair = User::select().project((User::id, User::admin, User::name.eq("Ada"), row::<User>()));
    let ir::Select::Exprs(exprs) = &pair.ir().unwrap().select else { panic!("not a projection") };
    assert_eq!(exprs.len(), 3 + User::DEF.columns.len());
    let condition = Expr::compare(
        CompareOp::Is,
        compare(CompareOp::Eq, Expr::column("users", "name"), "Ada"),
        Expr::Literal(true.into()),
    );
    assert_eq!(exprs[2], condition);
    let mut values: Row = vec![id::<User>(1).to_string().into(), true.into(), false.into()];
    values.extend(user_row(1, "Ada", true));
    assert_eq!(pair.decode(values).unwrap(), (id(1), true, false, ada));

    let short = pair.decode(vec![]).expect_err("too few values");
    assert_eq!(short.kind(), ErrorKind::Storage);
    let wrong = single.decode(vec![Value::Int(1)]).expect_err("not text");
    assert_eq!(wrong.kind(), ErrorKind::Storage);
}

#[test]
fn queries_are_named_stored_and_chosen() {
    fn admins(only: bool) -> AnyQuery<String> {
        if only {
            User::select().filter(User::admin).map(|user| user.name)
        } else {
            User::select().project(User::name).any()
        }
    }
    assert_eq!(admins(true).decode(user_row(1, "Ada", true)).unwrap(), "Ada");
    assert_eq!(admins(false).decode(vec!["Bob".into()]).unwrap(), "Bob");
    assert_eq!(admins(true), admins(true).clone());
    assert_ne!(admins(true), admins(false));
    let lengths = admins(false).map(|name| name.len());
    assert_eq!(lengths.decode(vec!["Bob".into()]).unwrap(), 3);
}

#[test]
fn a_fault_is_reported_by_whoever_runs_the_query() {
    let bad = [
        User::select().filter(User::name.eq("\0")).any(),
        User::select().filter(User::admin).filter(User::name.eq("\0")).limit(3).any(),
        User::select().filter(User::name.eq("\0")).map(|user| user),
    ];
    for query in bad {
        assert_eq!(query.ir().expect_err("a fault").kind(), ErrorKind::Validation);
        assert_eq!(read::all(query.clone()).expect_err("a fault").kind(), ErrorKind::Validation);
        assert_eq!(query.count().ir().expect_err("a fault").kind(), ErrorKind::Validation);
    }
    let projected = User::select().project((User::id, User::name.eq("\0")));
    assert_eq!(projected.ir().expect_err("a fault").kind(), ErrorKind::Validation);
}

#[test]
fn counting_minds_limit_and_offset() {
    let count = |query: Select<User>, matching: i64| {
        let read = read::count(query.clone()).unwrap();
        assert_eq!(read.query().select, ir::Select::Count);
        assert_eq!((read.query().limit, read.query().offset), (None, None));
        assert!(read.query().order.is_empty());
        let rows = read.finish(vec![vec![Value::Int(matching)]]).unwrap();
        assert_eq!(query.count().decode(vec![Value::Int(matching)]).unwrap(), rows);
        rows
    };
    let all = User::select().order_by(User::name.asc());
    assert_eq!(count(all.clone(), 7), 7);
    assert_eq!(count(all.clone().limit(5), 7), 5);
    assert_eq!(count(all.clone().offset(5), 7), 2);
    assert_eq!(count(all.clone().offset(9), 7), 0);
    assert_eq!(count(all.clone().offset(1).limit(3), 7), 3);
    assert_eq!(count(all.clone().limit(0), 7), 0);
    // The count of a count is one row.
    assert_eq!(all.count().count().decode(vec![Value::Int(7)]).unwrap(), 1);
    let broken = read::count(User::select()).unwrap().finish(vec![]).expect_err("no row");
    assert_eq!(broken.kind(), ErrorKind::Storage);
}

#[test]
fn reads_make_their_answer_of_rows() {
    let two = || vec![user_row(1, "Ada", true), user_row(2, "Bob", false)];
    let one = || vec![user_row(1, "Ada", true)];
    let names = |users: Vec<User>| users.into_iter().map(|user| user.name).collect::<Vec<_>>();

    assert_eq!(names(read::all(User::select()).unwrap().finish(two()).unwrap()), ["Ada", "Bob"]);

    let first = read::first(User::select().limit(9)).unwrap();
    assert_eq!(first.query().limit, Some(1));
    assert_eq!(first.finish(one()).unwrap().unwrap().name, "Ada");
    assert!(read::first(User::select()).unwrap().finish(vec![]).unwrap().is_none());
    assert_eq!(read::first(User::select().limit(0)).unwrap().query().limit, Some(0));

    let only = read::one(User::select()).unwrap();
    assert_eq!(only.query().limit, Some(2));
    assert_eq!(only.finish(one()).unwrap().name, "Ada");
    assert_eq!(read::one(User::select()).unwrap().finish(vec![]).expect_err("none").kind(), ErrorKind::NotFound);
    assert_eq!(read::one(User::select()).unwrap().finish(two()).expect_err("two").kind(), ErrorKind::Conflict);

    let exists = read::exists(User::select().order_by(User::name.asc()).offset(3)).unwrap();
    assert_eq!(exists.query().select, ir::Select::Exprs(vec![Expr::column("users", "id")]));
    assert_eq!((exists.query().limit, exists.query().offset), (Some(1), Some(3)));
    assert!(exists.finish(vec![vec!["x".into()]]).unwrap());
    assert!(!read::exists(User::select()).unwrap().finish(vec![]).unwrap());

    let by_id = compare(CompareOp::Eq, Expr::column("users", "id"), id::<User>(1).to_string());
    assert_eq!(read::get(id::<User>(1)).query().filter, Some(by_id));
    assert_eq!(read::get(id::<User>(1)).finish(one()).unwrap().unwrap().name, "Ada");
    assert!(read::get(id::<User>(1)).finish(vec![]).unwrap().is_none());
    assert_eq!(read::need(id::<User>(1)).finish(one()).unwrap().name, "Ada");
    let missing = read::need(id::<User>(1)).finish(vec![]).expect_err("no row");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.message().contains("users") && missing.message().contains(&id::<User>(1).to_string()));
}

#[test]
fn tables_outside_the_schema_are_named_in_sub_queries_too() {
    let check = |query: AnyQuery<Todo>| read::all(query).unwrap().check(&App::DEF);
    check(Todo::select().filter(Todo::owner_id.has(User::admin)).any()).unwrap();
    let names = Stray::select().filter(Stray::name.is_not_null()).project(Stray::name);
    let error = check(Todo::select().filter(Todo::title.in_query(names)).any()).expect_err("stray");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("`stray`") && error.message().contains("`App`"), "{error}");
}
