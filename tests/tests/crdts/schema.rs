//! Polls that several change at once.

use plasma::prelude::*;

#[derive(Debug, Clone, PartialEq)]
pub struct Caller;

#[plasma::table(name = "polls", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Poll {
    pub id: Id<Poll>,
    #[column(unique)]
    pub name: String,
    pub likes: GCounter,
    pub votes: PnCounter,
    pub status: Lww<String>,
    pub tags: OrSet<String>,
    pub places: OrSet<i64>,
}

#[plasma::schema(version = "polls-1", ctx = Caller, tables(Poll), mutators(Polls))]
#[derive(Debug)]
pub struct App;
type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Open {
    pub id: Id<Poll>,
    pub name: String,
}

/// Counts a vote, for a poll that may be there under this name.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Count {
    pub id: Id<Poll>,
    pub name: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Tag {
    pub id: Id<Poll>,
    pub add: Vec<String>,
    pub remove: Vec<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Say {
    pub id: Id<Poll>,
    pub status: String,
}

/// One like for every poll.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct LikeAll {}

/// Stores the state that the caller has read.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Restore {
    pub id: Id<Poll>,
    pub likes: GCounter,
    pub tags: OrSet<String>,
    pub status: Lww<String>,
}

#[derive(Debug)]
pub struct Polls;

#[plasma::mutators(App)]
impl Polls {
    pub async fn open(tx: &mut Tx<'_>, _: &Caller, Open { id, name }: Open) -> plasma::Result<()> {
        let begun = (Poll::tags.add("new"), Poll::likes.increment(1), Poll::places.add(7), Poll::places.remove(7));
        let new = NewPoll { name, status: "open".to_owned().into() }.with(begun).with_id(id);
        let stored = tx.insert(new).returning().await?;
        assert_eq!((stored.likes.value(), stored.tags.values(), stored.places.len()), (1, vec!["new".to_owned()], 0));
        Ok(())
    }

    pub async fn count(tx: &mut Tx<'_>, _: &Caller, Count { id, name }: Count) -> plasma::Result<()> {
        let new = NewPoll { name, status: "open".to_owned().into() }.with(Poll::votes.increment(2)).with_id(id);
        let again = (Poll::votes.increment(5), Poll::votes.decrement(3));
        tx.insert(new).on_conflict_update(again).by(columns!(Poll::name)).await.map(drop)
    }

    pub async fn tag(tx: &mut Tx<'_>, _: &Caller, Tag { id, add, remove }: Tag) -> plasma::Result<()> {
        let changes = (
            add.iter().map(|tag| Poll::tags.add(tag)).collect::<Vec<_>>(),
            remove.iter().map(|tag| Poll::tags.remove(tag)).collect::<Vec<_>>(),
        );
        let after = tx.update(id).set(changes).returning().await?;
        assert!(add.iter().all(|tag| remove.contains(tag) || after.tags.contains(tag)));
        Ok(())
    }

    pub async fn say(tx: &mut Tx<'_>, _: &Caller, Say { id, status }: Say) -> plasma::Result<()> {
        tx.update(id).set(Poll::status.write(status)).await
    }

    pub async fn like_all(tx: &mut Tx<'_>, _: &Caller, _: LikeAll) -> plasma::Result<()> {
        let name = Poll::name.to(Poll::name);
        let polls =
            tx.update_where(Poll::likes.value().gte(0)).set((Poll::likes.increment(1), name)).returning().await?;
        assert!(polls.iter().all(|poll| poll.likes.value() > 0));
        Ok(())
    }

    pub async fn restore(tx: &mut Tx<'_>, _: &Caller, args: Restore) -> plasma::Result<()> {
        let poll = tx.need(args.id).await?;
        let whole = Poll { likes: args.likes, tags: args.tags, status: args.status, ..poll };
        tx.delete(args.id).await?;
        tx.insert(whole).await.map(drop)
    }
}
