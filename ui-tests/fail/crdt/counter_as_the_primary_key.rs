use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: GCounter,
    pub title: String,
}

fn main() {}
