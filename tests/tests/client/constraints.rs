//! What happens to two writes that one constraint allows once, and how the application reads it.

use plasma::client::{OutcomeStatus, SqliteStore};
use plasma::{Constraint, ErrorKind, Violation};

use super::*;

/// Takes a free seat.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Book {
    /// Its id.
    pub id: Id<Seat>,
    /// Where it is.
    pub label: String,
    /// What is to be said about it.
    pub note_id: Option<Id<Note>>,
}

/// Takes a seat from whoever has it.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Take {
    /// Where it is.
    pub label: String,
}

/// The mutators of seats.
pub struct Seats;

#[plasma::mutators(App)]
impl Seats {
    /// Refused when somebody has it.
    pub async fn book(tx: &mut Tx<'_>, ctx: &Ctx, args: Book) -> Result<()> {
        let seat = NewSeat { label: args.label, holder: ctx.user.clone() };
        tx.insert(seat.with(Seat::note_id.to(args.note_id)).with_id(args.id)).await?;
        Ok(())
    }

    /// Whoever takes it last has it.
    pub async fn take(tx: &mut Tx<'_>, ctx: &Ctx, args: Take) -> Result<()> {
        let holder = ctx.user.clone();
        tx.insert(NewSeat { label: args.label, holder: holder.clone() })
            .on_conflict_update(Seat::holder.to(holder))
            .await?;
        Ok(())
    }
}

async fn holders(client: &Client<App>) -> Vec<(String, String)> {
    client.all(Seat::select().order_by(Seat::label.asc()).project((Seat::label, Seat::holder))).await.expect("readable")
}

fn seat(label: &str, holder: &str) -> (String, String) {
    (label.to_owned(), holder.to_owned())
}

fn unique(violation: Option<Violation>) -> Vec<String> {
    let violation = violation.expect("the constraint is named");
    assert_eq!((violation.constraint, violation.table.as_deref()), (Constraint::Unique, Some("seats")));
    violation.columns
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn of_two_offline_inserts_with_one_unique_value_the_second_is_rejected(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let a = client_of(&server, "alice", SqliteStore::in_memory()).offline(true).open().await.expect("opened");
    let b = client_of(&server, "bob", SqliteStore::in_memory()).offline(true).open().await.expect("opened");
    let book = |client: &Client<App>, label: &str| Book { id: client.new_id(), label: label.into(), note_id: None };
    let first = a.mutate(book(&a, "A1")).await.expect("free here");
    let second = b.mutate(book(&b, "A1")).await.expect("free here, too");
    let other = b.mutate(book(&b, "B2")).await.expect("free");
    // On one device the same constraint refuses at once, and nothing is queued.
    let here = b.mutate(book(&b, "A1")).await.expect_err("taken here");
    assert_eq!(unique(here.violation()), ["label"]);
    assert_eq!((holders(&b).await.len(), b.status().get().pending), (2, 2));

    for client in [&a, &b] {
        client.set_offline(false).await.expect("switched");
        client.flush().await.expect("pushed");
        client.pull_once().await.expect("pulled");
    }
    soon(first.acknowledged()).await.expect("it was first");
    soon(other.acknowledged()).await.expect("what came after the rejected one counts");
    let rejected = soon(second.acknowledged()).await.expect_err("it was second");
    assert_eq!(rejected.kind(), ErrorKind::Conflict);
    assert_eq!(rejected.violation(), here.violation(), "the server says what the client says");
    assert_eq!(rejected.message(), here.message());
    assert_eq!(holders(&b).await, [seat("A1", "alice"), seat("B2", "bob")], "the optimistic row is gone");
    // It is kept until somebody looks at it, its arguments too.
    let outcomes = b.outcomes().await.expect("read");
    let kept = outcomes.iter().find(|outcome| outcome.status == OutcomeStatus::Rejected).expect("kept");
    assert_eq!(unique(kept.result().expect_err("rejected").violation()), ["label"]);
    assert!(kept.args.as_deref().is_some_and(|args| args.contains("A1")));
    a.pull_once().await.expect("pulled");
    assert_eq!(holders(&a).await, holders(&b).await);
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn of_two_offline_upserts_the_second_changes_the_row_of_the_first(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let a = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    let b = client_of(&server, "bob", SqliteStore::in_memory()).open().await.expect("opened");
    let seats = b.live(Seat::select());
    let receipts = [
        a.mutate(Take { label: "A1".into() }).await.expect("applied"),
        b.mutate(Take { label: "A1".into() }).await.expect("applied"),
    ];
    a.flush().await.expect("pushed");
    // Alice's row comes under Bob's, which was an insert here and is an update now.
    b.pull_once().await.expect("pulled");
    assert_eq!(holders(&b).await, [seat("A1", "bob")]);
    b.flush().await.expect("pushed");
    for client in [&a, &b] {
        client.pull_once().await.expect("pulled");
        assert_eq!(holders(client).await, [seat("A1", "bob")]);
    }
    for receipt in receipts {
        soon(receipt.acknowledged()).await.expect("both count");
    }
    assert_eq!(seats.rows().len(), 1);
    assert_eq!(seats.rows()[0].id, a.one(Seat::select()).await.expect("one").id, "one row, the first one's");
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn a_reference_to_nothing_is_named_by_the_server(place: Place) {
    let Some(server) = Server::new(place).await else { return };
    let client = client_of(&server, "alice", SqliteStore::in_memory()).open().await.expect("opened");
    // A client holds what it may see: a parent that is not here may be there.
    let book = Book { id: client.new_id(), label: "A1".into(), note_id: Some(client.new_id()) };
    let receipt = client.mutate(book).await.expect("applied here");
    client.flush().await.expect("pushed");
    let error = soon(receipt.acknowledged()).await.expect_err("there is no such note");
    let violation = error.violation().expect("named");
    assert_eq!((violation.constraint, violation.table.as_deref()), (Constraint::ForeignKey, Some("seats")));
    assert_eq!(violation.columns, ["note_id"]);
    assert!(error.message().contains("`seats.note_id`"), "{error}");
}
