include!("../../common/app.rs");

fn main() {
    let _ = from_subquery(Todo::select().project((Todo::id, Todo::points)), |q, (_, points)| q.filter(points.gt("x")));
}
