include!("../../common/app.rs");

plasma::alias!(Other = Todo);

fn main() {
    let _ = Todo::select().inner_join(Todo::owner_id.join_as::<Other>());
}
