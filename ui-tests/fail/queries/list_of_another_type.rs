include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::title.is_in([1, 2]));
}
