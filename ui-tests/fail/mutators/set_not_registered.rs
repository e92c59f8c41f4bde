include!("../../common/app.rs");

#[plasma::args]
pub struct Finish {
    pub id: Id<Todo>,
}

pub struct Todos;

#[plasma::mutators(App)]
impl Todos {
    pub async fn finish(_: &mut Tx<'_>, _: &Ctx, _: Finish) -> plasma::Result<()> {
        Ok(())
    }
}

fn main() {}
