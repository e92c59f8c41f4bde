//! The schema of the simulated application: shared lists, as in the to-do example, with what the invariants need.

use plasma::prelude::*;

/// The caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user: String,
}

#[plasma::table(name = "lists")]
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub id: Id<List>,
    pub name: String,
    pub owner: String,
    /// How many to-dos of the list were open when somebody counted.
    #[column(default = 0)]
    pub tally: i64,
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
    /// Unique over all lists, also those a client cannot see.
    #[column(unique)]
    pub slug: Option<String>,
    pub created_at: Timestamp,
}

#[plasma::table(name = "shares")]
#[derive(Debug, Clone, PartialEq)]
pub struct Share {
    pub id: Id<Share>,
    #[column(on_delete = cascade)]
    pub list_id: Id<List>,
    #[column(name = "user_name")]
    pub user: String,
}

/// Money is moved, never made: the balances have a constant sum.
#[plasma::table(name = "accounts", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    pub id: Id<Account>,
    pub balance: i64,
}

/// Counts the entries of its name.
#[plasma::table(name = "counters", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    pub id: Id<Counter>,
    #[column(unique)]
    pub name: String,
    pub n: i64,
}

/// The audit: one row per mutation that took effect.
#[plasma::table(name = "entries", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: Id<Entry>,
    #[column(name = "user_name")]
    pub user: String,
    /// The counter it counts in.
    pub counted: Option<String>,
    /// An entry of another user that the writer had seen.
    pub after: Option<String>,
}

#[plasma::schema(
    version = "sim-1",
    ctx = Caller,
    tables(List, Todo, Share, Account, Counter, Entry),
    mutators(Lists, Todos, Accounts, Counters)
)]
#[derive(Debug)]
pub struct App;

type Tx<'a> = plasma::Tx<'a, App>;

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
        List::owner.eq(caller.user.as_str()).into()
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
    const FROZEN: Columns<Todo> = columns!(Todo::created_at);
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

/// What every mutation carries: the id of its audit row, and a cause.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Step {
    pub id: Id<Entry>,
    pub after: Option<String>,
}

async fn audit(tx: &mut Tx<'_>, caller: &Caller, step: Step, counted: Option<String>) -> plasma::Result<()> {
    let entry = NewEntry { user: caller.user.clone() }
        .with((Entry::after.to(step.after), Entry::counted.to(counted)))
        .with_id(step.id);
    tx.insert(entry).await?;
    Ok(())
}

async fn seen(tx: &mut Tx<'_>, caller: &Caller, id: Id<List>) -> plasma::Result<List> {
    tx.first(List::select().filter(List::id.eq(id)).filter(visible(caller)))
        .await?
        .ok_or_else(|| plasma::Error::not_found("there is no such list"))
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct CreateList {
    pub step: Step,
    pub id: Id<List>,
    #[arg(len(1..=20))]
    pub name: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct OfList {
    pub step: Step,
    pub id: Id<List>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct FinishList {
    pub step: Step,
    pub id: Id<List>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct TallyList {
    pub step: Step,
    pub id: Id<List>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct ShareList {
    pub step: Step,
    pub id: Id<Share>,
    pub list_id: Id<List>,
    pub user: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct UnshareList {
    pub step: Step,
    pub list_id: Id<List>,
    pub user: String,
}

#[derive(Debug)]
pub struct Lists;

#[plasma::mutators(App)]
impl Lists {
    pub async fn create(tx: &mut Tx<'_>, caller: &Caller, args: CreateList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        tx.insert(NewList { name: args.name, owner: caller.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    /// Cascades over to-dos and shares.
    pub async fn remove(tx: &mut Tx<'_>, caller: &Caller, args: OfList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.id).await?;
        tx.delete(args.id).await
    }

    /// Writes what a condition finds: the replay must see rows that came meanwhile.
    pub async fn finish(tx: &mut Tx<'_>, caller: &Caller, args: FinishList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.id).await?;
        tx.update_where(Todo::list_id.eq(args.id).and(Todo::done.eq(false))).set(Todo::done.to(true)).await?;
        Ok(())
    }

    /// Reads rows and writes another.
    pub async fn tally(tx: &mut Tx<'_>, caller: &Caller, args: TallyList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.id).await?;
        let open = tx.count(Todo::select().filter(Todo::list_id.eq(args.id)).filter(Todo::done.eq(false))).await?;
        tx.update(args.id).set(List::tally.to(i64::try_from(open).unwrap_or(i64::MAX))).await
    }

    pub async fn share(tx: &mut Tx<'_>, caller: &Caller, args: ShareList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
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

    pub async fn unshare(tx: &mut Tx<'_>, caller: &Caller, args: UnshareList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        let list = seen(tx, caller, args.list_id).await?;
        if list.owner != caller.user && args.user != caller.user {
            return Err(plasma::Error::unauthorized("only the owner of a list takes another user's share back"));
        }
        tx.delete_where(Share::list_id.eq(args.list_id).and(Share::user.eq(args.user.as_str()))).await?;
        Ok(())
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddTodo {
    pub step: Step,
    pub id: Id<Todo>,
    pub list_id: Id<List>,
    pub title: String,
    pub slug: Option<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct RenameTodo {
    pub step: Step,
    pub id: Id<Todo>,
    pub title: String,
    pub slug: Option<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct MoveTodo {
    pub step: Step,
    pub id: Id<Todo>,
    pub list_id: Id<List>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveTodo {
    pub step: Step,
    pub id: Id<Todo>,
}

/// A to-do that may be there already, under its slug.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct ClaimTodo {
    pub step: Step,
    pub id: Id<Todo>,
    pub list_id: Id<List>,
    pub title: String,
    pub slug: Option<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct EnsureTodo {
    pub step: Step,
    pub list_id: Id<List>,
    pub title: String,
    pub slug: Option<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct SweepList {
    pub step: Step,
    pub list_id: Id<List>,
}

#[derive(Debug)]
pub struct Todos;

#[plasma::mutators(App)]
impl Todos {
    pub async fn add(tx: &mut Tx<'_>, caller: &Caller, args: AddTodo) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.list_id).await?;
        let created_at = tx.now();
        let todo = NewTodo { list_id: args.list_id, title: args.title, created_at }
            .with(Todo::slug.to(args.slug))
            .with_id(args.id);
        tx.insert(todo).await?;
        Ok(())
    }

    pub async fn rename(tx: &mut Tx<'_>, caller: &Caller, args: RenameTodo) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        tx.update(args.id).set((Todo::title.to(args.title), Todo::slug.to(args.slug))).await
    }

    /// Changes the to-do of a slug, or adds one. The row that is met may be one that the caller cannot see.
    pub async fn claim(tx: &mut Tx<'_>, caller: &Caller, args: ClaimTodo) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.list_id).await?;
        let created_at = tx.now();
        let todo = NewTodo { list_id: args.list_id, title: args.title.clone(), created_at }
            .with(Todo::slug.to(args.slug))
            .with_id(args.id);
        let claimed = tx
            .insert(todo)
            .on_conflict_update((Todo::title.to(args.title), Todo::done.to(false)))
            .by(columns!(Todo::slug))
            .returning()
            .await?;
        tx.update(args.list_id).set(List::name.to(claimed.title)).await
    }

    /// Adds a to-do unless its slug is taken. Then it writes nothing but its entry.
    pub async fn ensure(tx: &mut Tx<'_>, caller: &Caller, args: EnsureTodo) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.list_id).await?;
        let created_at = tx.now();
        let todo = NewTodo { list_id: args.list_id, title: args.title, created_at }.with(Todo::slug.to(args.slug));
        tx.insert(todo).on_conflict_ignore().await?;
        Ok(())
    }

    /// Deletes what is done, and remembers how much that was.
    pub async fn sweep(tx: &mut Tx<'_>, caller: &Caller, args: SweepList) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.list_id).await?;
        let gone = tx.delete_where(Todo::list_id.eq(args.list_id).and(Todo::done)).returning().await?;
        let opened = tx.update_where(Todo::list_id.eq(args.list_id)).set(Todo::done.to(true)).returning().await?;
        let tally = (gone.len() * 100 + opened.iter().filter(|todo| todo.done).count()) as i64;
        tx.update(args.list_id).set(List::tally.to(tally)).await
    }

    /// A row that moves out of a reader's sight, or into it.
    pub async fn relocate(tx: &mut Tx<'_>, caller: &Caller, args: MoveTodo) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        seen(tx, caller, args.list_id).await?;
        tx.update(args.id).set(Todo::list_id.to(args.list_id)).await
    }

    pub async fn remove(tx: &mut Tx<'_>, caller: &Caller, args: RemoveTodo) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        tx.delete(args.id).await
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Transfer {
    pub step: Step,
    pub from: Id<Account>,
    pub to: Id<Account>,
    #[arg(range(1..=1000))]
    pub amount: i64,
}

#[derive(Debug)]
pub struct Accounts;

#[plasma::mutators(App)]
impl Accounts {
    pub async fn transfer(tx: &mut Tx<'_>, caller: &Caller, args: Transfer) -> plasma::Result<()> {
        audit(tx, caller, args.step, None).await?;
        let from = tx.get(args.from).await?.ok_or_else(|| plasma::Error::not_found("no such account"))?;
        if from.balance < args.amount {
            return Err(plasma::Error::rejected("overdrawn", "there is not enough money on the account"));
        }
        tx.update(args.from).set(Account::balance.to(from.balance - args.amount)).await?;
        let to = tx.get(args.to).await?.ok_or_else(|| plasma::Error::not_found("no such account"))?;
        tx.update(args.to).set(Account::balance.to(to.balance + args.amount)).await
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Bump {
    pub step: Step,
    pub id: Id<Counter>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct HitCounter {
    pub step: Step,
    pub name: String,
}

#[derive(Debug)]
pub struct Counters;

#[plasma::mutators(App)]
impl Counters {
    pub async fn bump(tx: &mut Tx<'_>, caller: &Caller, args: Bump) -> plasma::Result<()> {
        let counter = tx.get(args.id).await?.ok_or_else(|| plasma::Error::not_found("no such counter"))?;
        audit(tx, caller, args.step, Some(counter.name.clone())).await?;
        tx.update(args.id).set(Counter::n.to(counter.n + 1)).await
    }

    /// Makes the counter at the first hit, whoever it is that hits first.
    pub async fn hit(tx: &mut Tx<'_>, caller: &Caller, args: HitCounter) -> plasma::Result<()> {
        audit(tx, caller, args.step, Some(args.name.clone())).await?;
        let counter = NewCounter { name: args.name, n: 1 };
        tx.insert(counter).on_conflict_update(Counter::n.to(Counter::n + 1)).await?;
        Ok(())
    }
}
