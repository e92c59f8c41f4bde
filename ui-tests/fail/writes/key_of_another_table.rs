include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    tx.insert(NewUser { name: String::new() }).on_conflict_ignore().by(plasma::columns!(Todo::title)).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
