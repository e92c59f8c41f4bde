//! Version 1.

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

#[plasma::schema(version = "1", ctx = Caller, tables(List, Task, Draft), mutators(Tasks), lock = "tests/versions/app.lock")]
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
}

#[plasma::args]
pub struct Rename {
    pub id: Id<Task>,
    pub title: String,
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
        tx.insert(new.with(Task::minutes.to(args.minutes))).await?;
        Ok(())
    }

    pub async fn rename(tx: &mut Tx<'_>, _: &Caller, args: Rename) -> plasma::Result<()> {
        tx.update(args.id).set(Task::title.to(args.title)).await
    }

    pub async fn set_draft(tx: &mut Tx<'_>, _: &Caller, args: SetDraft) -> plasma::Result<()> {
        tx.insert(NewDraft { text: args.text }.with_id(args.id)).await?;
        Ok(())
    }
}

version!(
    const RETITLE: &'static str = "tasks.rename";
);
