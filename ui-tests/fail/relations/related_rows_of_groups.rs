include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().group_by(Todo::owner_id).project(|owner| (owner, count())).with_count(Todo::owner_id);
}
