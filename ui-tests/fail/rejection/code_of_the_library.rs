include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    NotFound,
}

fn main() {
    let _ = plasma::Error::from(PosError::NotFound);
}
