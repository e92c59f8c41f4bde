//! Comments, reactions, photos, and the notice board.

use plasma::prelude::*;
use plasma::{Error, FileRef, now};

use crate::schema::{
    App, Caller, Comment, Emoji, Job, NewComment, NewNotice, NewPhoto, NewReaction, Notice, Person, Photo, Reaction, Tx,
};

/// Says something about a job.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Say {
    /// The new row.
    pub id: Id<Comment>,
    /// About which.
    pub job: Id<Job>,
    /// As an answer to what.
    pub reply_to: Option<Id<Comment>>,
    /// What.
    #[arg(trim, len(1..=2_000))]
    pub body: String,
}

/// Takes back what one said, with every answer to it.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Retract {
    /// What.
    pub id: Id<Comment>,
}

/// Puts an emoji under a comment, or takes it away.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct React {
    /// Under which.
    pub comment: Id<Comment>,
    /// Which.
    pub emoji: Emoji,
    /// Whether it is to be there.
    pub on: bool,
}

/// Attaches a photo to a job.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AttachPhoto {
    /// The new row.
    pub id: Id<Photo>,
    /// To which.
    pub job: Id<Job>,
    /// The picture.
    pub picture: FileRef,
    /// The receipt.
    pub receipt: Option<FileRef>,
    /// A few bytes of it.
    #[arg(len(..=256))]
    pub preview: Vec<u8>,
}

/// Puts a notice on the board; the ones before it are no longer pinned.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct PinNotice {
    /// What it says.
    #[arg(trim, len(1..=500))]
    pub text: String,
}

/// What is said about jobs.
#[derive(Debug)]
pub struct Talk;

#[plasma::mutators(App)]
impl Talk {
    /// `talk.say`
    pub async fn say(tx: &mut Tx<'_>, caller: &Caller, args: Say) -> plasma::Result<()> {
        let Say { id, job, reply_to, body } = args;
        let new = NewComment { job_id: job, author_id: Self::me(caller)?, body };
        // `default = now` would store the same: `now()` is `tx.now()`, the time of the mutation and not of the run.
        let at = Comment::at.to(now());
        let stored: Comment = tx.insert(new.with((Comment::reply_to.to(reply_to), at)).with_id(id)).returning().await?;
        debug_assert_eq!(stored.at, tx.now());
        Ok(())
    }

    /// `talk.retract`
    pub async fn retract(tx: &mut Tx<'_>, caller: &Caller, args: Retract) -> plasma::Result<()> {
        let said: Comment = tx.delete(args.id).returning().await?;
        if Some(said.author_id) == caller.person { Ok(()) } else { Err(Error::unauthorized("somebody else said it")) }
    }

    /// The id follows from what makes a reaction the one it is, so a second tap meets the first, from any device. Parts
    /// of an id are ids, texts, numbers, days and moments.
    pub async fn react(tx: &mut Tx<'_>, caller: &Caller, args: React) -> plasma::Result<()> {
        let me = Self::me(caller)?;
        let word = match &args.emoji {
            Emoji::ThumbsUp => "thumbs-up",
            Emoji::PartyPopper => "party-popper",
            Emoji::Other(other) => other.as_str(),
        };
        let id = Id::<Reaction>::derive((args.comment, me, word));
        if args.on {
            let comment = tx.need(args.comment).await?;
            let new = NewReaction { comment_id: comment.id, job_id: comment.job_id, person_id: me, emoji: args.emoji };
            tx.insert(new.with_id(id)).on_conflict_ignore().await?;
        } else {
            // Deleting what is not there is fine here, so it is a condition and not `delete(id)`.
            tx.delete_where(Reaction::id.eq(id)).await?;
        }
        Ok(())
    }

    /// The limits of the columns (size, media type, `immutable`) are checked at the write.
    pub async fn attach_photo(tx: &mut Tx<'_>, _: &Caller, args: AttachPhoto) -> plasma::Result<()> {
        let AttachPhoto { id, job, picture, receipt, preview } = args;
        tx.insert(NewPhoto { job_id: job, picture, preview }.with(Photo::receipt.to(receipt)).with_id(id)).await?;
        Ok(())
    }

    fn me(caller: &Caller) -> plasma::Result<Id<Person>> {
        caller.person.ok_or_else(|| Error::unauthorized("sign in first"))
    }
}

/// The notice board, a set with a name of its own: `board.pin` is then `notices.pin` on the wire.
#[derive(Debug)]
pub struct Board;

#[plasma::mutators(App, name = "notices")]
impl Board {
    /// `update_where` with `returning()`: the rows afterwards. An id that the caller need not know is drawn by the
    /// insert, the same in every run.
    pub async fn pin(tx: &mut Tx<'_>, _: &Caller, args: PinNotice) -> plasma::Result<()> {
        let unpinned: Vec<Notice> = tx.update_where(Notice::pinned).set(Notice::pinned.to(false)).returning().await?;
        let pinned = unpinned.len() < 100;
        tx.insert(NewNotice { text: args.text }.with(Notice::pinned.to(pinned))).await?;
        Ok(())
    }
}
