//! What joins, groups, derived tables and related rows become in the representation.

use super::at;
use crate::ErrorKind;
use crate::query::ir::{self, Aggregate, ColumnRef, CompareOp, Expr};
use crate::query::typed::{
    Agg, Query, col_ref, count, exists, from_subquery, from_subquery_as, is_missing, read, row, scalar,
};
use crate::schema::samples::{App, Member, Org, Stray, Todo, User};
use crate::schema::{Id, Schema, Table, TableDef};
use crate::value::{Row, Value};

crate::alias!(Parent = Todo);

fn id<T>(n: u128) -> Id<T> {
    Id::from_uuid(uuid::Uuid::from_u128(n))
}
fn built(query: &impl Query) -> ir::Query {
    query.ir().expect("no fault").clone()
}
fn fault(query: &impl Query) -> String {
    let error = query.ir().expect_err("a fault");
    assert_eq!(error.kind(), ErrorKind::Validation);
    error.message().to_owned()
}
fn join(left: bool, table: &'static TableDef, on: Expr) -> ir::Join {
    ir::Join { left, source: ir::Source::table(table), on }
}
fn eq(left: Expr, right: Expr) -> Expr {
    Expr::eq(left, right)
}
fn literal(value: impl Into<Value>) -> Expr {
    Expr::Literal(value.into())
}
fn aggregate(function: Aggregate, expr: Option<Expr>) -> Expr {
    Expr::Aggregate { function, expr: expr.map(Box::new) }
}

#[test]
fn joins_follow_keys_and_conditions() {
    let query = built(
        &Todo::select()
            .inner_join(Todo::org_id)
            .left_join(Member::on(Member::org_id.eq(Org::id)))
            .left_join(Todo::parent_id.join_as::<Parent>())
            .filter(Parent::col(Todo::done)),
    );
    assert_eq!(query.from, ir::Source::table(Todo::DEF));
    let parent = ir::Source { name: "Parent", rows: ir::Rows::Table(Todo::DEF) };
    assert_eq!(
        query.joins,
        [
            join(false, Org::DEF, eq(at(0, "todos", "org_id"), at(0, "orgs", "id"))),
            join(true, Member::DEF, eq(at(0, "members", "org_id"), at(0, "orgs", "id"))),
            ir::Join { left: true, source: parent, on: eq(at(0, "todos", "parent_id"), at(0, "Parent", "id")) },
        ]
    );
    assert_eq!(query.filter, Some(at(0, "Parent", "done")));
    assert_eq!(query.select, ir::Select::Row);
    let missing = built(&Todo::select().left_join(Todo::owner_id).filter(is_missing::<User>()));
    assert_eq!(missing.filter, Some(Expr::IsNull(Box::new(at(0, "users", "id")))));
}

fn user(n: u128, name: &str) -> Row {
    vec![Value::Text(id::<User>(n).to_string()), name.into(), true.into()]
}
fn org(n: u128, name: &str) -> Row {
    vec![Value::Text(id::<Org>(n).to_string()), name.into()]
}
fn member(n: u128, org: u128, user: u128) -> Row {
    let text = |id: String| Value::Text(id);
    vec![
        text(id::<Member>(n).to_string()),
        text(id::<Org>(org).to_string()),
        text(id::<User>(user).to_string()),
        "guest".into(),
    ]
}

#[test]
fn a_joined_row_without_an_id_is_none() {
    let query = Member::select().inner_join(Member::org_id).left_join(Member::user_id);
    let nulls = vec![Value::Null; 3];
    let values = |last: Row| [member(1, 2, 3), org(2, "x"), last].concat();
    let (member, org, found) = query.decode(values(user(3, "Ada"))).unwrap();
    assert_eq!((member.id, org.name.as_str(), found.map(|user| user.name)), (id(1), "x", Some("Ada".to_owned())));
    assert_eq!(query.decode(values(nulls.clone())).unwrap().2, None);
    let projected = query.project((row::<User>(), User::name, Org::name, User::name.eq("Ada")));
    let values = [nulls, vec![Value::Null, "x".into(), false.into()]].concat();
    assert_eq!(projected.decode(values).unwrap(), (None, None, "x".to_owned(), false));
    let stray = projected.decode(vec![Value::Null; 5]).expect_err("too few");
    assert_eq!(stray.kind(), ErrorKind::Storage);
}

#[test]
fn groups_have_keys_conditions_and_orders() {
    let query = Todo::select()
        .filter(Todo::points.gt(0))
        .group_by((Todo::owner_id, Todo::title.contains("x")))
        .having(count().gt(3).and(Todo::points.sum().lt(9)))
        .having(!Todo::rank.min().is_null())
        .order_by(Todo::points.max().desc())
        .order_by_key(|(owner, _)| owner.asc())
        .limit(2)
        .offset(1)
        .project(|(owner, x)| (x, owner, count(), Todo::note.count_distinct()));
    let ir = built(&query);
    let owner = at(0, "todos", "owner_id");
    let like = Expr::Like { expr: Box::new(at(0, "todos", "title")), pattern: "%x%".into() };
    let x = Expr::compare(CompareOp::Is, like, literal(true));
    let points = |function| aggregate(function, Some(at(0, "todos", "points")));
    let rows = aggregate(Aggregate::Count, None);
    assert_eq!(
        ir.group,
        Some(ir::Group {
            keys: vec![owner.clone(), x.clone()],
            having: Some(Expr::And(vec![
                Expr::compare(CompareOp::Gt, rows.clone(), literal(3)),
                Expr::compare(CompareOp::Lt, points(Aggregate::Sum), literal(9)),
                Expr::Not(Box::new(Expr::IsNull(Box::new(aggregate(Aggregate::Min, Some(at(0, "todos", "rank"))))))),
            ])),
        })
    );
    assert_eq!(
        ir.order,
        [
            ir::Order { expr: points(Aggregate::Max), descending: true },
            ir::Order { expr: owner.clone(), descending: false }
        ]
    );
    let different = aggregate(Aggregate::CountDistinct, Some(at(0, "todos", "note")));
    assert_eq!(ir.select, ir::Select::Exprs(vec![x, owner, rows.clone(), different]));
    assert_eq!((ir.limit, ir.offset), (Some(2), Some(1)));
    let row = query.decode(vec![true.into(), Value::Null, 4.into(), 2.into()]).unwrap();
    assert_eq!(row, (true, None, 4, 2));

    let all = built(&Todo::select().aggregate(count()));
    assert_eq!(all.group, Some(ir::Group { keys: vec![], having: None }));
    assert_eq!(all.select, ir::Select::Exprs(vec![rows]));
    assert!(fault(&Todo::select().limit(3).aggregate(count())).contains("from_subquery"));
    assert!(
        fault(&Todo::select().order_by(Todo::rank.asc()).group_by(Todo::done).project(|done| done))
            .contains("group_by")
    );
    let bad = Todo::select().group_by(Todo::title).having(Todo::title.max().eq("\0")).project(|title| title);
    assert!(fault(&bad).contains("U+0000"));
}

#[test]
fn the_operators_of_aggregates() {
    let ir = |agg: Agg<bool, Todo>| agg.into_raw().finish().unwrap();
    let points = || Todo::points.min();
    let of = |op, right| Expr::compare(op, aggregate(Aggregate::Min, Some(at(0, "todos", "points"))), right);
    assert_eq!(ir(points().eq(1)), of(CompareOp::Eq, literal(1)));
    assert_eq!(ir(points().ne(1)), of(CompareOp::Ne, literal(1)));
    assert_eq!(ir(points().lt(1)), of(CompareOp::Lt, literal(1)));
    assert_eq!(ir(points().lte(1)), of(CompareOp::Lte, literal(1)));
    assert_eq!(ir(points().gt(1)), of(CompareOp::Gt, literal(1)));
    assert_eq!(ir(points().gte(1)), of(CompareOp::Gte, literal(1)));
    assert_eq!(ir(points().is_not_null()), Expr::Not(Box::new(ir(points().is_null()))));
    let pair = Todo::points.min().lt(Todo::points.max()).into_raw().finish().unwrap();
    assert_eq!(pair, of(CompareOp::Lt, aggregate(Aggregate::Max, Some(at(0, "todos", "points")))));
}

#[test]
fn a_distinct_query_is_ordered_by_what_it_selects() {
    let titles = || Todo::select().project((Todo::title, Todo::done)).distinct();
    let query = titles().order_by(Todo::done.desc()).order_by(Todo::title.asc());
    assert!(built(&query).distinct);
    assert!(fault(&titles().order_by(Todo::rank.asc())).contains("`todos.rank`"));
    // Whenever the order is given, and inside of a sub-query too.
    let early = Todo::select().order_by(Todo::rank.asc()).project(Todo::title).distinct();
    assert!(fault(&early).contains("`todos.rank`"));
    assert!(fault(&Todo::select().filter(Todo::title.in_query(early.clone()))).contains("`todos.rank`"));
    assert!(fault(&from_subquery(early, |q, _| q)).contains("`todos.rank`"));
    // Its rows are counted, not those of the table.
    let counted = built(&titles().limit(5).count());
    assert_eq!(counted.select, ir::Select::Count);
    let ir::Rows::Query(inner, names) = &counted.from.rows else { panic!("not a derived table") };
    assert_eq!((inner.distinct, names.as_slice()), (true, ["c0", "c1"].as_slice()));
}

#[test]
fn a_query_stands_as_a_table() {
    let sums = || Todo::select().group_by(Todo::owner_id).project(|owner| (owner, Todo::points.sum()));
    let query = from_subquery(sums(), |q, (owner, points)| {
        q.left_join(User::on(User::id.eq(owner)))
            .filter(points.gt(3))
            .order_by(owner.asc())
            .project((User::name, points))
    });
    let ir = built(&query);
    let derived = ir::Source { name: "derived", rows: ir::Rows::Query(Box::new(built(&sums())), vec!["c0", "c1"]) };
    assert_eq!(ir.from, derived);
    assert_eq!(ir.joins, [join(true, User::DEF, eq(at(0, "users", "id"), at(0, "derived", "c0")))]);
    assert_eq!(ir.filter, Some(Expr::compare(CompareOp::Gt, at(0, "derived", "c1"), literal(3))));
    assert_eq!(query.decode(vec![Value::Null, 7.into()]).unwrap(), (None, Some(7)));

    let named = from_subquery_as("sums", ["owner", "points"], sums());
    let query = named.clone().filter(col_ref::<i64>("sums", "points").gt(3));
    let ir = built(&query);
    assert_eq!((ir.from.name, ir.from.columns()), ("sums", vec!["owner", "points"]));
    assert_eq!(ir.filter, Some(Expr::compare(CompareOp::Gt, at(0, "sums", "points"), literal(3))));
    read::all(query).unwrap().check(&App::DEF).unwrap();
    let wrong = |source, column| {
        let query = named.clone().filter(col_ref::<i64>(source, column).gt(3));
        let error = read::all(query).unwrap().check(&App::DEF).expect_err("no such column");
        assert_eq!(error.kind(), ErrorKind::Validation);
        error.message().to_owned()
    };
    assert_eq!(wrong("sums", "n"), "`sums` has no column `n`: it has `owner`, `points`");
    assert_eq!(wrong("sum", "n"), "the query has no table `sum`: it has `sums`");
    assert!(fault(&from_subquery_as("sums", ["a", "a"], sums())).contains("two columns of `sums` are named `a`"));
    let twice = from_subquery_as("users", ["owner", "points"], sums()).inner_join(User::on(User::admin));
    assert!(fault(&twice).contains("two sources of the query are named `users`"));
}

#[test]
fn related_rows_are_nested_queries() {
    let query = Org::select()
        .filter(Org::name.eq("x"))
        .with_many(Member::org_id.rel(|m| m.order_by(Member::role.asc()).limit(3).with_one(Member::user_id)))
        .with_count(Todo::org_id.rel(|t| t.filter(Todo::done)));
    let ir = built(&query);
    let column = |table, column| ColumnRef { level: 0, table, column };
    assert_eq!(ir.nested.len(), 1);
    assert_eq!((ir.nested[0].parent, ir.nested[0].column), (column("orgs", "id"), "org_id"));
    let members = &ir.nested[0].query;
    assert_eq!((members.limit, members.order.len()), (Some(3), 1));
    let there = ir::Query::all(User::DEF).filter(eq(at(0, "users", "id"), at(1, "members", "user_id")));
    assert_eq!(members.filter, Some(Expr::Exists(Box::new(there))));
    assert_eq!((members.nested[0].parent, members.nested[0].column), (column("members", "user_id"), "id"));
    let ir::Select::Exprs(exprs) = &ir.select else { panic!("a count is one more value") };
    let Expr::Scalar(counted) = &exprs[2] else { panic!("a scalar sub-query") };
    assert_eq!(
        counted.filter,
        Some(Expr::And(vec![eq(at(0, "todos", "org_id"), at(1, "orgs", "id")), at(0, "todos", "done")]))
    );
    assert_eq!(counted.select, ir::Select::Exprs(vec![aggregate(Aggregate::Count, None)]));

    let members = vec![[member(1, 5, 2), vec![Value::Rows(vec![user(2, "Ada")])]].concat()];
    let row = [org(5, "x"), vec![9.into(), Value::Rows(members)]].concat();
    let (org, members, todos) = query.decode(row).unwrap();
    assert_eq!((org.name.as_str(), todos, members.len()), ("x", 9, 1));
    assert_eq!((members[0].0.id, members[0].1.name.as_str()), (id(1), "Ada"));
    let flat = query.decode(vec![Value::Null]).expect_err("no related rows");
    assert_eq!(flat.kind(), ErrorKind::Storage);
}

#[test]
fn a_row_comes_with_its_one_only_when_it_is_there() {
    let there = |query: &ir::Query| matches!(&query.filter, Some(Expr::Exists(_)));
    assert!(there(&built(&Todo::select().with_one(Todo::org_id))));
    assert!(!there(&built(&Todo::select().with_one(Todo::owner_id))));
    assert!(!there(&built(&Todo::select().with_opt(Todo::org_id))));
    let joined = Org::select().left_join(Member::on(Member::org_id.eq(Org::id))).with_one(Member::user_id);
    assert!(!there(&built(&joined)));
    // What is said of the parent is part of the condition.
    let named = built(&Todo::select().with_one(Todo::org_id.parent(|org| org.filter(Org::name.eq("x")))));
    let link = eq(at(0, "orgs", "id"), at(1, "todos", "org_id"));
    let name = eq(at(0, "orgs", "name"), literal("x"));
    assert_eq!(named.filter, Some(Expr::Exists(Box::new(ir::Query::all(Org::DEF).filter(link.and(name))))));

    let none = Member::select().with_opt(Member::user_id);
    assert_eq!(none.decode([member(1, 2, 3), vec![Value::Rows(vec![])]].concat()).unwrap().1, None);
    let gone = Member::select().with_one(Member::user_id).decode([member(1, 2, 3), vec![Value::Rows(vec![])]].concat());
    assert_eq!(gone.expect_err("the row is required").kind(), ErrorKind::Storage);
    assert!(fault(&Org::select().with_count(Todo::org_id.rel(|t| t.limit(3)))).contains("with_count"));
    assert!(fault(&Org::select().with_many(Todo::org_id.rel(|_| Member::select()))).contains("`todos`"));
    // Related rows do not count.
    assert!(built(&Org::select().with_many(Todo::org_id).count()).nested.is_empty());
}

#[test]
fn sub_queries_over_several_tables_find_their_columns() {
    let admins = Member::select()
        .inner_join(Member::user_id)
        .correlate::<Todo>()
        .filter(Member::org_id.eq(Todo::org_id).and(User::admin));
    let Expr::Exists(query) = super::ir::<Todo>(exists(admins.clone())) else { panic!("not a sub-query") };
    assert_eq!(query.joins, [join(false, User::DEF, eq(at(0, "members", "user_id"), at(0, "users", "id")))]);
    assert_eq!(
        query.filter,
        Some(eq(at(0, "members", "org_id"), at(1, "todos", "org_id")).and(at(0, "users", "admin")))
    );
    let how_many = Todo::select().project(scalar(admins.aggregate(count())));
    let ir::Select::Exprs(exprs) = built(&how_many).select else { panic!("a projection") };
    assert!(matches!(&exprs[..], [Expr::Scalar(query)] if query.group.is_some()));
    let own = exists(Member::select().correlate::<User>().inner_join(Member::user_id));
    assert!(fault(&User::select().filter(own)).contains("`users`"));
    // Joined tables belong to the schema, too.
    let stray = Todo::select().inner_join(Stray::on(Stray::name.eq(Todo::title)));
    let error = read::all(stray).unwrap().check(&App::DEF).expect_err("not in the schema");
    assert!(error.message().contains("`stray`"), "{error}");
}

#[test]
fn nulls_go_where_they_are_told() {
    let order = |order| built(&Todo::select().order_by(order)).order;
    let key = |descending| ir::Order { expr: at(0, "todos", "note"), descending };
    let null = |descending| ir::Order { expr: Expr::IsNull(Box::new(at(0, "todos", "note"))), descending };
    assert_eq!(order(Todo::note.asc().nulls_last()), [null(false), key(false)]);
    assert_eq!(order(Todo::note.desc().nulls_first()), [null(true), key(true)]);
    assert_eq!(order(Todo::note.asc().nulls_first()), [key(false)]);
    assert_eq!(order(Todo::note.desc().nulls_last()), [key(true)]);
}

#[test]
fn reads_of_every_shape() {
    let joined = Todo::select().inner_join(Todo::org_id).order_by(Org::name.asc());
    let any = read::exists(joined.clone()).unwrap();
    assert_eq!(any.query().select, ir::Select::Exprs(vec![at(0, "todos", "id")]));
    assert!(any.query().order.is_empty());
    let grouped = Todo::select().group_by(Todo::done).project(|done| done);
    assert_eq!(read::exists(grouped.clone()).unwrap().query().select, built(&grouped).select);
    assert!(read::exists(Org::select().with_many(Todo::org_id)).unwrap().query().nested.is_empty());
    assert_eq!(read::count(joined).unwrap().query().joins.len(), 1);
    let one = read::one(from_subquery_as("sums", ["n"], Todo::select().aggregate(count()))).unwrap();
    let error = one.finish(vec![]).expect_err("no row");
    assert_eq!(error.message(), "no row of `sums` matches");
}
