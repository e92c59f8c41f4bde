include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    tx.update_where(Todo::done).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
