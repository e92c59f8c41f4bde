//! Schemas: with a context and without, with mutators, pinned, of tables that refer to each other.

use plasma::prelude::*;

#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    pub admin: bool,
}

#[plasma::table(name = "notes")]
pub struct Note {
    pub id: Id<Note>,
    pub parent_id: Option<Id<Note>>,
    pub author_id: Id<Author>,
}

#[plasma::table(name = "authors", auth = open)]
pub struct Author {
    pub id: Id<Author>,
    pub favorite_id: Option<Id<Note>>,
}

#[plasma::table(name = "drafts", local_only)]
pub struct Draft {
    pub id: Id<Draft>,
    pub note_id: Option<Id<Note>>,
}

impl Policy<Ctx> for Note {
    fn read(ctx: &Ctx) -> Filter<Note> {
        Filter::when(ctx.admin)
    }
}

#[plasma::args]
pub struct Nothing {}

pub struct Notes;

#[plasma::mutators(App)]
impl Notes {
    pub async fn nothing(_: &mut plasma::Tx<'_, App>, _: &Ctx, _: Nothing) -> plasma::Result<()> {
        Ok(())
    }
}

#[plasma::schema(version = "1", ctx = Ctx, tables(Note, Author, Draft), mutators(Notes), lock = false)]
pub struct App;

// In another order it is the same schema.
#[plasma::schema(version = "2", tables(Author, Open), lock = false)]
pub struct Small;

#[plasma::table(name = "notes", auth = open)]
pub struct Open {
    pub id: Id<Open>,
}

// A key that may be NULL, one that the database does not watch, and a row of its own: each opens a circle.
#[plasma::table(name = "teams", auth = open)]
pub struct Team {
    pub id: Id<Team>,
    pub captain_id: Id<Player>,
    pub parent_id: Id<Team>,
}

#[plasma::table(name = "players", auth = open)]
pub struct Player {
    pub id: Id<Player>,
    pub team_id: Option<Id<Team>>,
    #[column(unconstrained)]
    pub shirt_id: Id<Shirt>,
}

#[plasma::table(name = "shirts", auth = open)]
pub struct Shirt {
    pub id: Id<Shirt>,
    pub player_id: Id<Player>,
}

#[plasma::schema(version = "1", tables(Shirt, Team, Player), lock = false)]
pub struct League;

fn main() {
    assert_eq!(App::definition().mutators.len(), 1);
    assert_ne!(App::DEF.fingerprint, Small::DEF.fingerprint);
}
