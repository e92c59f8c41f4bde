include!("../../common/app.rs");

#[derive(plasma::Projection)]
struct Card {
    title: String,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.title);
}
