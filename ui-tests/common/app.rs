// A small application that the cases of queries, writes and mutators make one mistake against.

#[allow(unused_imports)]
use plasma::prelude::*;

#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    pub user: Id<User>,
}

#[plasma::table(name = "users", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: Id<User>,
    pub name: String,
    pub age: Option<i32>,
}

#[plasma::table(name = "todos", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    #[column(default = false)]
    pub done: bool,
    pub points: i32,
    pub note: Option<String>,
    pub owner_id: Id<User>,
    pub meta: plasma::Json<Vec<String>>,
    pub thumb: Vec<u8>,
}

#[plasma::table(name = "tags", auth = open)]
pub struct Tag {
    pub id: Id<Tag>,
    pub label: String,
}

#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo))]
pub struct App;

#[allow(dead_code)]
type Tx<'a> = plasma::Tx<'a, App>;
