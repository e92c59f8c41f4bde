include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = user;
    tx.update(todo).set(Todo::title.to(None::<String>)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
