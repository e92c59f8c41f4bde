//! The passing twin of the schema, query, write and mutator families: a small application with two sets of mutators.
#![deny(missing_docs, warnings)]
#![allow(missing_debug_implementations, unreachable_pub)]

use plasma::prelude::*;
use plasma::{Error, Tx as PlasmaTx};

type Tx<'a> = PlasmaTx<'a, App>;

/// Who asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    /// The caller.
    pub user: Option<Id<User>>,
}

/// A person.
#[plasma::table(name = "users", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The row.
    pub id: Id<User>,
    /// What people say.
    pub name: String,
}

/// A task.
#[plasma::table(name = "todos")]
#[derive(Debug, Clone, PartialEq)]
pub struct Todo {
    /// The row.
    pub id: Id<Todo>,
    /// What to do.
    pub title: String,
    /// Whether it is done.
    #[column(default = false)]
    pub done: bool,
    /// How hard it is.
    #[column(default = 0)]
    pub points: i32,
    /// More words.
    pub note: Option<String>,
    /// Whose it is.
    #[column(on_delete = cascade)]
    pub owner_id: Id<User>,
}

/// What this device remembers.
#[plasma::table(local_only)]
pub struct Draft {
    /// The row.
    pub id: Id<Draft>,
    /// The words.
    pub body: String,
}

impl Policy<Ctx> for Todo {
    fn read(ctx: &Ctx) -> Filter<Todo> {
        ctx.user.map_or_else(Filter::nothing, |user| Todo::owner_id.eq(user).into())
    }
    fn insert(ctx: &Ctx) -> Filter<Todo> {
        Self::read(ctx)
    }
    fn update(ctx: &Ctx) -> Filter<Todo> {
        Self::read(ctx)
    }
    const FROZEN: Columns<Todo> = plasma::columns!(Todo::owner_id);
}

/// The schema.
#[plasma::schema(version = "1", ctx = Ctx, tables(User, Todo, Draft), mutators(Todos, other::Housekeeping))]
pub struct App;

/// Arguments.
#[plasma::args]
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTodo {
    /// The row to be.
    pub id: Id<Todo>,
    /// What to do.
    #[arg(len(1..=20), trim)]
    pub title: String,
    /// More words.
    #[arg(len(..=5), trim)]
    pub note: Option<String>,
    /// How hard it is.
    #[arg(range(0..=99))]
    pub points: Option<i32>,
    /// Words to find it by.
    #[arg(len(..=2))]
    pub words: Vec<String>,
}

/// Arguments.
#[plasma::args(validate)]
pub struct Rename {
    /// Which.
    pub id: Id<Todo>,
    /// To what.
    pub title: String,
}

impl Validate for Rename {
    fn validate(&self, checks: &mut Checks) {
        checks.check("title", self.title != "forbidden", "forbidden", "must not be forbidden");
    }
}

/// Tasks.
pub struct Todos;

#[plasma::mutators(App)]
impl Todos {
    /// Adds a task.
    ///
    /// # Errors
    /// When nobody is signed in.
    pub async fn create(tx: &mut Tx<'_>, ctx: &Ctx, CreateTodo { id, title, note, points, .. }: CreateTodo) -> plasma::Result<()> {
        let owner_id = Self::owner(ctx)?;
        tx.insert(NewTodo { title, owner_id }.with((Todo::note.to(note), Todo::points.to(points.unwrap_or(0)))).with_id(id))
            .await?;
        Ok(())
    }

    /// Renames a task.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn r#move(tx: &mut Tx<'_>, _: &Ctx, args: Rename) -> plasma::Result<()> {
        tx.update(args.id).set(Todo::title.to(args.title)).await
    }

    fn owner(ctx: &Ctx) -> plasma::Result<Id<User>> {
        ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))
    }
}

mod other {
    use super::{App, Ctx, Todo};

    /// Arguments.
    #[plasma::args]
    pub struct Sweep {}

    /// What the server does at night.
    pub struct Housekeeping;

    #[plasma::mutators(App, name = "night")]
    impl Housekeeping {
        /// Deletes what is done.
        #[mutator(server_only, name = "night.sweep-done")]
        pub async fn sweep(tx: &mut plasma::Tx<'_, App>, ctx: &Ctx, _: Sweep) -> plasma::Result<()> {
            let _ = ctx;
            tx.delete_where(Todo::done.eq(true)).await?;
            Ok(())
        }
    }
}

/// What a client does can move to another thread.
fn sendable(client: &plasma::Client<App>, args: CreateTodo) {
    fn sendable<T: Send>(_: T) {}
    sendable(client.all(Todo::select().filter(Todo::done.eq(false))));
    sendable(client.get(args.id));
    sendable(client.mutate(args));
}

fn main() {
    let _ = sendable;
    let definition = App::definition();
    let names: Vec<_> = definition.mutators.iter().map(|mutator| (mutator.name, mutator.server_only)).collect();
    assert_eq!(names, [("todos.create", false), ("todos.move", false), ("night.sweep-done", true)]);
    let policies: Vec<_> = definition.policies.iter().map(|policy| policy.table.name).collect();
    assert_eq!(policies, ["todos"]);
    assert_eq!(App::DEF.name, "App");
    assert_eq!(definition.schema.tables.len(), 3);

    let id = "00000000-0000-7000-8000-000000000000";
    let args: CreateTodo = serde_json::from_str(&format!(r#"{{"id":"{id}","title":"  milk ","words":[]}}"#)).expect("arguments");
    assert_eq!(args.title, "milk");
    assert_eq!(args.note, None);
    let args = CreateTodo { title: "   ".into(), note: Some("too long".into()), points: Some(100), words: vec![String::new(); 3], ..args };
    let error = plasma::mutate::check_args(&args).expect_err("four rules are broken");
    let fields: Vec<_> = error.data().expect("the fields")["fields"].as_array().expect("a list").iter().map(|f| f["field"].to_string()).collect();
    assert_eq!(fields, ["\"title\"", "\"note\"", "\"points\"", "\"words\""]);
    let error = plasma::mutate::check_args(&Rename { id: args.id, title: "forbidden".into() }).expect_err("a rule is broken");
    assert_eq!(error.kind(), plasma::ErrorKind::Validation);
}
