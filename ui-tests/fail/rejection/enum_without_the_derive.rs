include!("../../common/app.rs");

#[derive(Debug)]
enum PosError {
    Closed,
}

async fn f(_: &mut Tx<'_>) -> plasma::Result<()> {
    Err(PosError::Closed)?
}

fn main() {
    let _ = f;
}
