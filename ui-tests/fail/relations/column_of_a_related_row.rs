include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().with_one(Todo::owner_id).filter(User::name.eq("x"));
}
