include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    #[rejection(code = "out of stock")]
    OutOfStock,
}

fn main() {
    let _ = plasma::Error::from(PosError::OutOfStock);
}
