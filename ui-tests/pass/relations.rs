//! Related rows.

include!("../common/app.rs");

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn main() {
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
