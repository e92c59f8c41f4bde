include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().group_by(Todo::done).order_by(Todo::title.asc()).project(|done| done);
}
