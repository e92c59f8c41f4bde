include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    let _: Vec<(String, String)> = tx.all(Todo::select().project((Todo::title, Todo::note))).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
