include!("../../common/app.rs");

fn main() {
    let _ = User::select().inner_join(Todo::owner_id);
}
