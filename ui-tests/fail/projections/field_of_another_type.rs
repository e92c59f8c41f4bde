include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card {
    title: i64,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.title);
}
