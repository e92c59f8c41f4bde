include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>) -> plasma::Result<()> {
    let _: Vec<(String, i64)> = tx
        .all(Todo::select().left_join(Todo::owner_id).group_by(User::name).project(|name| (name, count())))
        .await?;
    Ok(())
}

fn main() {
    let _ = f;
}
