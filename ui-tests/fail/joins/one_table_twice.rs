include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().inner_join(Todo::owner_id).left_join(Todo::owner_id);
}
