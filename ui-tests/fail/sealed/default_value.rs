use plasma::prelude::*;

#[plasma::table(name = "notes")]
pub struct Note {
    pub id: Id<Note>,
    #[column(default = "text")]
    pub body: Sealed<String>,
}

fn main() {}
