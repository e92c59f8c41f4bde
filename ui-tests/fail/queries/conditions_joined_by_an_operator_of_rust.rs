include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::done && Todo::points.gt(1));
}
