use plasma::prelude::*;

#[plasma::table(name = "drafts", local_only)]
pub struct Draft {
    pub id: Id<Draft>,
    pub body: String,
}

#[plasma::table(name = "teams", auth = open)]
pub struct Team {
    pub id: Id<Team>,
    pub name: String,
}

#[plasma::table(name = "users", auth = open)]
pub struct User {
    pub id: Id<User>,
    pub email: Vec<u8>,
    pub name: Option<bool>,
    #[column(on_delete = cascade)]
    pub team_id: Id<Team>,
}

#[plasma::schema(version = "1", tables(Team, User), lock = "locks/app.lock")]
pub struct App;

fn main() {}
