include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    tx.all(Tag::select()).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
