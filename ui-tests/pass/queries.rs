//! Conditions, orders, projections, and queries with a name.

include!("../common/app.rs");

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn main() {
    let low = Todo::points.lt(3).or(Todo::points.between(10, 20)).and(!Todo::done);
    rows::<Todo>(&Todo::select().filter(low).filter(Todo::title.is_in(["a", "b"]).and(Todo::title.is_not_in(["c"]))));
    let noted = Todo::note.is_not_null().and(Todo::note.starts_with("50%")).and(Todo::title.like("%milk%"));
    rows::<Todo>(&Todo::select().filter(noted).filter(Todo::note.is(None::<String>)).filter(None::<Filter<Todo>>));
    rows::<Todo>(&Todo::select().filter(all_of((Todo::done, Todo::points.gte(1), Todo::title.ne("x")))));
    rows::<Todo>(&Todo::select().filter(Todo::owner_id.has(User::age.is_null().or(User::age.gt(18)))));
    rows::<User>(&User::select().filter(not(Todo::owner_id.any(Todo::done))));
    rows::<User>(&User::select().filter(User::id.in_query(Todo::select().project(Todo::owner_id))));
    let busy = Todo::select().correlate::<User>().filter(Todo::owner_id.eq(User::id));
    rows::<User>(&User::select().filter(exists(busy)));
    rows::<String>(&Todo::select().order_by(Todo::note.desc().nulls_last()).limit(3).offset(1).project(Todo::title));
    let of = |user: Option<Id<User>>| {
        user.map_or_else(plasma::query::AnyQuery::none, |user| Todo::select().filter(Todo::owner_id.eq(user)).any())
    };
    rows::<Todo>(&of(None));
    rows::<(bool, i64)>(&Todo::select().project((Todo::points.gt(3), Todo::title.length())));

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
