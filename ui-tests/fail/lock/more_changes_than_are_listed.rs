use plasma::prelude::*;

#[plasma::table(name = "drafts", local_only)]
pub struct Draft {
    pub id: Id<Draft>,
    pub text: String,
}

#[plasma::table(name = "teams", auth = open)]
pub struct Team {
    pub id: Id<Team>,
    pub c0: i32,
    pub c1: i32,
    pub c2: i32,
    pub c3: i32,
    pub c4: i32,
    pub c5: i32,
    pub c6: i32,
    pub c7: i32,
    pub c8: i32,
    pub c9: i32,
    pub c10: i32,
    pub c11: i32,
    pub c12: i32,
    pub c13: i32,
    pub c14: i32,
    pub c15: i32,
    pub c16: i32,
    pub c17: i32,
    pub c18: i32,
    pub c19: i32,
    pub c20: i32,
    pub c21: i32,
    pub c22: i32,
    pub c23: i32,
    pub c24: i32,
    pub c25: i32,
    pub c26: i32,
    pub c27: i32,
    pub c28: i32,
    pub c29: i32,
}

#[plasma::table(name = "users", auth = open)]
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
