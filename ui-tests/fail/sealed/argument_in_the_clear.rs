include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(seal(column = Note::body, row = self.id))]
    pub body: String,
}

fn main() {}
