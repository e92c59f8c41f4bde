include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
enum Card {
    Short,
}

fn main() {
    let _ = Card::Short;
}
