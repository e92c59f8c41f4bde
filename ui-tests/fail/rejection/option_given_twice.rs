include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    #[rejection(code = "closed")]
    #[rejection(code = "shut")]
    Closed,
}

fn main() {
    let _ = plasma::Error::from(PosError::Closed);
}
