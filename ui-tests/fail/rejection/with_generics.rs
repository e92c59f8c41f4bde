include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum Gone<T> {
    Row { id: Id<T> },
}

fn main() {
    let _ = Gone::Row { id: Id::<Todo>::from_u128(1) };
}
