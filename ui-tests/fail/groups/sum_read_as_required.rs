include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    let _: i32 = tx.one(Todo::select().aggregate(Todo::points.sum())).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
