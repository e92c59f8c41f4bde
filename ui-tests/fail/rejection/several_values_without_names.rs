include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    OutOfStock(Id<Todo>, i64),
}

fn main() {
    let _ = plasma::Error::from(PosError::OutOfStock(Id::from_u128(1), 1));
}
