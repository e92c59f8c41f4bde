include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card {
    title: String,
}

fn main() {
    let groups = Todo::select().group_by(Todo::title).project(|title| title);
    let _ = groups.project_as::<Card, _>().map(|card| card.title);
}
