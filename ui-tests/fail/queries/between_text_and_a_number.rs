include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::title.between(1, 2));
}
