include!("../../common/app.rs");

struct Card {
    title: String,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.title);
}
