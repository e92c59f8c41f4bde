include!("../../common/app.rs");

async fn f(client: plasma::Client<App>) {
    let _ = client.all(Tag::select()).await;
}

fn main() {
    let _ = f;
}
