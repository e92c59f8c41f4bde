include!("../../common/app.rs");

#[derive(plasma::Projection)]
struct Card {
    #[from(count())]
    todos: i64,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.todos);
}
