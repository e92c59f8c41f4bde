include!("../../common/app.rs");

fn main() {
    let _ = from_subquery(Todo::select().project(Todo::title), |q, _| q.filter(Todo::done));
}
