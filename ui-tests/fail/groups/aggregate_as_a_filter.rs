include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(count().gt(3));
}
