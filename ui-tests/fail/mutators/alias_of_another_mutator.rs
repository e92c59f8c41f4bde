include!("../../common/app.rs");

#[plasma::args]
pub struct Finish {
    pub id: Id<Todo>,
}

#[plasma::args]
pub struct Close {}

pub struct Todos;

#[plasma::mutators(Work)]
impl Todos {
    pub async fn finish(_: &mut WorkTx<'_>, _: &Ctx, _: Finish) -> plasma::Result<()> {
        Ok(())
    }

    #[mutator(alias = "todos.finish")]
    pub async fn close(_: &mut WorkTx<'_>, _: &Ctx, _: Close) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo), mutators(Todos))]
pub struct Work;

#[allow(dead_code)]
type WorkTx<'a> = plasma::Tx<'a, Work>;

fn main() {}
