use plasma::prelude::*;

#[allow(non_upper_case_globals)]
const now: i64 = 3;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = now)]
    pub rank: i64,
}

fn main() {}
