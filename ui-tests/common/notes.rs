// A small application with sealed columns that the cases of them make one mistake against.

#[allow(unused_imports)]
use plasma::prelude::*;

#[plasma::table(name = "users", auth = open)]
pub struct User {
    pub id: Id<User>,
    pub name: String,
    pub phone: Sealed<String>,
}

#[plasma::table(name = "notes", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub id: Id<Note>,
    pub stars: i32,
    pub body: Sealed<String>,
    pub remark: Option<Sealed<Vec<String>>>,
}

#[plasma::schema(version = "1", tables(User, Note))]
pub struct App;

#[allow(dead_code)]
type Tx<'a> = plasma::Tx<'a, App>;
