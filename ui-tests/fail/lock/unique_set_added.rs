use plasma::prelude::*;

#[plasma::table(name = "drafts", local_only)]
pub struct Draft {
    pub id: Id<Draft>,
    pub text: String,
}

#[plasma::table(name = "teams", auth = open)]
pub struct Team {
    pub id: Id<Team>,
    pub name: String,
}

#[plasma::table(name = "users", auth = open, unique(team_id, name))]
pub struct User {
    pub id: Id<User>,
    pub age: Option<i32>,
    #[column(unique)]
    pub email: String,
    pub name: String,
    #[column(on_delete = cascade)]
    pub team_id: Id<Team>,
}

#[plasma::schema(version = "1", tables(Draft, Team, User), lock = "locks/app.lock")]
pub struct App;

fn main() {}
