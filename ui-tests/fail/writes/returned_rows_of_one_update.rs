include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    let _: Vec<Todo> = tx.update(todo).set(Todo::done.to(true)).returning().await?;
    Ok(())
}

fn main() {
    let _ = f;
}
