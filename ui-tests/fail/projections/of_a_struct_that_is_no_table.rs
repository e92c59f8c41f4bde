include!("../../common/app.rs");

struct Plain;

#[derive(plasma::Projection)]
#[projection(from = Plain)]
struct Card {
    title: String,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.title);
}
