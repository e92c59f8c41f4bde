include!("../../common/notes.rs");

#[plasma::args]
pub struct Edit {
    pub id: Id<Note>,
    #[arg(seal(column = Note::body, row = self.id))]
    pub body: Sealed<String>,
}

fn f(plain: PlainEdit) -> serde_json::Result<String> {
    serde_json::to_string(&plain)
}

fn main() {
    let _ = f;
}
