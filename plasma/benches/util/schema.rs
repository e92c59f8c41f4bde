//! The application the benchmarks measure: lists and todos with policies, as in the example. The policy of a todo asks
//! the list it is in.

use plasma::Error;
use plasma::prelude::*;

/// The caller.
#[derive(Debug, Clone)]
pub struct Ctx {
    pub user: String,
}

#[plasma::table(name = "lists")]
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub id: Id<List>,
    pub name: String,
    pub owner: String,
}

#[plasma::table(name = "todos")]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    pub id: Id<Todo>,
    #[column(on_delete = cascade)]
    pub list_id: Id<List>,
    pub title: String,
    #[column(default = false)]
    pub done: bool,
    pub note: Option<String>,
    pub created_at: Timestamp,
}

impl Policy<Ctx> for List {
    fn read(ctx: &Ctx) -> Filter<List> {
        List::owner.eq(ctx.user.clone()).into()
    }
    fn insert(ctx: &Ctx) -> Filter<List> {
        Self::read(ctx)
    }
    fn update(ctx: &Ctx) -> Filter<List> {
        Self::read(ctx)
    }
    fn delete(ctx: &Ctx) -> Filter<List> {
        Self::read(ctx)
    }
}

impl Policy<Ctx> for Todo {
    fn read(ctx: &Ctx) -> Filter<Todo> {
        Todo::list_id.has(List::read(ctx)).into()
    }
    fn insert(ctx: &Ctx) -> Filter<Todo> {
        Self::read(ctx)
    }
    fn update(ctx: &Ctx) -> Filter<Todo> {
        Self::read(ctx)
    }
    fn delete(ctx: &Ctx) -> Filter<Todo> {
        Self::read(ctx)
    }
}

#[plasma::schema(version = "bench-1", ctx = Ctx, tables(List, Todo), mutators(Lists, Todos))]
pub struct Bench;
pub type Tx<'a> = plasma::Tx<'a, Bench>;

#[plasma::args]
pub struct CreateList {
    pub id: Id<List>,
    #[arg(len(1..=200))]
    pub name: String,
}

#[plasma::args]
pub struct AddTodo {
    pub id: Id<Todo>,
    pub list_id: Id<List>,
    #[arg(len(1..=200))]
    pub title: String,
}

#[plasma::args]
pub struct SetDone {
    pub id: Id<Todo>,
    pub done: bool,
}

pub struct Lists;

#[plasma::mutators(Bench)]
impl Lists {
    pub async fn create(tx: &mut Tx<'_>, ctx: &Ctx, args: CreateList) -> plasma::Result<()> {
        if ctx.user.is_empty() {
            return Err(Error::unauthorized("sign in first"));
        }
        tx.insert(NewList { name: args.name, owner: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }
}

pub struct Todos;

#[plasma::mutators(Bench)]
impl Todos {
    pub async fn add(tx: &mut Tx<'_>, _: &Ctx, args: AddTodo) -> plasma::Result<()> {
        let created_at = tx.now();
        tx.insert(NewTodo { list_id: args.list_id, title: args.title, created_at }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn set_done(tx: &mut Tx<'_>, _: &Ctx, args: SetDone) -> plasma::Result<()> {
        tx.update(args.id).set(Todo::done.to(args.done)).await
    }
}
