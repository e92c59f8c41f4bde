//! The tables of the tracker and who may see them.

use plasma::prelude::*;
use plasma::query::Col;
use plasma::{Date, FileRef};
use serde::{Deserialize, Serialize};

use super::mutators::{Activity, Issues, Orgs};
use crate::apps::{Application, named};

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[column(as = int)]
pub enum Rank {
    Guest = 1,
    Member = 2,
    Admin = 3,
}

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[column(rename_all = "kebab-case")]
pub enum Status {
    Backlog,
    InProgress,
    Done,
    #[column(other)]
    Unknown,
}

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[column(as = int)]
pub enum Priority {
    Low = 1,
    Medium = 2,
    High = 3,
}

#[derive(plasma::Column, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[column(text)]
pub struct Slug(pub String);

#[plasma::table(name = "users", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    pub id: Id<User>,
    #[column(unique)]
    pub name: String,
}

#[plasma::table(name = "orgs")]
#[derive(Debug, Clone, PartialEq)]
pub struct Org {
    pub id: Id<Org>,
    #[column(unique)]
    pub slug: Slug,
    pub founder_id: Id<User>,
}

/// Membership: one row for each pair, its id follows from the pair.
#[plasma::table(name = "members", unique(org_id, user_id))]
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub id: Id<Member>,
    #[column(on_delete = cascade)]
    pub org_id: Id<Org>,
    #[column(on_delete = cascade)]
    pub user_id: Id<User>,
    pub rank: Rank,
}

/// `private` projects are for the members of the organisation, the others are for everybody who is signed in.
#[plasma::table(name = "projects")]
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub id: Id<Project>,
    #[column(on_delete = cascade)]
    pub org_id: Id<Org>,
    pub name: String,
    #[column(default = false)]
    pub private: bool,
}

#[plasma::table(
    name = "issues",
    unique(project_id, number),
    index(project_id, status, sort),
    patch(title, body, priority, due),
    check = Issue::points.gte(0)
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Issue {
    pub id: Id<Issue>,
    #[column(on_delete = cascade)]
    pub project_id: Id<Project>,
    pub number: i64,
    pub title: String,
    pub body: Option<String>,
    #[column(default = Status::Backlog)]
    pub status: Status,
    #[column(default = Priority::Medium)]
    pub priority: Priority,
    #[column(default = 0)]
    pub points: i32,
    pub sort: f64,
    #[column(on_delete = no_action)]
    pub creator_id: Id<User>,
    #[column(on_delete = set_null)]
    pub assignee_id: Option<Id<User>>,
    #[column(on_delete = set_null)]
    pub parent_id: Option<Id<Issue>>,
    pub due: Option<Date>,
    #[column(default = now)]
    pub created_at: Timestamp,
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
}

#[plasma::table(name = "labels")]
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    pub id: Id<Label>,
    #[column(on_delete = cascade)]
    pub project_id: Id<Project>,
    pub name: String,
}

/// Many to many.
#[plasma::table(name = "issue_labels", unique(issue_id, label_id))]
#[derive(Debug, Clone, PartialEq)]
pub struct IssueLabel {
    pub id: Id<IssueLabel>,
    #[column(on_delete = cascade)]
    pub issue_id: Id<Issue>,
    #[column(on_delete = cascade)]
    pub label_id: Id<Label>,
    #[column(on_delete = cascade)]
    pub project_id: Id<Project>,
}

#[plasma::table(name = "comments")]
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    pub id: Id<Comment>,
    #[column(on_delete = cascade)]
    pub issue_id: Id<Issue>,
    #[column(on_delete = cascade)]
    pub project_id: Id<Project>,
    pub author_id: Id<User>,
    pub body: String,
    #[column(file(max_size = "10 MiB"))]
    pub attachment: Option<FileRef>,
    #[column(default = now)]
    pub at: Timestamp,
}

/// What happened: written by the server only.
#[plasma::table(name = "log")]
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    pub id: Id<Log>,
    #[column(on_delete = cascade)]
    pub project_id: Id<Project>,
    pub user_id: Option<Id<User>>,
    pub what: String,
    pub at: Timestamp,
}

#[plasma::table(name = "drafts", local_only)]
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub id: Id<Draft>,
    #[column(unique, unconstrained)]
    pub issue_id: Id<Issue>,
    pub body: String,
}

/// Anonymous callers are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    pub user: Option<Id<User>>,
}

#[plasma::schema(
    version = "tracker-1",
    ctx = Ctx,
    tables(User, Org, Member, Project, Issue, Label, IssueLabel, Comment, Log, Draft),
    mutators(Orgs, Issues, Activity),
    lock = false
)]
pub struct App;
pub type Tx<'a> = plasma::Tx<'a, App>;

impl Application for App {
    fn caller(name: &str) -> Ctx {
        Ctx { user: (name != "nobody").then(|| named(name)) }
    }
}

/// The caller has at least this rank in the organisation the column refers to.
fn ranked<T: Table>(org: Col<T, Id<Org>>, ctx: &Ctx, rank: Rank) -> Filter<T> {
    let Some(me) = ctx.user else { return Filter::nothing() };
    org.in_query(Member::select().filter(Member::user_id.eq(me).and(Member::rank.gte(rank))).project(Member::org_id))
        .into()
}

/// Tables of a project have one rule: written once, for every table that says which column it is.
pub trait OfProject: Table {
    const PROJECT: Col<Self, Id<Project>>;
    fn visible(ctx: &Ctx) -> Filter<Self> {
        Self::PROJECT.has(Project::read(ctx)).into()
    }
    fn writable(ctx: &Ctx) -> Filter<Self> {
        Self::PROJECT.has(ranked(Project::org_id, ctx, Rank::Member)).into()
    }
}
impl OfProject for Issue {
    const PROJECT: Col<Self, Id<Project>> = Issue::project_id;
}
impl OfProject for Label {
    const PROJECT: Col<Self, Id<Project>> = Label::project_id;
}
impl OfProject for IssueLabel {
    const PROJECT: Col<Self, Id<Project>> = IssueLabel::project_id;
}
impl OfProject for Comment {
    const PROJECT: Col<Self, Id<Project>> = Comment::project_id;
}

impl Policy<Ctx> for Org {
    fn read(_: &Ctx) -> Filter<Org> {
        Filter::all()
    }
    /// The organisation and its first member come in one mutation: the rule is asked at its end.
    fn insert(ctx: &Ctx) -> Filter<Org> {
        let Some(me) = ctx.user else { return Filter::nothing() };
        let mine = Filter::from(Org::founder_id.eq(me));
        mine.and(Member::org_id.any(Member::user_id.eq(me).and(Member::rank.eq(Rank::Admin))))
    }
    const FROZEN: Columns<Org> = columns!(Org::founder_id);
}
plasma::alias!(
    /// The caller's membership, beside the one a rule is about.
    Mine = Member
);

impl Policy<Ctx> for Member {
    fn read(ctx: &Ctx) -> Filter<Member> {
        Filter::when(ctx.user.is_some())
    }
    /// An admin takes in others, a founder comes in alone. The rule sees the row that is being inserted, so "the caller is
    /// an admin" must be said by another row: else everybody is one who says so.
    fn insert(ctx: &Ctx) -> Filter<Member> {
        let Some(me) = ctx.user else { return Filter::nothing() };
        let admin = Mine::select()
            .correlate::<Member>()
            .filter(Mine::col(Member::org_id).eq(Member::org_id).and(Mine::col(Member::id).ne(Member::id)))
            .filter(Mine::col(Member::user_id).eq(me).and(Mine::col(Member::rank).eq(Rank::Admin)));
        let founder = Member::org_id.has(Org::founder_id.eq(me)).and(Member::user_id.eq(me));
        Filter::from(exists(admin)).or(founder)
    }
    fn update(ctx: &Ctx) -> Filter<Member> {
        ranked(Member::org_id, ctx, Rank::Admin)
    }
    /// Everybody may leave.
    fn delete(ctx: &Ctx) -> Filter<Member> {
        Self::update(ctx).or(Member::user_id.is(ctx.user))
    }
    const FROZEN: Columns<Member> = columns!(Member::org_id, Member::user_id);
}
impl Policy<Ctx> for Project {
    fn read(ctx: &Ctx) -> Filter<Project> {
        let public = Filter::from(!Project::private).and(Filter::when(ctx.user.is_some()));
        public.or(ranked(Project::org_id, ctx, Rank::Guest))
    }
    fn insert(ctx: &Ctx) -> Filter<Project> {
        ranked(Project::org_id, ctx, Rank::Admin)
    }
    fn update(ctx: &Ctx) -> Filter<Project> {
        Self::insert(ctx)
    }
}
impl Policy<Ctx> for Issue {
    fn read(ctx: &Ctx) -> Filter<Issue> {
        Self::visible(ctx)
    }
    /// Nobody writes in the name of somebody else; nobody takes an issue into another project (`update` asks before and
    /// after, and `FROZEN` forbids it anyway).
    fn insert(ctx: &Ctx) -> Filter<Issue> {
        Self::writable(ctx).and(Issue::creator_id.is(ctx.user))
    }
    fn update(ctx: &Ctx) -> Filter<Issue> {
        Self::writable(ctx)
    }
    fn delete(ctx: &Ctx) -> Filter<Issue> {
        Issue::project_id.has(ranked(Project::org_id, ctx, Rank::Admin)).into()
    }
    const FROZEN: Columns<Issue> = columns!(Issue::project_id, Issue::number, Issue::creator_id);
}
impl Policy<Ctx> for Label {
    fn read(ctx: &Ctx) -> Filter<Label> {
        Self::visible(ctx)
    }
    fn insert(ctx: &Ctx) -> Filter<Label> {
        Self::writable(ctx)
    }
}
impl Policy<Ctx> for IssueLabel {
    fn read(ctx: &Ctx) -> Filter<IssueLabel> {
        Self::visible(ctx)
    }
    fn insert(ctx: &Ctx) -> Filter<IssueLabel> {
        Self::writable(ctx)
    }
    fn delete(ctx: &Ctx) -> Filter<IssueLabel> {
        Self::writable(ctx)
    }
}
impl Policy<Ctx> for Comment {
    fn read(ctx: &Ctx) -> Filter<Comment> {
        Self::visible(ctx)
    }
    /// Whoever sees an issue of a public project may say something about it.
    fn insert(ctx: &Ctx) -> Filter<Comment> {
        Self::visible(ctx).and(Comment::author_id.is(ctx.user))
    }
    fn update(ctx: &Ctx) -> Filter<Comment> {
        Self::insert(ctx)
    }
    fn delete(ctx: &Ctx) -> Filter<Comment> {
        Self::insert(ctx).or(Comment::project_id.has(ranked(Project::org_id, ctx, Rank::Admin)))
    }
}
impl Policy<Ctx> for Log {
    fn read(ctx: &Ctx) -> Filter<Log> {
        Log::project_id.has(ranked(Project::org_id, ctx, Rank::Admin)).into()
    }
}
