use plasma::prelude::*;

#[plasma::table(name = "teams", auth = open)]
pub struct Team {
    pub id: Id<Team>,
    pub captain_id: Id<Player>,
}

#[plasma::table(name = "players", auth = open)]
pub struct Player {
    pub id: Id<Player>,
    pub shirt_id: Id<Shirt>,
}

#[plasma::table(name = "shirts", auth = open)]
pub struct Shirt {
    pub id: Id<Shirt>,
    pub team_id: Id<Team>,
}

#[plasma::table(name = "goals", auth = open)]
pub struct Goal {
    pub id: Id<Goal>,
    pub player_id: Id<Player>,
}

#[plasma::schema(version = "1", tables(Goal, Team, Player, Shirt), lock = false)]
pub struct App;

fn main() {}
