//! Version 4: tasks have seconds instead of minutes, and drafts have a body instead of a text. Nobody else can read that.

use plasma::Conflict;
use plasma::prelude::*;
use serde_json::Value as Json;

use super::{Caller, Known, policies};

#[plasma::table(name = "lists")]
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub id: Id<List>,
    pub name: String,
    pub owner: String,
}

#[plasma::table(name = "tasks", resolve_conflict = merge)]
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: Id<Task>,
    #[column(on_delete = cascade)]
    pub list_id: Id<List>,
    pub title: String,
    #[column(default = 0)]
    pub seconds: i64,
    pub note: Option<String>,
    #[column(default = 1)]
    pub priority: i32,
}

#[plasma::table(name = "comments")]
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    pub id: Id<Comment>,
    #[column(on_delete = cascade)]
    pub task_id: Id<Task>,
    pub text: String,
}

impl Policy<Caller> for Comment {
    fn read(caller: &Caller) -> Filter<Comment> {
        Comment::task_id.has(Task::list_id.has(List::owner.eq(caller.user.as_str()))).into()
    }
    fn insert(caller: &Caller) -> Filter<Comment> {
        Self::read(caller)
    }
}

#[plasma::table(name = "tags", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Tag {
    pub id: Id<Tag>,
    pub label: String,
}

#[plasma::table(name = "drafts", local_only)]
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub id: Id<Draft>,
    #[column(default = "")]
    pub body: String,
    #[column(default = false)]
    pub pinned: bool,
}

fn merge(conflict: Conflict<'_, Task>) -> Task {
    let Conflict { local, remote, .. } = conflict;
    Task { title: format!("{} & {}", remote.title, local.title), ..local.clone() }
}

policies!();

#[plasma::schema(version = "4", ctx = Caller, tables(List, Task, Comment, Tag, Draft), mutators(Tasks), lock = "tests/versions/app.lock")]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
pub struct AddList {
    pub id: Id<List>,
    pub name: String,
}

#[plasma::args]
pub struct AddTask {
    pub id: Id<Task>,
    pub list_id: Id<List>,
    pub title: String,
    pub seconds: i32,
    pub note: Option<String>,
}

#[plasma::args]
pub struct AddComment {
    pub id: Id<Comment>,
    pub task_id: Id<Task>,
    pub text: String,
}

#[plasma::args]
pub struct SetPriority {
    pub id: Id<Task>,
    pub priority: i32,
}

#[plasma::args]
pub struct Retitle {
    pub id: Id<Task>,
    pub title: String,
}

#[plasma::args]
pub struct AddTag {
    pub id: Id<Tag>,
    pub label: String,
}

#[plasma::args]
pub struct SetDraft {
    pub id: Id<Draft>,
    pub text: String,
}

pub struct Tasks;

#[plasma::mutators(App)]
impl Tasks {
    fn in_seconds(made_by: &str, mut args: Json) -> plasma::Result<Json> {
        if !matches!(made_by, "1" | "2") {
            return Ok(args);
        }
        match args["minutes"].as_i64() {
            Some(minutes) if minutes >= 0 => args["seconds"] = (minutes * 60).into(),
            _ => return Err(plasma::Error::rejected("no-time", "nobody can take that long")),
        }
        Ok(args)
    }

    pub async fn add_list(tx: &mut Tx<'_>, ctx: &Caller, args: AddList) -> plasma::Result<()> {
        tx.insert(NewList { name: args.name, owner: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    #[mutator(upgrade = Self::in_seconds)]
    pub async fn add_task(tx: &mut Tx<'_>, _: &Caller, args: AddTask) -> plasma::Result<()> {
        let new = NewTask { list_id: args.list_id, title: args.title }.with_id(args.id);
        tx.insert(new.with((Task::seconds.to(i64::from(args.seconds)), Task::note.to(args.note)))).await?;
        Ok(())
    }

    #[mutator(alias = "tasks.rename")]
    pub async fn retitle(tx: &mut Tx<'_>, _: &Caller, args: Retitle) -> plasma::Result<()> {
        tx.update(args.id).set(Task::title.to(args.title)).await
    }

    pub async fn add_comment(tx: &mut Tx<'_>, _: &Caller, args: AddComment) -> plasma::Result<()> {
        tx.insert(NewComment { task_id: args.task_id, text: args.text }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn set_priority(tx: &mut Tx<'_>, _: &Caller, args: SetPriority) -> plasma::Result<()> {
        tx.update(args.id).set(Task::priority.to(args.priority)).await
    }

    pub async fn add_tag(tx: &mut Tx<'_>, _: &Caller, args: AddTag) -> plasma::Result<()> {
        tx.insert(NewTag { label: args.label }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn set_draft(tx: &mut Tx<'_>, _: &Caller, args: SetDraft) -> plasma::Result<()> {
        tx.insert(NewDraft {}.with_id(args.id).with(Draft::body.to(args.text))).await?;
        Ok(())
    }
}

impl super::Version for App {
    async fn tasks(client: &plasma::client::Client<Self>) -> Vec<Known> {
        let tasks = client.all(Task::select().order_by(Task::title.asc())).await.expect("readable");
        tasks.into_iter().map(|task| (task.title, task.seconds / 60)).collect()
    }
    fn add_task(id: &str, list: &str, title: &str, minutes: i64) -> Json {
        serde_json::json!({ "id": id, "list_id": list, "title": title, "seconds": minutes * 60 })
    }
}
