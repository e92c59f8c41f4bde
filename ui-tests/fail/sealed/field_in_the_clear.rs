include!("../../common/notes.rs");

#[derive(plasma::Projection)]
#[projection(from = Note)]
struct Card {
    body: String,
}

fn main() {
    let _ = Note::select().project_as::<Card, _>().map(|card| card.body);
}
