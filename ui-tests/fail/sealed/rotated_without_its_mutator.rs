include!("../../common/notes.rs");

async fn f(client: plasma::Client<App>, old: plasma::KeyId, new: plasma::KeyId) -> plasma::Result<()> {
    client.rotate_keys(&old, &new).await?;
    Ok(())
}

fn main() {
    let _ = f;
}
