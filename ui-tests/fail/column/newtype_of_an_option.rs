use plasma::prelude::*;

#[derive(plasma::Column)]
pub struct Note(Option<String>);

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub note: Note,
}

fn main() {}
