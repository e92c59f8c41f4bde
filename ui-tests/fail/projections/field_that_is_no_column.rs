include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card {
    titel: String,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.titel);
}
