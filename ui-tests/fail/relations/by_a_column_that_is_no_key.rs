include!("../../common/app.rs");

fn main() {
    let _ = User::select().with_many(Todo::title);
}
