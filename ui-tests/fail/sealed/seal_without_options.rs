include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(seal)]
    pub body: Sealed<String>,
}

fn main() {}
