include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    let _ = plasma::sql::<i64>("SELECT ?", (std::time::Duration::ZERO,));
    Ok(())
}

fn main() {
    let _ = f;
}
