include!("../../common/app.rs");

fn main() {
    let _ = Tag::select().with_many(Todo::owner_id);
}
