include!("../../common/app.rs");

#[plasma::args]
pub struct Finish {
    pub id: Id<Todo>,
}

pub struct Todos;

#[plasma::mutators(Work)]
impl Todos {
    pub async fn finish(_: &mut plasma::Tx<'_, Work>, _: &Ctx, _: Finish) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo), mutators(Todos))]
pub struct Work;

async fn f(client: plasma::Client<App>, id: Id<Todo>) {
    let _ = client.mutate(Finish { id }).await;
}

fn main() {
    let _ = f;
}
