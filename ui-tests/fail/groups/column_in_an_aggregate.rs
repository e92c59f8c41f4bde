include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().aggregate((count(), Todo::title));
}
