include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().group_by(Todo::done).project(|done| (done, User::age.sum()));
}
