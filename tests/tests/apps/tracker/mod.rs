//! An issue tracker: organisations, private and public projects, boards, labels, undo.

mod mutators;
mod schema;

use plasma::client::Client;
use plasma::prelude::*;
use plasma::query::{AnyQuery, Select};
use plasma::{Cursor, Date};

use self::mutators::*;
use self::schema::*;
use super::{Hosted, Place, device, named, refused, rejected, server, sync};

plasma::alias!(Assignee = User);
plasma::alias!(Twin = Issue);

/// What a board is filtered by; what is `None` filters nothing.
#[derive(Default)]
struct Wanted<'w> {
    text: Option<&'w str>,
    assignee: Option<Option<Id<User>>>,
    labels: Vec<Id<Label>>,
    without: Option<Id<Label>>,
}

fn board(project: Id<Project>, wanted: &Wanted<'_>) -> Select<Issue> {
    let mut query = Issue::select()
        .filter(Issue::project_id.eq(project))
        .filter(
            wanted.text.map(|text| Issue::title.lower().contains(&text.to_lowercase()).or(Issue::body.contains(text))),
        )
        .filter(wanted.assignee.map(|assignee| Issue::assignee_id.is(assignee)))
        .filter(wanted.without.map(|label| not(IssueLabel::issue_id.any(IssueLabel::label_id.eq(label)))));
    for label in &wanted.labels {
        query = query.filter(IssueLabel::issue_id.any(IssueLabel::label_id.eq(*label)));
    }
    query.order_by(Issue::sort.asc())
}

/// A card with the names of its two people and its labels.
#[derive(Debug, PartialEq)]
struct Card {
    number: i64,
    creator: String,
    assignee: Option<String>,
    labels: Vec<String>,
    comments: i64,
}

fn cards(project: Id<Project>) -> AnyQuery<Card> {
    Issue::select()
        .inner_join(Issue::creator_id)
        .left_join(Issue::assignee_id.join_as::<Assignee>())
        .filter(Issue::project_id.eq(project))
        .order_by(Issue::number.asc())
        .project((Issue::number, User::name, Assignee::col(User::name)))
        .with_many(
            IssueLabel::issue_id
                .rel(|link| link.inner_join(IssueLabel::label_id).order_by(Label::name.asc()).project(row::<Label>())),
        )
        .with_count(Comment::issue_id)
        .map(|(number, creator, assignee, labels, comments)| {
            let labels = labels.into_iter().map(|label: Label| label.name).collect();
            Card { number, creator, assignee, labels, comments }
        })
}

/// How many open issues each person has, most first.
fn load() -> AnyQuery<(Option<String>, i64, Option<i64>)> {
    Issue::select()
        .left_join(Issue::assignee_id)
        .filter(Issue::status.is_not_in([Status::Done]))
        .group_by(User::name)
        .having(count().gte(1).and(Issue::points.sum().gte(0)))
        .order_by(count().desc())
        .order_by_key(|name| name.asc())
        .limit(10)
        .project(|name| (name, count(), Issue::points.sum()))
        .any()
}

struct World {
    server: Hosted<App>,
    ann: Client<App>,
    bob: Client<App>,
    eve: Client<App>,
    org: Id<Org>,
    open: Id<Project>,
    private: Id<Project>,
}

/// None where there is no such database.
async fn world(place: Place) -> plasma::Result<Option<World>> {
    let Some(server) = server::<App>(place).await else { return Ok(None) };
    let (ann, bob, eve) = (device(&server, "ann").await, device(&server, "bob").await, device(&server, "eve").await);
    for (client, name) in [(&ann, "Ann"), (&bob, "Bob"), (&eve, "Eve")] {
        client.mutate(SignUp { name: name.into() }).await?;
    }
    sync(&[&ann, &bob, &eve]).await;
    let (org, open, private) = (ann.new_id(), ann.new_id(), ann.new_id());
    ann.mutate(Found { id: org, slug: Slug("acme".into()) }).await?;
    let labels = || vec!["bug".to_owned(), "later".to_owned()];
    let begin = |id, name: &str, private| Begin { id, org, name: name.into(), private, labels: labels() };
    ann.mutate(begin(open, "open", false)).await?;
    ann.mutate(begin(private, "private", true)).await?;
    ann.mutate(Invite { org, user: named("bob"), rank: Rank::Guest }).await?;
    ann.mutate(Invite { org, user: named("bob"), rank: Rank::Member }).await?;
    sync(&[&ann, &bob, &eve]).await;
    Ok(Some(World { server, ann, bob, eve, org, open, private }))
}

fn report(client: &Client<App>, project: Id<Project>, title: &str) -> Report {
    Report { id: client.new_id(), project, title: title.into(), parent: None, labels: vec![] }
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_team_works_on_a_board(place: Place) -> plasma::Result<()> {
    let Some(World { server, ann, bob, open, .. }) = world(place).await? else { return Ok(()) };
    // Both number offline; the server numbers without gaps.
    let crash = Report { labels: vec!["bug".into(), "new".into()], ..report(&ann, open, "Crash at start") };
    let typo = Report { labels: vec!["new".into()], ..report(&bob, open, "Typo") };
    ann.mutate(crash.clone()).await?;
    bob.mutate(typo.clone()).await?;
    let later = Report { parent: Some(crash.id), ..report(&bob, open, "Log the crash") };
    bob.mutate(later.clone()).await?;
    assert_eq!((bob.need(typo.id).await?.number, ann.need(crash.id).await?.number), (1, 1));
    sync(&[&ann, &bob, &ann]).await;
    let numbers = Issue::select().order_by(Issue::number.asc()).project((Issue::number, Issue::title));
    let wanted = [(1, "Crash at start"), (2, "Typo"), (3, "Log the crash")].map(|(n, title)| (n, title.to_owned()));
    assert_eq!(ann.all(numbers.clone()).await?, wanted);
    assert_eq!(bob.all(numbers).await?, wanted);

    // Both estimate, both count; below zero is refused by the table.
    ann.mutate(Estimate { id: crash.id, by: 3 }).await?;
    bob.mutate(Estimate { id: crash.id, by: 5 }).await?;
    sync(&[&ann, &bob, &ann]).await;
    assert_eq!(ann.need(crash.id).await?.points, 8);
    assert_eq!(ann.mutate(Estimate { id: crash.id, by: -9 }).await.expect_err("below zero").code(), "check");

    // Bulk, patch, comments.
    ann.mutate(Assign { ids: vec![crash.id, typo.id], to: Some(named("bob")) }).await?;
    let patch: IssuePatch = serde_json::from_str(r#"{"body":"100% of the time","due":"2026-12-01"}"#).expect("a patch");
    bob.mutate(Edit { id: crash.id, patch }).await?;
    bob.mutate(Say { id: bob.new_id(), issue: crash.id, body: "Mine".into() }).await?;
    sync(&[&ann, &bob, &ann]).await;
    let label = |name: &str| Id::<Label>::derive((open, name));
    ann.mutate(SetLabel { issue: typo.id, label: label("later"), on: true }).await?;
    ann.mutate(SetLabel { issue: typo.id, label: label("later"), on: true }).await?;
    ann.mutate(SetLabel { issue: typo.id, label: label("new"), on: false }).await?;
    sync(&[&ann, &bob, &ann]).await;

    let card = |number, creator: &str, assignee: Option<&str>, labels: &[&str], comments| Card {
        number,
        creator: creator.into(),
        assignee: assignee.map(str::to_owned),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        comments,
    };
    let cards_wanted = [
        card(1, "Ann", Some("Bob"), &["bug", "new"], 1),
        card(2, "Bob", Some("Bob"), &["later"], 0),
        card(3, "Bob", None, &[], 0),
    ];
    assert_eq!(bob.all(cards(open)).await?, cards_wanted);
    assert_eq!(server.db().as_ctx(&Ctx { user: Some(named("bob")) }).all(cards(open)).await?, cards_wanted);
    assert_eq!(bob.all(load()).await?, [(Some("Bob".into()), 2, Some(8)), (None, 1, Some(0))]);

    let titles = async |wanted: Wanted<'_>| bob.all(board(open, &wanted).project(Issue::title)).await;
    assert_eq!(titles(Wanted { text: Some("CRASH"), ..Wanted::default() }).await?, ["Crash at start", "Log the crash"]);
    assert_eq!(titles(Wanted { text: Some("100%"), ..Wanted::default() }).await?, ["Crash at start"]);
    assert_eq!(titles(Wanted { assignee: Some(None), ..Wanted::default() }).await?, ["Log the crash"]);
    assert_eq!(
        titles(Wanted { labels: vec![label("bug"), label("new")], ..Wanted::default() }).await?,
        ["Crash at start"]
    );
    assert_eq!(titles(Wanted { without: Some(label("bug")), ..Wanted::default() }).await?, ["Typo", "Log the crash"]);

    // Undo is a move back, unless somebody moved it since.
    let before = ann.need(typo.id).await?;
    let moved =
        MoveIssue { id: typo.id, before: (before.status, before.sort), after: (Status::InProgress, 0.5), undo: false };
    ann.mutate(moved.clone()).await?;
    assert_eq!(ann.need(typo.id).await?.status, Status::InProgress);
    ann.mutate(moved.inverse()).await?;
    assert_eq!(ann.need(typo.id).await?.status, Status::Backlog);
    ann.mutate(moved.clone()).await?;
    sync(&[&ann, &bob]).await;
    bob.mutate(MoveIssue { id: typo.id, before: moved.after, after: (Status::Done, 9.0), undo: false }).await?;
    bob.flush().await?;
    ann.mutate(moved.inverse()).await?;
    sync(&[&ann, &bob]).await;
    assert_eq!(
        (rejected(&ann).await, ann.need(typo.id).await?.status),
        (vec!["undo-conflict".to_owned()], Status::Done)
    );
    Ok(())
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn who_sees_and_changes_what(place: Place) -> plasma::Result<()> {
    let Some(World { server, ann, bob, eve, org, open, private }) = world(place).await? else { return Ok(()) };
    let (seen, secret) = (report(&ann, open, "Seen"), report(&ann, private, "Secret"));
    ann.mutate(seen.clone()).await?;
    ann.mutate(secret.clone()).await?;
    sync(&[&ann, &bob, &eve]).await;
    let counts = async |client: &Client<App>| -> plasma::Result<(u64, u64)> {
        client.read(async |tx| Ok((tx.count(Project::select()).await?, tx.count(Issue::select()).await?))).await
    };
    assert_eq!((counts(&ann).await?, counts(&bob).await?, counts(&eve).await?), ((2, 2), (2, 2), (1, 1)));
    let db = server.db();
    assert_eq!(db.as_ctx(&Ctx { user: None }).count(Issue::select()).await?, 0);
    // Under another name a table has the same rules.
    assert_eq!(db.as_ctx(&Ctx { user: Some(named("eve")) }).count(Twin::select()).await?, 1);
    let beside = Twin::select().correlate::<Issue>().filter(Twin::col(Issue::id).ne(Issue::id));
    let beside = Issue::select().filter(exists(beside));
    assert_eq!(db.trusted().count(beside.clone()).await?, 2);
    assert_eq!(db.as_ctx(&Ctx { user: Some(named("eve")) }).count(beside).await?, 0);

    // Eve may speak in the open project, and no more: her own device says so where it can, the server in any case.
    eve.mutate(Say { id: eve.new_id(), issue: seen.id, body: "Hello".into() }).await?;
    assert_eq!(refused(&eve, report(&eve, open, "Spam")).await, "unauthorized");
    // Nobody becomes an admin by saying so, or takes in an accomplice.
    for user in ["eve", "bob"] {
        assert_eq!(refused(&eve, Invite { org, user: named(user), rank: Rank::Admin }).await, "unauthorized");
    }
    sync(&[&ann, &bob, &eve]).await;
    assert_eq!(server.db().trusted().count(Member::select()).await?, 2);
    assert_eq!(ann.count(Comment::select()).await?, 1);
    // The log is for admins.
    assert_eq!((ann.count(Log::select()).await?, bob.count(Log::select()).await?), (2, 0));

    // An import of rows as a form has them; what the form says of number and creator does not count.
    let new = |title: &str| NewIssue {
        project_id: open,
        number: 99,
        title: title.into(),
        sort: 0.0,
        creator_id: named("eve"),
    };
    bob.mutate(Import { issues: vec![new("One"), new("Two")] }).await?;
    sync(&[&bob, &ann]).await;
    let by_bob = Issue::select().filter(Issue::creator_id.eq(named("bob"))).order_by(Issue::number.asc());
    assert_eq!(ann.all(by_bob.project(Issue::number)).await?, [2, 3]);

    // A page at a time; a draft that stays on the device; a job of the server.
    let pages = |after: Option<Cursor>| {
        Issue::select().order_by(Issue::due.asc().nulls_last()).order_by(Issue::title.asc()).limit(3).after(after)
    };
    let first = ann.page(pages(None)).await?;
    let second = ann.page(pages(first.next.clone())).await?;
    assert_eq!((first.rows.len(), second.rows.len(), second.next), (3, 1, None));
    bob.local(async |tx| tx.insert(NewDraft { issue_id: seen.id, body: "..".into() }).await).await?;
    assert_eq!(bob.count(Draft::select()).await?, 1);
    let done = (Status::Done, 1.0);
    ann.mutate(MoveIssue { id: seen.id, before: done, after: done, undo: false }).await?;
    sync(&[&ann]).await;
    let later = Timestamp::from_millis(i64::from(i32::MAX) * 1_000);
    for _ in 0..2 {
        let job = server.invoke(ArchiveDone { before: later }).as_ctx(&Ctx { user: None });
        job.key("night").await?;
    }
    sync(&[&ann, &eve]).await;
    assert_eq!((ann.count(Issue::select()).await?, ann.count(Comment::select()).await?), (3, 0));
    let due = Issue::select().filter(Issue::due.between(Date::constant(2026, 1, 1), Date::constant(2026, 12, 31)));
    assert!(!eve.exists(due).await?);
    // Two founders of one name: the second one learns of it.
    let acme = Found { id: eve.new_id(), slug: Slug("acme".into()) };
    assert_eq!(eve.mutate(acme).await.expect_err("it is taken").code(), "conflict");
    assert_eq!(eve.one(Org::select().filter(Org::slug.eq("acme"))).await?.id, org);
    Ok(())
}
