include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().inner_join(Todo::title);
}
