include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum PosError {
    Occupied { place: Plaice },
}

fn main() {
    let _ = |error: plasma::Error| error.parse::<PosError>().is_some();
}
