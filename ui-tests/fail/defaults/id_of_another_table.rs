use plasma::prelude::*;

#[plasma::table(name = "users")]
pub struct User {
    pub id: Id<User>,
}

#[plasma::table]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(default = Id::<Todo>::from_u128(1))]
    pub user_id: Id<User>,
}

fn main() {}
