use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    pub weights: OrSet<f64>,
}

fn main() {}
