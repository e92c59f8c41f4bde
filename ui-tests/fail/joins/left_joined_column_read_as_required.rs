include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    let _: Vec<(String, String)> =
        tx.all(Todo::select().left_join(Todo::owner_id).project((Todo::title, User::name))).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
