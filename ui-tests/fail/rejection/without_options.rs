include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    #[rejection]
    Closed,
}

fn main() {
    let _ = plasma::Error::from(PosError::Closed);
}
