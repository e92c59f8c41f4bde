//! Columns that several may change at once.

use plasma::prelude::*;

#[derive(Debug, Clone, PartialEq, plasma::Column)]
pub enum Status {
    Open,
    Done,
}

#[derive(Debug, Clone, PartialEq, plasma::Column)]
pub struct Label(pub String);

type Alias = GCounter;

#[plasma::table(name = "todos", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    pub id: Id<Todo>,
    pub title: String,
    pub views: GCounter,
    pub likes: plasma::crdt::PnCounter,
    pub status: Lww<Status>,
    #[column(default = 7)]
    pub rank: Lww<i64>,
    pub tags: OrSet<String>,
    pub labels: OrSet<Label>,
    pub states: OrSet<Status>,
    pub others: OrSet<Id<Todo>>,
    pub aliased: Alias,
    pub body: plasma::crdt::Text,
    // A set of sealed names: their blind indexes, and a table of the names.
    pub members: OrSet<plasma::BlindIndex>,
}

fn main() {
    // Counters and sets begin empty; a macro sees nothing behind an alias.
    let new = NewTodo { title: "x".to_owned(), status: Status::Open.into(), aliased: GCounter::default() };
    let _ = new.with((
        Todo::views.increment(1),
        Todo::likes.decrement(2),
        Todo::rank.write(8),
        Todo::tags.add("urgent"),
        Todo::labels.add(Label("a".to_owned())),
        Todo::body.insert(0, "Dear all"),
    ));
    let _ = Todo::select()
        .filter(Todo::likes.value().gt(5i64).and(Todo::tags.contains("urgent")))
        .filter(Todo::status.value().eq(Status::Open).or(Todo::labels.has(Label("a".to_owned()))))
        .filter(Todo::states.contains(&Status::Done).and(Todo::tags.is_empty().not()))
        .filter(Todo::body.value().eq("Dear all"))
        .order_by((Todo::likes.value() + Todo::views.value()).desc())
        .project((Todo::rank.value(), Todo::tags.len(), Todo::likes));
    let _ = Todo::select().group_by(Todo::status.value()).project(|status| (status, Todo::views.value().sum()));
    let id = Id::from_u128(1);
    let _ = Todo::select().filter(Todo::others.contains(id).or(Todo::others.contains(&id)));
}
