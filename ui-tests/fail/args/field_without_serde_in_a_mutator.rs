include!("../../common/app.rs");

pub struct Place {
    pub shelf: i32,
}

#[plasma::args]
pub struct Put {
    pub id: Id<Todo>,
    pub places: Option<Vec<Place>>,
}

pub struct Todos;

#[plasma::mutators(Work)]
impl Todos {
    pub async fn put(_: &mut WorkTx<'_>, _: &Ctx, _: Put) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo), mutators(Todos))]
pub struct Work;

#[allow(dead_code)]
type WorkTx<'a> = plasma::Tx<'a, Work>;

fn main() {}
