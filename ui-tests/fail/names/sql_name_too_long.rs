use plasma::prelude::*;

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(name = "a_name_that_goes_on_and_on_until_the_databases_do_not_keep_it_whole")]
    pub title: String,
}

fn main() {}
