include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, todo: Id<Todo>, user: Id<User>) -> plasma::Result<()> {
    let _ = (todo, user);
    let _ = plasma::sql::<(i64, std::time::Duration)>("SELECT 1, 2", ());
    Ok(())
}

fn main() {
    let _ = f;
}
