include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    tx.insert(NewUser { name: String::new() }.with_id(user)).on_conflict_update(Todo::done.to(true)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
