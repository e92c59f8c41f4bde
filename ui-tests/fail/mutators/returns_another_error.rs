include!("../../common/app.rs");

#[plasma::args]
pub struct Finish {
    pub id: Id<Todo>,
}

pub struct Todos;

#[plasma::mutators(Work)]
impl Todos {
    pub async fn finish(_: &mut WorkTx<'_>, _: &Ctx, _: Finish) -> Result<(), std::io::Error> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo), mutators(Todos))]
pub struct Work;

#[allow(dead_code)]
type WorkTx<'a> = plasma::Tx<'a, Work>;

fn main() {}
