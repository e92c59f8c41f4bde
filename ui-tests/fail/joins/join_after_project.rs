include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().project(Todo::title).inner_join(Todo::owner_id);
}
