include!("../../common/app.rs");

#[derive(plasma::Projection)]
#[projection(from = Todo)]
struct Card<V> {
    title: V,
}

fn main() {
    let _ = Card { title: 1 };
}
