include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::owner_id.any(User::name.eq("Ada")));
}
