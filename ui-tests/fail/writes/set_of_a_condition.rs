include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    tx.update(todo).set(Todo::done.eq(true)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
