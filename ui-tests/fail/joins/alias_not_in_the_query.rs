include!("../../common/app.rs");

plasma::alias!(Other = Todo);

fn main() {
    let _ = Todo::select().filter(Other::col(Todo::done));
}
