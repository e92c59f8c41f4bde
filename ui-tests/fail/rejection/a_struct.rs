include!("../../common/app.rs");

#[derive(plasma::Rejection)]
struct Closed {
    since: i64,
}

fn f() -> plasma::Result<()> {
    Err(Closed { since: 1 })?
}

fn main() {
    let _ = f;
}
