include!("../../common/app.rs");

pub struct Oops;

async fn f(client: plasma::Client<App>) {
    let _ = client.mutate(Oops).await;
}

fn main() {
    let _ = f;
}
