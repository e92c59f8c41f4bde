include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    tx.insert(NewUser { name: "x".into() }.with(Todo::note.to("x"))).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
