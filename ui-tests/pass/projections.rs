//! Structs that say themselves which columns they hold.

include!("../common/app.rs");

plasma::alias!(Other = User);

#[derive(plasma::Projection, Debug, Clone, PartialEq)]
#[projection(from = Todo)]
pub struct Card {
    pub id: Id<Todo>,
    pub title: String,
    pub note: Option<String>,
    // An `Option` of a column that is never NULL.
    pub points: Option<i32>,
    #[from(User::name)]
    pub owner: String,
}

#[derive(plasma::Projection)]
pub struct Pair {
    #[from(Todo::title)]
    pub title: String,
    #[from(User::name)]
    pub owner: Option<String>,
    #[from(Other::col(User::name))]
    pub other: Option<String>,
}

/// Asserts the row type.
fn rows<R: 'static>(_: &impl Query<Row = R>) {}

fn main() {
    let cards = Todo::select().inner_join(Todo::owner_id).filter(Todo::done).project_as::<Card, _>();
    rows::<Card>(&cards.order_by(User::name.asc()).limit(3));
    let pairs = Todo::select().left_join(Todo::owner_id).left_join(Todo::owner_id.join_as::<Other>());
    rows::<Pair>(&pairs.project_as());
    // Anything else goes through a closure.
    rows::<usize>(&Todo::select().project((Todo::title, Todo::note)).map(|(title, _)| title.len()));
}
