include!("../../common/app.rs");

#[plasma::args]
pub struct Finish {
    pub id: Id<Todo>,
}

async fn f(client: plasma::Client<App>, id: Id<Todo>) {
    let _ = client.mutate(Finish { id }).await;
}

fn main() {
    let _ = f;
}
