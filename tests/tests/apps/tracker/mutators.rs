//! What users of the tracker do.

use plasma::Error;
use plasma::prelude::*;

use super::schema::*;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct SignUp {
    #[arg(trim, len(1..=40))]
    pub name: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Found {
    pub id: Id<Org>,
    pub slug: Slug,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Invite {
    pub org: Id<Org>,
    pub user: Id<User>,
    pub rank: Rank,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Begin {
    pub id: Id<Project>,
    pub org: Id<Org>,
    #[arg(trim, len(1..=80))]
    pub name: String,
    pub private: bool,
    #[arg(len(..=20))]
    pub labels: Vec<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Report {
    pub id: Id<Issue>,
    pub project: Id<Project>,
    #[arg(trim, len(1..=200))]
    pub title: String,
    pub parent: Option<Id<Issue>>,
    /// Labels by name; an unknown one is made.
    pub labels: Vec<String>,
}

/// A row of the model as arguments: what a form works on. The mutator decides what of it counts.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Import {
    pub issues: Vec<NewIssue>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Edit {
    pub id: Id<Issue>,
    pub patch: IssuePatch,
}

/// Moves an issue on the board. `before` is what the user saw: the inverse of a move is a move, with the two exchanged.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct MoveIssue {
    pub id: Id<Issue>,
    pub before: (Status, f64),
    pub after: (Status, f64),
    /// An undo changes nothing that somebody else has changed since.
    pub undo: bool,
}

impl MoveIssue {
    /// What takes it back.
    pub fn inverse(&self) -> Self {
        MoveIssue { id: self.id, before: self.after, after: self.before, undo: true }
    }
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Assign {
    pub ids: Vec<Id<Issue>>,
    pub to: Option<Id<User>>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Estimate {
    pub id: Id<Issue>,
    #[arg(range(-99..=99))]
    pub by: i32,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetLabel {
    pub issue: Id<Issue>,
    pub label: Id<Label>,
    pub on: bool,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Say {
    pub id: Id<Comment>,
    pub issue: Id<Issue>,
    #[arg(trim, len(1..=10_000))]
    pub body: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct ArchiveDone {
    pub before: Timestamp,
}

pub struct Orgs;

#[plasma::mutators(App, name = "org")]
impl Orgs {
    pub async fn sign_up(tx: &mut Tx<'_>, ctx: &Ctx, SignUp { name }: SignUp) -> plasma::Result<()> {
        let me = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
        tx.insert(NewUser { name }.with_id(me)).await?;
        Ok(())
    }

    /// The organisation before its member; the rule of both is asked at the end.
    pub async fn found(tx: &mut Tx<'_>, ctx: &Ctx, Found { id, slug }: Found) -> plasma::Result<()> {
        let me = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
        tx.insert(NewOrg { slug, founder_id: me }.with_id(id)).await?;
        Self::put(tx, id, me, Rank::Admin).await
    }

    pub async fn invite(tx: &mut Tx<'_>, _: &Ctx, args: Invite) -> plasma::Result<()> {
        Self::put(tx, args.org, args.user, args.rank).await
    }

    async fn put(tx: &mut Tx<'_>, org: Id<Org>, user: Id<User>, rank: Rank) -> plasma::Result<()> {
        tx.insert(NewMember { org_id: org, user_id: user, rank }.with_id(Id::derive((org, user))))
            .on_conflict_update(Member::rank.to(rank))
            .await?;
        Ok(())
    }

    pub async fn begin(tx: &mut Tx<'_>, _: &Ctx, args: Begin) -> plasma::Result<()> {
        let Begin { id, org, name, private, labels } = args;
        tx.insert(NewProject { org_id: org, name }.with(Project::private.to(private)).with_id(id)).await?;
        let labels = labels.into_iter().map(|name| label(id, name));
        tx.insert_all(labels).await?;
        Ok(())
    }
}

/// A label exists once for each name.
fn label(project: Id<Project>, name: String) -> plasma::mutate::New<Label> {
    let id = Id::derive((project, name.as_str()));
    NewLabel { project_id: project, name }.with_id(id)
}

pub struct Issues;

#[plasma::mutators(App)]
impl Issues {
    pub async fn report(tx: &mut Tx<'_>, ctx: &Ctx, args: Report) -> plasma::Result<()> {
        let Report { id, project, title, parent, labels } = args;
        let creator_id = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
        let (number, sort) = Self::next(tx, project).await?;
        let new = NewIssue { project_id: project, number, title, sort, creator_id };
        tx.insert(new.with(Issue::parent_id.to(parent)).with_id(id)).await?;
        for name in labels {
            let label = tx.insert(label(project, name)).on_conflict_ignore().await?;
            Self::tag(tx, project, id, label.id).await?;
        }
        log(tx, ctx, project, format!("reported {number}")).await
    }

    /// The next number of the project, and the place behind the last.
    async fn next(tx: &mut Tx<'_>, project: Id<Project>) -> plasma::Result<(i64, f64)> {
        let last = Issue::select().filter(Issue::project_id.eq(project));
        let (number, sort) = tx.one(last.aggregate((Issue::number.max(), Issue::sort.max()))).await?;
        Ok((number.unwrap_or(0) + 1, sort.unwrap_or(0.0) + 1.0))
    }

    pub async fn import(tx: &mut Tx<'_>, ctx: &Ctx, args: Import) -> plasma::Result<()> {
        let creator_id = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
        for new in args.issues {
            let (number, sort) = Self::next(tx, new.project_id).await?;
            tx.insert(NewIssue { number, sort, creator_id, ..new }).await?;
        }
        Ok(())
    }

    pub async fn edit(tx: &mut Tx<'_>, _: &Ctx, Edit { id, patch }: Edit) -> plasma::Result<()> {
        tx.update(id).set(patch).await
    }

    pub async fn r#move(tx: &mut Tx<'_>, ctx: &Ctx, args: MoveIssue) -> plasma::Result<()> {
        let MoveIssue { id, before, after, undo } = args;
        let to = (Issue::status.to(after.0), Issue::sort.to(after.1));
        if undo {
            let untouched = all_of((Issue::id.eq(id), Issue::status.eq(before.0), Issue::sort.eq(before.1)));
            if tx.update_where(untouched).set(to).await? == 0 {
                return Err(Error::rejected("undo-conflict", "somebody moved it since"));
            }
        } else {
            tx.update(id).set(to).await?;
        }
        let issue = tx.need(id).await?;
        log(tx, ctx, issue.project_id, format!("moved {}", issue.number)).await
    }

    pub async fn assign(tx: &mut Tx<'_>, _: &Ctx, args: Assign) -> plasma::Result<()> {
        let many = args.ids.len() as u64;
        let changed = tx.update_where(Issue::id.is_in(args.ids)).set(Issue::assignee_id.to(args.to)).await?;
        if changed == many { Ok(()) } else { Err(Error::not_found("some of the issues are gone")) }
    }

    /// Two people add to one estimate while offline: both count.
    pub async fn estimate(tx: &mut Tx<'_>, _: &Ctx, args: Estimate) -> plasma::Result<()> {
        tx.update(args.id).set(Issue::points.to(Issue::points + args.by)).await
    }

    pub async fn label(tx: &mut Tx<'_>, _: &Ctx, SetLabel { issue, label, on }: SetLabel) -> plasma::Result<()> {
        if !on {
            tx.delete_where(IssueLabel::issue_id.eq(issue).and(IssueLabel::label_id.eq(label))).await?;
            return Ok(());
        }
        let project = tx.need(issue).await?.project_id;
        Self::tag(tx, project, issue, label).await
    }

    async fn tag(tx: &mut Tx<'_>, project: Id<Project>, issue: Id<Issue>, label: Id<Label>) -> plasma::Result<()> {
        let link = NewIssueLabel { issue_id: issue, label_id: label, project_id: project };
        tx.insert(link.with_id(Id::derive((issue, label)))).on_conflict_ignore().await?;
        Ok(())
    }

    pub async fn say(tx: &mut Tx<'_>, ctx: &Ctx, args: Say) -> plasma::Result<()> {
        let issue = tx.need(args.issue).await?;
        let author_id = ctx.user.ok_or_else(|| Error::unauthorized("sign in first"))?;
        let new = NewComment { issue_id: args.issue, project_id: issue.project_id, author_id, body: args.body };
        tx.insert(new.with_id(args.id)).await?;
        Ok(())
    }
}

/// The log: on the server there is somebody to trust.
async fn log(tx: &mut Tx<'_>, ctx: &Ctx, project: Id<Project>, what: String) -> plasma::Result<()> {
    let at = tx.received_at().unwrap_or(tx.now());
    if let Some(mut server) = tx.trusted() {
        server.insert(NewLog { project_id: project, what, at }.with(Log::user_id.to(ctx.user))).await?;
    }
    Ok(())
}

pub struct Activity;

#[plasma::mutators(App)]
impl Activity {
    #[mutator(server_only, name = "activity.archive-done")]
    pub async fn archive(tx: &mut Tx<'_>, _: &Ctx, args: ArchiveDone) -> plasma::Result<()> {
        let Some(mut server) = tx.trusted() else { return Ok(()) };
        let open_child = Issue::parent_id.any(Issue::status.ne(Status::Done));
        let done = Issue::status.eq(Status::Done).and(Issue::updated_at.lt(args.before)).and(not(open_child));
        server.delete_where(done).await?;
        Ok(())
    }
}
