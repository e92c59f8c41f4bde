include!("../../common/app.rs");

#[derive(plasma::Rejection)]
enum Never {}

fn main() {
    let _ = |error: plasma::Error| error.parse::<Never>().is_some();
}
