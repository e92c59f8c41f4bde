include!("../../common/app.rs");

pub struct Plain;

pub struct Todos;

#[plasma::mutators(Work)]
impl Todos {
    pub async fn finish(_: &mut WorkTx<'_>, _: &Ctx, _: Plain) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo), mutators(Todos))]
pub struct Work;

#[allow(dead_code)]
type WorkTx<'a> = plasma::Tx<'a, Work>;

fn main() {}
