include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().order_by(Todo::meta.desc());
}
