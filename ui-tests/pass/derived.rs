//! Queries over the rows of queries.

include!("../common/app.rs");

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn main() {
    let per_owner = Todo::select().group_by(Todo::owner_id).project(|owner| (owner, count()));
    rows::<(String, i64)>(&plasma::from_subquery(per_owner.clone(), |q, (owner, n)| {
        q.inner_join(User::on(User::id.eq(owner))).filter(n.gt(10)).project((User::name, n))
    }));
    rows::<(plasma::Id<User>, i64)>(
        &plasma::from_subquery_as("busy", ["owner", "n"], per_owner)
            .filter(plasma::col_ref::<i64>("busy", "n").gt(10)),
    );
    let best = User::select().aggregate(User::age.max());
    rows::<(String, Option<i32>)>(&Todo::select().project((Todo::title, scalar(best))));
}
