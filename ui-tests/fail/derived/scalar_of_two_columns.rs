include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().project((Todo::title, scalar(User::select().project((User::name, User::age)))));
}
