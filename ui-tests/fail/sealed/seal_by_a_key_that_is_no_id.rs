include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    pub key: i32,
    #[arg(seal(column = Note::body, row = self.id, key = self.key))]
    pub body: Sealed<String>,
}

fn main() {}
