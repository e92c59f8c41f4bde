include!("../../common/app.rs");

fn main() {
    let _ = Filter::<Todo>::from(User::name.eq("x"));
}
