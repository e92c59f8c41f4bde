include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    OutOfStock {
        #[rejection(code = "rest")]
        left: i64,
    },
}

fn main() {
    let _ = plasma::Error::from(PosError::OutOfStock { left: 1 });
}
