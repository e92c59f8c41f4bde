include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().left_join(User::on(User::name));
}
