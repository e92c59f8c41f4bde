include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user, &tx);
    let _: i32 = "x".parse()?;
    Ok(())
}

fn main() {
    let _ = f;
}
