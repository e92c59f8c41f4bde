include!("../../common/app.rs");

struct PosError;

fn main() {
    let _ = |error: plasma::Error| error.parse::<PosError>().is_some();
}
