include!("../../common/app.rs");

plasma::alias!(Other = Todo);

fn main() {
    let _ = Other::col(User::name);
}
