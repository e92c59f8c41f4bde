include!("../../common/app.rs");

fn main() {
    let _ = from_subquery(
        Todo::select().correlate::<User>().filter(User::id.eq(Todo::owner_id)).project(Todo::title),
        |q, _| q,
    );
}
