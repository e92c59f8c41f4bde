//! What the macros emit does not depend on what is in scope, nor on where the crate is found.
#![deny(warnings)]
#![allow(dead_code, missing_debug_implementations, missing_docs, unreachable_pub, unused_macros)]

// The crate under another name, and everything the expansion might have named by its short name.
mod reexported {
    pub use ::plasma as library;
}
mod plasma {}
mod core {}
mod std {}
mod serde {}
mod clippy {}
struct Box;
struct Result;
struct Ok;
struct Err;
struct Some;
struct None;
struct Value;
struct Table;
struct Codec;
struct Send;
trait ColumnType {}
trait Schema {}
trait Mutation {}
macro_rules! assert {
    ($($t:tt)*) => {
        compile_error!("the expansion uses a macro of the scope")
    };
}
macro_rules! unreachable {
    ($($t:tt)*) => {
        compile_error!("the expansion uses a macro of the scope")
    };
}

use reexported::library as found;
type Text = ::std::string::String;

#[found::table(crate = reexported::library, auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    pub id: found::Id<Todo>,
    #[column(default = "")]
    pub title: Text,
    pub state: State,
    pub email: Email,
    pub note: ::std::option::Option<Text>,
    pub parent: found::Id<Self>,
    #[column(name = "table_")]
    pub table: bool,
    pub name: bool,
    pub new: bool,
    #[column(name = "default_")]
    pub default: bool,
    pub get: bool,
    pub self_: bool,
    pub r#fn: bool,
    pub __plasma: bool,
}

#[derive(Debug, Clone, PartialEq, found::Column)]
#[column(crate = reexported::library)]
pub struct Email {
    text: Text,
}

#[derive(Debug, Clone, Copy, PartialEq, found::Column)]
#[column(crate = reexported::library)]
pub enum State {
    Ok,
    None,
}

#[found::args(crate = reexported::library)]
pub struct Rename {
    pub id: found::Id<Todo>,
    #[arg(len(1..=200), trim)]
    pub title: Text,
    #[arg(range(1..))]
    pub count: ::std::option::Option<i32>,
}

pub struct Todos;

#[found::mutators(App, crate = reexported::library)]
impl Todos {
    pub async fn rename(tx: &mut found::Tx<'_, App>, ctx: &(), args: Rename) -> found::Result<()> {
        let () = ctx;
        tx.update(args.id).set(Todo::title.to(args.title)).await
    }
}

#[found::schema(version = "1", tables(Todo), mutators(Todos), crate = reexported::library)]
pub struct App;

mod deeper {
    use super::found;
    use found::prelude::Table as _;

    // Inside a function, with another `Todo` in scope.
    pub fn local() -> &'static str {
        #[found::table(crate = found)]
        struct Todo {
            id: found::Id<Todo>,
            title: ::std::string::String,
        }
        let _ = (Todo::id, NewTodo { title: ::std::string::String::new() });
        Todo::NAME
    }
}

fn main() {
    use found::prelude::*;
    ::std::assert_eq!(deeper::local(), "todo");
    ::std::assert_eq!(App::definition().mutators.len(), 1);
    ::std::assert_eq!(Todo::DEF.columns.len(), 14);
    let _ = Todo::select().filter(Todo::state.ne(State::None)).order_by(Todo::email.desc());
}
