//! Joins by key, on a condition, of a table with itself.

include!("../common/app.rs");

plasma::alias!(
    /// A second user beside the owner.
    pub Other = User
);
plasma::alias!(Twin = Todo);

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn main() {
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
    let twins = Twin::select().correlate::<Todo>().filter(Twin::col(Todo::title).eq(Todo::title));
    rows::<Todo>(&Todo::select().filter(Todo::id.eq(scalar(twins.project(Twin::col(Todo::id))))));
}
