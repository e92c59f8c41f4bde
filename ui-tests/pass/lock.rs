//! What a locked version may become without a new one.

use plasma::prelude::*;
use plasma::schema::Schema;

#[plasma::table(name = "drafts", local_only)]
pub struct Draft {
    pub id: Id<Draft>,
    pub text: String,
}

#[plasma::table(name = "teams", auth = open)]
pub struct Team {
    // In another order, and under another name in Rust.
    #[column(name = "name")]
    pub title: String,
    pub id: Id<Team>,
}

#[plasma::table(name = "users", auth = open)]
pub struct User {
    pub id: Id<User>,
    pub age: Option<i32>,
    #[column(unique)]
    pub email: String,
    // With a default that it did not have.
    #[column(default = "nobody")]
    pub name: String,
    #[column(on_delete = cascade)]
    pub team_id: Id<Team>,
    // New: nullable (also when unique), or with a default.
    #[column(unique)]
    pub number: Option<i32>,
    #[column(default = false)]
    pub admin: bool,
    pub boss_id: Option<Id<User>>,
}

// New.
#[plasma::table(name = "tags", auth = open)]
pub struct Tag {
    pub id: Id<Tag>,
    pub label: String,
}

/// The version of the lock with additions.
#[plasma::schema(version = "1", tables(Draft, Team, User, Tag), lock = "locks/app.lock")]
pub struct App;

/// A version that the lock does not have may be anything.
mod next {
    use super::*;

    #[plasma::schema(version = "2", tables(Tag), lock = "locks/app.lock")]
    pub struct App;
}

/// A schema that the lock does not have.
#[plasma::schema(version = "1", tables(Tag), lock = "locks/app.lock")]
pub struct Other;

/// A schema without a lock.
#[plasma::schema(version = "1", tables(Tag), lock = false)]
pub struct Unlocked;

fn main() {
    assert_eq!(App::DEF.locked.len(), 1);
    assert_eq!(next::App::DEF.former(1).map(|locked| locked.version), Some("1"));
    assert!(Other::DEF.locked.is_empty() && Unlocked::DEF.locked.is_empty());

    // Inside a function, where no test can be.
    #[plasma::schema(version = "1", tables(Tag), lock = "locks/app.lock")]
    struct Local;
    assert_eq!(Local::DEF.name, "Local");
}
