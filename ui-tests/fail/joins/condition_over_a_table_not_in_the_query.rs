include!("../../common/app.rs");

fn main() {
    let _ = Todo::select().inner_join(User::on(User::name.eq(Tag::label)));
}
