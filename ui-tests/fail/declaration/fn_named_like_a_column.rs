use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
}

impl Todo {
    pub fn title(&self) -> &str {
        &self.title
    }
}

fn main() {}
