//! Version 2: tasks have notes, there are tags, and renaming is called retitling.

use plasma::Conflict;
use plasma::prelude::*;

use super::{Caller, policies, version};

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
    pub minutes: i32,
    pub note: Option<String>,
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
    pub text: String,
}

fn merge(conflict: Conflict<'_, Task>) -> Task {
    let Conflict { local, remote, .. } = conflict;
    Task { title: format!("{} & {}", remote.title, local.title), ..local.clone() }
}

policies!();

#[plasma::schema(version = "2", ctx = Caller, tables(List, Task, Tag, Draft), mutators(Tasks), lock = "tests/versions/app.lock")]
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
    pub minutes: i32,
    pub note: Option<String>,
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
    pub async fn add_list(tx: &mut Tx<'_>, ctx: &Caller, args: AddList) -> plasma::Result<()> {
        tx.insert(NewList { name: args.name, owner: ctx.user.clone() }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn add_task(tx: &mut Tx<'_>, _: &Caller, args: AddTask) -> plasma::Result<()> {
        let new = NewTask { list_id: args.list_id, title: args.title }.with_id(args.id);
        tx.insert(new.with((Task::minutes.to(args.minutes), Task::note.to(args.note)))).await?;
        Ok(())
    }

    #[mutator(alias = "tasks.rename")]
    pub async fn retitle(tx: &mut Tx<'_>, _: &Caller, args: Retitle) -> plasma::Result<()> {
        tx.update(args.id).set(Task::title.to(args.title)).await
    }

    pub async fn add_tag(tx: &mut Tx<'_>, _: &Caller, args: AddTag) -> plasma::Result<()> {
        tx.insert(NewTag { label: args.label }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn set_draft(tx: &mut Tx<'_>, _: &Caller, args: SetDraft) -> plasma::Result<()> {
        tx.insert(NewDraft { text: args.text }.with_id(args.id)).await?;
        Ok(())
    }
}

version!();
