//! What an editor is asked about: see `scripts/editor-session`. `//~` lines are questions to it.
//!
//! `//~ hover WORD` asks about the first WORD in the line above, `//~ complete CODE` for what can stand at the `|` of
//! CODE, which takes the line's place for a moment. The line after `//~ mistake` is wrong.

use plasma::prelude::*;

/// A person.
#[plasma::table(name = "users", auth = open)]
#[derive(Debug, Clone)]
pub struct User {
    pub id: Id<User>,
    /// What others call the person.
    pub name: String,
}

/// Something to do.
#[plasma::table(name = "todos", auth = open, patch)]
#[derive(Debug, Clone)]
pub struct Todo {
    /// Identifies the task.
    pub id: Id<Todo>,
    /// What is to be done.
    pub title: String,
    /// Whether it is done.
    #[column(default = false)]
    pub done: bool,
    /// How many points it is worth.
    pub points: i32,
    /// Whose task it is.
    #[column(on_delete = cascade)]
    pub owner_id: Id<User>,
}

#[plasma::schema(version = "1", tables(User, Todo), mutators(Todos))]
pub struct App;
pub type Tx<'a> = plasma::Tx<'a, App>;

/// Arguments of [`Todos::rename`].
#[plasma::args]
pub struct RenameTodo {
    pub id: Id<Todo>,
    #[arg(len(1..=200))]
    pub title: String,
}

pub struct Todos;

#[plasma::mutators(App)]
impl Todos {
    /// Gives a task another title.
    pub async fn rename(tx: &mut Tx<'_>, _: &(), args: RenameTodo) -> plasma::Result<()> {
        //~ complete tx.|
        //~ complete tx.update(args.id).set(|)
        //~ complete tx.update(args.id).set(Todo::title.|)
        tx.update(args.id).set(Todo::title.to(args.title)).await
        //~ hover update
        //~ hover title
    }
}

pub fn queries() {
    //~ mistake
    let _ = Todo::select().filter(Todo::titel.eq("milk"));
    //~ mistake
    let _ = Todo::select().filter(Todo::points.eq("many"));
    //~ mistake
    let _ = NewTodo { title: String::new(), points: 1 };
    //~ hover NewTodo
    //~ complete let _ = Todo::|
    //~ complete let _ = NewTodo { | };
    //~ complete let _ = Todo::select().filter(Todo::title.|);
    //~ complete let _ = Todo::select().|
    let rows = Todo::select().inner_join(Todo::owner_id).filter(Todo::done);
    //~ hover rows
    //~ hover owner_id
    drop(rows);
}
