include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let a = tx.update(todo).set(Todo::done.to(true));
    let b = tx.update(user).set(User::name.to("x"));
    a.await?;
    b.await?;
    Ok(())
}

fn main() {
    let _ = f;
}
