include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection]
struct Card {
    #[from(Todo::title)]
    title: String,
}

fn main() {
    let _ = Todo::select().project_as::<Card, _>().map(|card| card.title);
}
