include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().filter(Todo::done.eq(true).and(User::name.eq("x")).and(Todo::points.gt(1)));
}
