//! What both sides know: three tables, who may see and change them, and nine mutators.

use plasma::prelude::*;

/// The caller, as mutators and policies see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's name.
    pub user: String,
}

/// A list of to-dos.
#[plasma::table(name = "lists")]
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// Row id.
    pub id: Id<List>,
    /// 1..=200 characters.
    pub name: String,
    /// The user who made the list. Only the owner shares it.
    pub owner: String,
}

/// Something to do.
#[plasma::table(name = "todos")]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    /// Row id.
    pub id: Id<Todo>,
    /// The list it stands in; it goes when the list goes.
    #[column(on_delete = cascade)]
    pub list_id: Id<List>,
    /// 1..=200 characters.
    pub title: String,
    /// Whether it is done.
    #[column(default = false)]
    pub done: bool,
    /// A remark.
    pub note: Option<String>,
    /// When it was added, by the clock of the device that added it.
    pub created_at: Timestamp,
}

/// A list is shared with a user.
#[plasma::table(name = "shares")]
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    /// Row id.
    pub id: Id<Share>,
    /// The list; the share goes when the list goes.
    #[column(on_delete = cascade)]
    pub list_id: Id<List>,
    /// The user it is shared with.
    #[column(name = "user_name")]
    pub user: String,
}

/// The schema. Both sides are opened with it.
#[plasma::schema(version = "todo-1", ctx = Caller, tables(List, Todo, Share), mutators(Lists, Todos))]
#[derive(Debug)]
pub struct App;

/// The transaction a mutator runs in.
pub type Tx<'a> = plasma::Tx<'a, App>;

/// Lists that the caller owns or that are shared with the caller.
fn visible(caller: &Caller) -> Filter<List> {
    Filter::from(List::owner.eq(caller.user.as_str())).or(Share::list_id.any(Share::user.eq(caller.user.as_str())))
}

impl Policy<Caller> for List {
    fn read(caller: &Caller) -> Filter<List> {
        visible(caller)
    }
    fn insert(caller: &Caller) -> Filter<List> {
        List::owner.eq(caller.user.as_str()).into()
    }
    fn update(caller: &Caller) -> Filter<List> {
        visible(caller)
    }
    fn delete(caller: &Caller) -> Filter<List> {
        visible(caller)
    }
    const FROZEN: Columns<List> = columns!(List::owner);
}

impl Policy<Caller> for Todo {
    fn read(caller: &Caller) -> Filter<Todo> {
        Todo::list_id.has(visible(caller)).into()
    }
    fn insert(caller: &Caller) -> Filter<Todo> {
        Self::read(caller)
    }
    fn update(caller: &Caller) -> Filter<Todo> {
        Self::read(caller)
    }
    fn delete(caller: &Caller) -> Filter<Todo> {
        Self::read(caller)
    }
    const FROZEN: Columns<Todo> = columns!(Todo::list_id, Todo::created_at);
}

impl Policy<Caller> for Share {
    fn read(caller: &Caller) -> Filter<Share> {
        Filter::from(Share::user.eq(caller.user.as_str())).or(Share::list_id.has(List::owner.eq(caller.user.as_str())))
    }
    fn insert(caller: &Caller) -> Filter<Share> {
        Share::list_id.has(List::owner.eq(caller.user.as_str())).into()
    }
    fn delete(caller: &Caller) -> Filter<Share> {
        Self::read(caller)
    }
}

/// Makes a list.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct CreateList {
    /// The new row, from `client.new_id()`.
    pub id: Id<List>,
    /// 1..=200 characters.
    #[arg(len(1..=200))]
    pub name: String,
}

/// Renames a list.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RenameList {
    /// The list.
    pub id: Id<List>,
    /// 1..=200 characters.
    #[arg(len(1..=200))]
    pub name: String,
}

/// Removes a list with everything in it.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveList {
    /// The list.
    pub id: Id<List>,
}

/// Shares a list with a user. Sharing again changes nothing.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct ShareList {
    /// The new row, from `client.new_id()`.
    pub id: Id<Share>,
    /// The list.
    pub list_id: Id<List>,
    /// The user.
    #[arg(len(1..=200))]
    pub user: String,
}

/// Takes a share back (the owner), or leaves a list (the user).
#[plasma::args]
#[derive(Debug, Clone)]
pub struct UnshareList {
    /// The list.
    pub list_id: Id<List>,
    /// The user.
    #[arg(len(1..=200))]
    pub user: String,
}

/// Adds a to-do.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddTodo {
    /// The new row, from `client.new_id()`.
    pub id: Id<Todo>,
    /// The list.
    pub list_id: Id<List>,
    /// 1..=200 characters.
    #[arg(len(1..=200))]
    pub title: String,
}

/// Marks a to-do as done, or not.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetDone {
    /// The to-do.
    pub id: Id<Todo>,
    /// Whether it is done.
    pub done: bool,
}

/// Renames a to-do.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RenameTodo {
    /// The to-do.
    pub id: Id<Todo>,
    /// 1..=200 characters.
    #[arg(len(1..=200))]
    pub title: String,
}

/// Removes a to-do.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveTodo {
    /// The to-do.
    pub id: Id<Todo>,
}

/// Mutators of lists and their shares.
#[derive(Debug)]
pub struct Lists;

/// A list that the caller may see. A mutator reads everything on the server, so it has to ask.
async fn seen(tx: &mut Tx<'_>, caller: &Caller, id: Id<List>) -> plasma::Result<List> {
    tx.first(List::select().filter(List::id.eq(id)).filter(visible(caller)))
        .await?
        .ok_or_else(|| plasma::Error::not_found("there is no such list"))
}

#[plasma::mutators(App)]
impl Lists {
    /// `lists.create`
    pub async fn create(tx: &mut Tx<'_>, caller: &Caller, args: CreateList) -> plasma::Result<()> {
        tx.insert(NewList { name: args.name, owner: caller.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    /// `lists.rename`
    pub async fn rename(tx: &mut Tx<'_>, caller: &Caller, args: RenameList) -> plasma::Result<()> {
        seen(tx, caller, args.id).await?;
        tx.update(args.id).set(List::name.to(args.name)).await
    }

    /// `lists.remove`
    pub async fn remove(tx: &mut Tx<'_>, caller: &Caller, args: RemoveList) -> plasma::Result<()> {
        seen(tx, caller, args.id).await?;
        tx.delete(args.id).await
    }

    /// `lists.share`
    pub async fn share(tx: &mut Tx<'_>, caller: &Caller, args: ShareList) -> plasma::Result<()> {
        let list = seen(tx, caller, args.list_id).await?;
        if list.owner != caller.user {
            return Err(plasma::Error::unauthorized("only the owner of a list shares it"));
        }
        let shared = Share::select().filter(Share::list_id.eq(args.list_id)).filter(Share::user.eq(args.user.as_str()));
        if !tx.exists(shared).await? {
            tx.insert(NewShare { list_id: args.list_id, user: args.user }.with_id(args.id)).await?;
        }
        Ok(())
    }

    /// `lists.unshare`
    pub async fn unshare(tx: &mut Tx<'_>, caller: &Caller, args: UnshareList) -> plasma::Result<()> {
        let list = seen(tx, caller, args.list_id).await?;
        if list.owner != caller.user && args.user != caller.user {
            return Err(plasma::Error::unauthorized("only the owner of a list takes another user's share back"));
        }
        tx.delete_where(Share::list_id.eq(args.list_id).and(Share::user.eq(args.user.as_str()))).await?;
        Ok(())
    }
}

/// Mutators of to-dos.
#[derive(Debug)]
pub struct Todos;

#[plasma::mutators(App)]
impl Todos {
    /// `todos.add`
    pub async fn add(tx: &mut Tx<'_>, caller: &Caller, args: AddTodo) -> plasma::Result<()> {
        seen(tx, caller, args.list_id).await?;
        let created_at = tx.now();
        tx.insert(NewTodo { list_id: args.list_id, title: args.title, created_at }.with_id(args.id)).await?;
        Ok(())
    }

    /// `todos.set_done`
    pub async fn set_done(tx: &mut Tx<'_>, _caller: &Caller, args: SetDone) -> plasma::Result<()> {
        tx.update(args.id).set(Todo::done.to(args.done)).await
    }

    /// `todos.rename`
    pub async fn rename(tx: &mut Tx<'_>, _caller: &Caller, args: RenameTodo) -> plasma::Result<()> {
        tx.update(args.id).set(Todo::title.to(args.title)).await
    }

    /// `todos.remove`
    pub async fn remove(tx: &mut Tx<'_>, _caller: &Caller, args: RemoveTodo) -> plasma::Result<()> {
        tx.delete(args.id).await
    }
}
