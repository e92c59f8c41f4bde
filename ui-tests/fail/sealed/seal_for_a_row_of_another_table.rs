include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    pub user: Id<User>,
    #[arg(seal(column = Note::body, row = self.user))]
    pub body: Sealed<String>,
}

fn main() {}
