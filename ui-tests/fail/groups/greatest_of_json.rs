include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().aggregate(Todo::meta.max());
}
