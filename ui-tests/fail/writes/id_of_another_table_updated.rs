include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = todo;
    tx.update(user).set(Todo::done.to(true)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
