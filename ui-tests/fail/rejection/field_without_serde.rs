include!("../../common/app.rs");

struct Place {
    #[allow(dead_code)]
    x: i64,
}

#[derive(plasma::Rejection)]
enum PosError {
    Occupied { place: Place },
}

fn main() {
    let _ = plasma::Error::from(PosError::Occupied { place: Place { x: 1 } }).parse::<PosError>();
}
