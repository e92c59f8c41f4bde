//! Columns of sub-queries are relative: here is which level each gets.

use super::{at, compare, ir, todo};
use crate::query::ir::{self, CompareOp, Expr};
use crate::query::typed::{Query, exists, not};
use crate::schema::samples::{Member, Org, Todo, User};
use crate::schema::{Id, Table, TableDef};
use crate::{ErrorKind, Result};

fn id<T>(n: u128) -> Id<T> {
    Id::from_uuid(uuid::Uuid::from_u128(n))
}

fn some(table: &'static TableDef, filter: Expr) -> Expr {
    Expr::Exists(Box::new(ir::Query::all(table).filter(filter)))
}

fn eq(left: Expr, right: Expr) -> Expr {
    Expr::eq(left, right)
}

#[test]
fn has_looks_at_the_row_referred_to() {
    let link = eq(at(0, "orgs", "id"), at(1, "todos", "org_id"));
    let name = compare(CompareOp::Eq, at(0, "orgs", "name"), "x");
    assert_eq!(ir(Todo::org_id.has(Org::name.eq("x"))), some(Org::DEF, link.clone().and(name)));
    // Nullable keys, and no condition at all.
    let owner = eq(at(0, "users", "id"), at(1, "todos", "owner_id"));
    assert_eq!(ir(Todo::owner_id.has(User::admin)), some(User::DEF, owner.clone().and(at(0, "users", "admin"))));
    assert_eq!(ir(Todo::owner_id.has(crate::query::typed::Filter::<User>::all())), some(User::DEF, owner));
}

#[test]
fn any_looks_at_the_rows_that_refer() {
    let me = id::<User>(1);
    let link = eq(at(0, "members", "org_id"), at(1, "orgs", "id"));
    let user = compare(CompareOp::Eq, at(0, "members", "user_id"), me.to_string());
    let member = some(Member::DEF, link.and(user));
    assert_eq!(ir(Member::org_id.any(Member::user_id.eq(me))), member);
    assert_eq!(ir(not(Member::org_id.any(Member::user_id.eq(me)))), Expr::Not(Box::new(member)));
    let owned = eq(at(0, "todos", "owner_id"), at(1, "users", "id"));
    assert_eq!(ir(Todo::owner_id.any(Todo::done)), some(Todo::DEF, owned.and(at(0, "todos", "done"))));
}

#[test]
fn a_table_may_refer_to_itself() {
    let up = eq(at(0, "todos", "id"), at(1, "todos", "parent_id"));
    assert_eq!(ir(Todo::parent_id.has(Todo::done)), some(Todo::DEF, up.clone().and(todo("done"))));
    let down = eq(at(0, "todos", "parent_id"), at(1, "todos", "id"));
    assert_eq!(ir(Todo::parent_id.any(Todo::done)), some(Todo::DEF, down.clone().and(todo("done"))));
    // Two steps up, and siblings: up and down again.
    let grandparent = some(Todo::DEF, up.clone().and(some(Todo::DEF, up.clone().and(todo("done")))));
    assert_eq!(ir(Todo::parent_id.has(Todo::parent_id.has(Todo::done))), grandparent);
    let sibling = some(Todo::DEF, up.and(some(Todo::DEF, down.and(todo("done")))));
    assert_eq!(ir(Todo::parent_id.has(Todo::parent_id.any(Todo::done))), sibling);
}

#[test]
fn conditions_nest() {
    let me = id::<User>(1);
    let condition = Todo::org_id.has(Member::org_id.any(Member::user_id.eq(me).and(Member::role.eq("admin"))));
    let member = eq(at(0, "members", "org_id"), at(1, "orgs", "id")).and(Expr::And(vec![
        compare(CompareOp::Eq, at(0, "members", "user_id"), me.to_string()),
        compare(CompareOp::Eq, at(0, "members", "role"), "admin"),
    ]));
    let org = eq(at(0, "orgs", "id"), at(1, "todos", "org_id")).and(some(Member::DEF, member));
    assert_eq!(ir(condition), some(Org::DEF, org));
}

#[test]
fn in_query_compares_with_the_projected_column() {
    let orgs = Member::select().filter(Member::role.eq("admin")).project(Member::org_id);
    let query = orgs.ir().unwrap().clone();
    let expected = Expr::InQuery { expr: Box::new(todo("org_id")), query: Box::new(query) };
    assert_eq!(ir(Todo::org_id.in_query(orgs.clone())), expected);
    // `id` has it too, and NULL-ness of either side does not matter.
    ir::<Org>(Org::id.in_query(orgs));
    ir::<Todo>(Todo::owner_id.in_query(Member::select().project(Member::user_id)));
    ir::<Member>(Member::user_id.in_query(Todo::select().project(Todo::owner_id)));
    // Top ten: order and limit are part of the sub-query.
    let best = Todo::select().order_by(Todo::points.desc()).limit(10).project(Todo::id);
    let Expr::InQuery { query, .. } = ir::<Todo>(Todo::id.in_query(best)) else { panic!("not a sub-query") };
    assert_eq!((query.order.len(), query.limit), (1, Some(10)));
}

#[test]
fn exists_raises_the_columns_of_the_outer_table() {
    let me = id::<User>(1);
    let condition = exists(
        Member::select()
            .correlate::<Todo>()
            .filter(Member::org_id.eq(Todo::org_id))
            .filter(Member::user_id.eq(me).or(Todo::done)),
    );
    let expected = Expr::And(vec![
        eq(at(0, "members", "org_id"), at(1, "todos", "org_id")),
        Expr::Or(vec![compare(CompareOp::Eq, at(0, "members", "user_id"), me.to_string()), at(1, "todos", "done")]),
    ]);
    assert_eq!(ir::<Todo>(condition), some(Member::DEF, expected));
}

#[test]
fn every_form_of_expression_is_raised() {
    let condition = exists(
        Member::select()
            .correlate::<Todo>()
            .filter(!Todo::title.like("a%"))
            .filter(Todo::points.is_in([1]))
            .filter(Todo::note.is_null())
            .filter(Todo::owner_id.is(Some(id::<User>(1))))
            .order_by(Todo::rank.asc()),
    );
    let Expr::Exists(query) = ir::<Todo>(condition) else { panic!("not a sub-query") };
    let mut levels = Vec::new();
    visit(query.filter.as_ref().expect("a filter"), &mut |level| levels.push(level));
    assert_eq!(levels, [1, 1, 1, 1]);
    assert_eq!(query.order[0].expr, at(1, "todos", "rank"));

    // The projection of a correlated `in_query`, and its left side, which stays.
    let query = Member::select().correlate::<Todo>().filter(Todo::done).project(Todo::owner_id);
    let Expr::InQuery { expr, query } = ir::<Todo>(Todo::owner_id.in_query(query)) else { panic!("not a sub-query") };
    assert_eq!(*expr, todo("owner_id"));
    assert_eq!(query.select, ir::Select::Exprs(vec![at(1, "todos", "owner_id")]));
    assert_eq!(query.filter, Some(at(1, "todos", "done")));
}

fn visit(expr: &Expr, seen: &mut dyn FnMut(u8)) {
    if let Expr::Column(column) = expr {
        seen(column.level);
    }
    expr.parts(&mut |part| {
        if let ir::Part::Expr(expr) = part {
            visit(expr, seen);
        }
    });
}

#[test]
fn outer_columns_are_found_inside_nested_sub_queries() {
    // Inside the query over members, `Todo::owner_id.has(..)` speaks of the outer todo: its link goes two levels up.
    let condition = exists(Member::select().correlate::<Todo>().filter(Todo::owner_id.has(User::admin)));
    let link = eq(at(0, "users", "id"), at(2, "todos", "owner_id"));
    assert_eq!(ir::<Todo>(condition), some(Member::DEF, some(User::DEF, link.and(at(0, "users", "admin")))));

    // A sub-query over the outer table's own name keeps its own columns at level 0, and the member's link at 1.
    let condition =
        exists(Member::select().correlate::<Todo>().filter(Member::user_id.has(Todo::owner_id.any(Todo::done))));
    let todos = some(Todo::DEF, eq(at(0, "todos", "owner_id"), at(1, "users", "id")).and(at(0, "todos", "done")));
    let users = some(User::DEF, eq(at(0, "users", "id"), at(1, "members", "user_id")).and(todos));
    assert_eq!(ir::<Todo>(condition), some(Member::DEF, users));

    // The outer todo's parent: a self-reference of the outer table inside the sub-query.
    let condition = exists(Member::select().correlate::<Todo>().filter(Todo::parent_id.has(Todo::done)));
    let parent = eq(at(0, "todos", "id"), at(2, "todos", "parent_id")).and(at(0, "todos", "done"));
    assert_eq!(ir::<Todo>(condition), some(Member::DEF, some(Todo::DEF, parent)));
}

#[test]
fn a_sub_query_may_mention_two_queries_around_it() {
    // Orgs with a member who owns a todo of the same org: the innermost query sees both.
    let owns = Todo::select()
        .correlate::<Member>()
        .correlate::<Org>()
        .filter(Todo::owner_id.eq(Member::user_id))
        .filter(Todo::org_id.eq(Org::id));
    let condition = exists(Member::select().correlate::<Org>().filter(Member::org_id.eq(Org::id)).filter(exists(owns)));
    let todos = Expr::And(vec![
        eq(at(0, "todos", "owner_id"), at(1, "members", "user_id")),
        eq(at(0, "todos", "org_id"), at(2, "orgs", "id")),
    ]);
    let members = Expr::And(vec![eq(at(0, "members", "org_id"), at(1, "orgs", "id")), some(Todo::DEF, todos)]);
    assert_eq!(ir::<Org>(condition), some(Member::DEF, members));
}

#[test]
fn an_uncorrelated_exists_is_a_condition_on_any_table() {
    let admin = exists(User::select().filter(User::admin));
    assert_eq!(ir::<Todo>(admin.clone()), some(User::DEF, at(0, "users", "admin")));
    assert_eq!(ir::<Org>(admin.clone()), some(User::DEF, at(0, "users", "admin")));
    assert!(Todo::select().filter(admin.and(Todo::done)).ir().is_ok());
}

#[test]
fn a_query_cannot_be_correlated_with_its_own_table() {
    // Mentioning a column of it does not compile (which of the two is meant?); without one it is a fault.
    let condition = exists(Todo::select().correlate::<Todo>());
    let result: Result<Expr> = crate::query::typed::Filter::<Todo>::from(condition).into_ir();
    let error = result.expect_err("ambiguous");
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert!(error.message().contains("`todos`"), "{error}");
}

#[test]
fn rules_of_one_table_are_used_in_queries_and_in_other_rules() {
    use crate::query::typed::Filter;
    fn visible(me: Id<User>) -> Filter<Org> {
        Filter::from(Member::org_id.any(Member::user_id.eq(me)))
    }
    let rule: Filter<Todo> = Todo::org_id.has(visible(id(1))).and(Todo::done).into();
    assert!(matches!(rule.clone().into_ir().unwrap(), Expr::And(list) if list.len() == 2));
    assert_eq!(Todo::select().filter(rule.clone()).ir().unwrap().filter, Some(rule.into_ir().unwrap()));
}
