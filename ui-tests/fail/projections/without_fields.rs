include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card {}

fn main() {
    let _ = Card {};
}
