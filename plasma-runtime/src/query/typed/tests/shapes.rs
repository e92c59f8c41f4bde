//! The row types of every shape of query: what is asserted here is that it compiles.

use crate::Result;
use crate::query::typed::{
    Query, Select, col_ref, count, exists, from_subquery, from_subquery_as, is_missing, row, scalar,
};
use crate::schema::samples::{Member, Org, Todo, User};
use crate::schema::{Id, Table};

crate::alias!(Parent = Todo);
crate::alias!(Author = User);

/// Asserts the row type of a query, and that nothing is wrong with it.
#[track_caller]
fn rows<R: 'static>(query: impl Query<Row = R>) {
    query.ir().expect("no fault");
}

#[test]
fn joins() {
    rows::<(Todo, Org)>(Todo::select().inner_join(Todo::org_id));
    rows::<(Todo, User)>(Todo::select().inner_join(Todo::owner_id));
    rows::<(Todo, Option<User>)>(Todo::select().left_join(Todo::owner_id));
    let three = Todo::select()
        .inner_join(Todo::org_id)
        .left_join(Member::on(Member::org_id.eq(Org::id).and(Member::role.eq("admin"))))
        .filter(Org::name.eq("x").and(Todo::done))
        .filter(Member::user_id.eq(Todo::owner_id))
        .order_by(Member::role.asc());
    rows::<(Todo, Org, Option<Member>)>(three.clone());
    rows::<(Todo, Option<Todo>)>(Todo::select().left_join(Todo::parent_id.join_as::<Parent>()));
    rows::<(Todo, Todo)>(Todo::select().inner_join(Parent::on(Parent::col(Todo::id).eq(Todo::parent_id))));
    // Columns of a left-joined table are options; of an `Option` column one.
    let parents = Todo::select().left_join(Todo::parent_id.join_as::<Parent>());
    rows::<(String, Option<String>, Option<String>, Option<Id<Todo>>)>(parents.clone().project((
        Todo::title,
        Parent::col(Todo::title),
        Parent::col(Todo::note),
        Parent::col(Todo::id),
    )));
    rows::<(Option<Todo>, bool)>(parents.clone().project((row::<Parent>(), Parent::col(Todo::done).eq(true))));
    rows::<(Todo, Option<Todo>)>(parents.filter(is_missing::<Parent>()));
    rows::<(Option<Member>, Org)>(three.project((row::<Member>(), row::<Org>())));
    rows::<(Todo, Option<Todo>, Option<User>, Option<User>)>(
        Todo::select()
            .left_join(Todo::parent_id.join_as::<Parent>())
            .left_join(Todo::owner_id)
            .left_join(Parent::col(Todo::owner_id).join_as::<Author>()),
    );
}

#[test]
fn groups() {
    rows::<i64>(Todo::select().aggregate(count()));
    rows::<(i64, Option<i64>, Option<f64>, Option<String>)>(Todo::select().aggregate((
        count(),
        Todo::points.sum(),
        Todo::points.avg(),
        Todo::note.max(),
    )));
    rows::<(Option<Id<User>>, bool, i64, Option<i64>)>(
        Todo::select()
            .group_by((Todo::owner_id, Todo::done))
            .having(count().gt(3).and(Todo::points.sum().lt(100)).or(Todo::rank.min().is_null()))
            .order_by(count().desc())
            .order_by_key(|(owner, _)| owner.asc())
            .limit(10)
            .project(|(owner, done)| (owner, done, count(), Todo::points.sum())),
    );
    rows::<(Option<String>, i64)>(
        Todo::select().left_join(Todo::owner_id).group_by(User::name).project(|name| (name, Todo::id.count_distinct())),
    );
}

#[test]
fn derived() {
    let per_owner = Todo::select().group_by(Todo::owner_id).project(|owner| (owner, count()));
    rows::<(Option<Id<User>>, i64)>(from_subquery(per_owner.clone(), |q, (owner, n)| {
        q.filter(n.gt(10)).order_by(n.desc()).project((owner, n))
    }));
    rows::<(Option<Id<User>>, i64)>(from_subquery(per_owner.clone(), |q, _| q));
    rows::<(String, i64)>(from_subquery(per_owner.clone(), |q, (owner, n)| {
        q.inner_join(User::on(User::id.eq(owner))).project((User::name, n))
    }));
    let busy = from_subquery_as("busy", ["owner", "n"], per_owner).filter(col_ref::<i64>("busy", "n").gt(10));
    rows::<i64>(busy.project(col_ref::<i64>("busy", "n")));
    let titles = Todo::select().project(Todo::title).distinct().limit(3);
    rows::<Option<String>>(from_subquery(titles, |q, title| q.aggregate(title.max())));
}

#[test]
fn relations() {
    rows::<(Todo, Org)>(Todo::select().with_one(Todo::org_id));
    rows::<(Todo, Option<User>)>(Todo::select().with_one(Todo::owner_id));
    rows::<(Todo, Option<Org>)>(Todo::select().with_opt(Todo::org_id));
    rows::<(User, Vec<Todo>, i64, Vec<Member>)>(
        User::select().with_many(Todo::owner_id).with_count(Member::user_id).with_many(Member::user_id),
    );
    rows::<(Org, Vec<(Member, User)>)>(
        Org::select()
            .with_many(Member::org_id.rel(|m| m.order_by(Member::role.asc()).limit(3).with_one(Member::user_id))),
    );
    // Many to many, four levels, and beside a projection.
    rows::<(Org, Vec<User>)>(
        Org::select().with_many(Member::org_id.rel(|m| m.inner_join(Member::user_id).project(row::<User>()))),
    );
    rows::<(Id<Org>, Vec<(User, Vec<(Todo, (Org, Vec<Member>))>)>)>(Org::select().project((Org::id,)).with_many(
        Member::org_id.rel(|m| {
            m.inner_join(Member::user_id)
                .project((row::<User>(),))
                .with_many(Todo::owner_id.rel(|t| t.with_one(Todo::org_id.parent(|o| o.with_many(Member::org_id)))))
        }),
    ));
    // A key of a left-joined table.
    rows::<(Org, Option<Member>, Option<User>)>(
        Org::select().left_join(Member::on(Member::org_id.eq(Org::id))).with_one(Member::user_id),
    );
}

#[test]
fn subqueries() {
    let best = Todo::select().aggregate(Todo::points.max());
    rows::<(String, Option<i32>)>(Todo::select().project((Todo::title, scalar(best))));
    let last = scalar(Member::select().correlate::<Todo>().filter(Member::org_id.eq(Todo::org_id)).aggregate(count()));
    rows::<(Todo, Org)>(
        Todo::select().inner_join(Todo::org_id).filter(exists(
            Member::select()
                .inner_join(Member::user_id)
                .correlate::<Org>()
                .filter(Member::org_id.eq(Org::id).and(User::admin)),
        )),
    );
    rows::<(Option<i64>,)>(Todo::select().project((last,)));
    rows::<Todo>(Todo::select().filter(Todo::points.between(1, 5).and(Todo::title.is_not_in(["a"]))));
    rows::<Todo>(Todo::select().order_by(Todo::note.asc().nulls_last()));
}

#[test]
fn a_query_is_returned_by_its_row() -> Result<()> {
    fn column(done: bool) -> Select<Todo> {
        Todo::select().filter(Todo::done.eq(done))
    }
    column(true).ir().map(drop)
}
