//! Queries of every shape, with the types of their rows.

include!("../common/app.rs");

plasma::alias!(
    /// A second user beside the owner.
    pub Other = User
);
plasma::alias!(Twin = Todo);

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn joins() {
    let owned = Todo::select().inner_join(Todo::owner_id).filter(User::age.gt(18).and(Todo::done));
    rows::<(Todo, User)>(&owned);
    rows::<(String, String)>(&owned.project((Todo::title, User::name)));
    let maybe = Todo::select().left_join(User::on(User::id.eq(Todo::owner_id).and(User::name.eq("Ada"))));
    rows::<(Todo, Option<User>)>(&maybe);
    rows::<(String, Option<String>, Option<i32>, Option<User>, bool)>(&maybe.clone().project((
        Todo::title,
        User::name,
        User::age,
        row::<User>(),
        User::name.eq("x"),
    )));
    rows::<(Todo, Option<User>)>(&maybe.filter(is_missing::<User>()));
    let three = Todo::select()
        .inner_join(Todo::owner_id)
        .left_join(Todo::owner_id.join_as::<Other>())
        .left_join(Twin::on(Twin::col(Todo::title).eq(Todo::title).and(Twin::col(Todo::id).ne(Todo::id))));
    rows::<(Todo, User, Option<User>, Option<Todo>)>(&three);
    rows::<Option<String>>(&three.project(Twin::col(Todo::title)));
}

fn groups() {
    rows::<i64>(&Todo::select().aggregate(count()));
    rows::<(i64, Option<i64>, Option<f64>)>(
        &Todo::select().filter(Todo::done).aggregate((count(), Todo::points.sum(), Todo::points.avg())),
    );
    rows::<(plasma::Id<User>, bool, i64, Option<i64>)>(
        &Todo::select()
            .group_by((Todo::owner_id, Todo::done))
            .having(count().gt(3).and(!Todo::note.max().is_null()))
            .order_by(count().desc())
            .order_by_key(|(owner, _)| owner.asc())
            .limit(10)
            .project(|(owner, done)| (owner, done, count(), Todo::points.sum())),
    );
    rows::<(Option<String>, i64)>(
        &Todo::select().left_join(Todo::owner_id).group_by(User::name).project(|name| (name, count())),
    );
    rows::<String>(&Todo::select().order_by(Todo::title.desc()).project(Todo::title).distinct().limit(3));
}

fn derived() {
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

fn relations() {
    rows::<(Todo, User)>(&Todo::select().with_one(Todo::owner_id));
    rows::<(Todo, Option<User>)>(&Todo::select().with_opt(Todo::owner_id));
    rows::<(User, Vec<(Todo, User)>, i64)>(
        &User::select()
            .with_many(Todo::owner_id.rel(|todo| {
                todo.filter(Todo::done).order_by(Todo::points.desc().nulls_last()).limit(3).with_one(Todo::owner_id)
            }))
            .with_count(Todo::owner_id),
    );
    rows::<(User, Vec<String>)>(&User::select().with_many(Todo::owner_id.rel(|todo| todo.project(Todo::title))));
}

fn named() {
    fn done(done: bool) -> plasma::query::Select<Todo> {
        Todo::select().filter(Todo::done.eq(done))
    }
    fn with_owner() -> plasma::query::Select<(Todo, User), plasma::query::Inner<plasma::query::Root<Todo>, User>> {
        Todo::select().inner_join(Todo::owner_id)
    }
    fn of_table<T: Table>() -> plasma::query::Select<T> {
        T::select()
    }
    rows::<Todo>(&done(true));
    rows::<(Todo, User)>(&with_owner());
    rows::<User>(&of_table::<User>());
}

fn main() {
    joins();
    groups();
    derived();
    relations();
    named();
}
