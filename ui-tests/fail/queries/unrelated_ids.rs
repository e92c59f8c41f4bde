include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::owner_id.eq(Todo::id));
}
