use plasma::prelude::*;

pub struct Place;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub place: Place,
}

fn main() {}
