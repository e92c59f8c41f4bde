include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().having(count().gt(3));
}
