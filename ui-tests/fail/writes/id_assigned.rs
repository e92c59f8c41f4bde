include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = user;
    tx.update(todo).set(Todo::id.to(todo)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
