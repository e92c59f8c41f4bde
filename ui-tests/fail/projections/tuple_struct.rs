include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card(String);

fn main() {
    let _ = Card(String::new());
}
