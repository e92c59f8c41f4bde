include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    let _: Vec<(Todo, User)> = tx.all(Todo::select().left_join(Todo::owner_id)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
