//! Groups and aggregates.

include!("../common/app.rs");

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn main() {
    rows::<i64>(&Todo::select().aggregate(count()));
    rows::<(i64, Option<i64>, Option<f64>)>(
        &Todo::select().filter(Todo::done).aggregate((count(), Todo::points.sum(), Todo::points.avg())),
    );
    rows::<(plasma::Id<User>, bool, i64, Option<i64>)>(
        &Todo::select()
            .group_by((Todo::owner_id, Todo::done))
            .having(count().gt(3).and(!Todo::note.max().is_null()))
            .order_by(count().desc())
            .order_by(Todo::note.count_distinct().asc().nulls_last())
            .order_by_key(|(owner, _)| owner.asc().nulls_first())
            .limit(10)
            .project(|(owner, done)| (owner, done, count(), Todo::points.sum())),
    );
    rows::<(Option<String>, i64)>(
        &Todo::select().left_join(Todo::owner_id).group_by(User::name).project(|name| (name, count())),
    );
    rows::<String>(&Todo::select().order_by(Todo::title.desc()).project(Todo::title).distinct().limit(3));
}
