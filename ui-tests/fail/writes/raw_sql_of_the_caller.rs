include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    tx.sql(plasma::sql::<i64>("SELECT 1", ())).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
