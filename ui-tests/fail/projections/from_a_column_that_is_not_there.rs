include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card {
    #[from(User::nmae)]
    owner: String,
}

fn main() {
    let _ = Todo::select().inner_join(Todo::owner_id).project_as::<Card, _>().map(|card| card.owner);
}
