include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    tx.all(Todo::select().inner_join(Tag::on(Tag::label.eq(Todo::title)))).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
