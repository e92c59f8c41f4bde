include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    OutOfStock,
    #[rejection(code = "out-of-stock")]
    SoldOut { left: i64 },
}

fn main() {
    let _ = plasma::Error::from(PosError::SoldOut { left: 0 }).parse::<PosError>();
}
