include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().group_by((Todo::done, User::name)).project(|(done, _)| done);
}
