include!("../../common/app.rs");

fn main() {
    let _ = User::select().filter(exists(Todo::select().with_one(Todo::owner_id)));
}
