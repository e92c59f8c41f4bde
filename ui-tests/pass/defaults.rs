//! Constants and times that an insert or an update fills in.

use plasma::prelude::*;
use plasma::{Date, Fixed};

const FIRST: Id<List> = Id::from_u128(7);
#[allow(non_upper_case_globals)]
const now: Timestamp = Timestamp::from_millis(0);

#[plasma::table(name = "lists", auth = open)]
pub struct List {
    pub id: Id<List>,
    #[column(default = "untitled")]
    pub name: String,
}

#[plasma::table(name = "todos", auth = open)]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = FIRST)]
    pub list_id: Id<List>,
    #[column(default = 2.5)]
    pub weight: f64,
    #[column(default = Fixed::from_minor(150))]
    pub price: Fixed<2>,
    #[column(default = now)]
    pub created_at: Timestamp,
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
    #[column(default = now)]
    pub day: Date,
    #[column(default = self::now)]
    pub epoch: Timestamp,
}

fn main() {
    let _ = (NewTodo {}, NewList {});
}
