use plasma::prelude::*;

#[plasma::table(name = "notes", auth = open)]
pub struct Note {
    pub id: Id<Note>,
    pub body: Sealed<String>,
}

#[plasma::schema(version = "1", tables(Note), mutators(Notes))]
pub struct App;

#[plasma::schema(version = "1", tables(Note))]
pub struct Other;

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn edit(tx: &mut plasma::Tx<'_, App>, _: &(), args: Edit) -> plasma::Result<()> {
        tx.update(args.id).set(Note::body.to(args.body)).await
    }
}

async fn f(client: plasma::Client<Other>, plain: PlainEdit) {
    let _ = client.mutate(plain).await;
}

fn main() {
    let _ = f;
}
