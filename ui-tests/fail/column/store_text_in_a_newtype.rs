//! Plain text may be compared with a newtype of text, but not stored in it.

use plasma::prelude::*;

#[derive(plasma::Column)]
#[column(text)]
pub struct Email(pub String);

#[plasma::table(name = "users")]
pub struct User {
    pub id: Id<User>,
    pub email: Email,
}

fn main() {
    let _ = User::email.eq("a@b");
    let _ = User::email.to("a@b");
}
