include!("../../common/app.rs");

fn main() {
    let _ = from_subquery(Todo::select(), |q, _| q);
}
