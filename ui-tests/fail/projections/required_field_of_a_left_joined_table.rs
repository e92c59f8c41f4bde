include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card {
    title: String,
    #[from(User::name)]
    owner: String,
}

fn main() {
    let _ = Todo::select().left_join(Todo::owner_id).project_as::<Card, _>().map(|card| (card.title, card.owner));
}
