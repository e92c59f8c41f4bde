include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::owner_id.in_query(Tag::select().project(Tag::id)));
}
