include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    pub stars: i32,
    #[arg(seal(column = Note::body, row = self.stars))]
    pub body: Sealed<String>,
}

fn main() {}
