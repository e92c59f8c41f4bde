include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(seal(column = User::phone, row = self.id))]
    pub body: Sealed<String>,
}

fn main() {}
