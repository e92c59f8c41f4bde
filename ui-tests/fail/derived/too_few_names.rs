include!("../../common/app.rs");

fn main() {
    let _ = plasma::from_subquery_as("sums", ["owner"], Todo::select().project((Todo::owner_id, Todo::points)));
}
