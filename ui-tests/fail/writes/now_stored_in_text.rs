include!("../../common/app.rs");

async fn f(tx: &mut Tx<'_>, id: Id<Todo>) -> plasma::Result<()> {
    tx.update(id).set(Todo::title.to(plasma::now())).await
}

fn main() {
    let _ = f;
}
