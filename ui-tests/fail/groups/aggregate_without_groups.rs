include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().project((Todo::title, count()));
}
