include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(User::name.eq("x"));
}
