use plasma::prelude::*;

#[plasma::args]
pub struct AddTodo {
    pub id: Id<()>,
    #[cfg(not(debug_assertions))]
    #[arg(len(1..=200))]
    pub title: String,
}

fn main() {}
