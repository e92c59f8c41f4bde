include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub note_id: Id<Note>,
    #[arg(seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

fn main() {}
