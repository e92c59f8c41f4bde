include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().group_by(Todo::done).having(User::age.max().gt(3)).project(|done| done);
}
