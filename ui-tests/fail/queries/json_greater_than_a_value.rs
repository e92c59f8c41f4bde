include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::meta.gt("x"));
}
