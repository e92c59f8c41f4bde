include!("../../common/app.rs");

fn main() {
    let _ = User::select().with_one(Todo::owner_id);
}
