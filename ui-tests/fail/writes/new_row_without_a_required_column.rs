include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    tx.insert(NewUser {}).await?;
    let _ = (todo, user);
    Ok(())
}

fn main() {
    let _ = f;
}
