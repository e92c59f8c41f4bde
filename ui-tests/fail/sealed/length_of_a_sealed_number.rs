include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(len(1..=3), seal(column = Note::body, row = self.id))]
    pub body: Sealed<i32>,
}

fn main() {}
