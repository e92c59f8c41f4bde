//! What is said about a job: comments, reactions, photos, and the notice board.

use plasma::prelude::*;
use plasma::{Date, FileRef};

use super::jobs::Job;
use super::people::Person;
use super::values::Emoji;

/// A remark about a job, or an answer to one.
#[plasma::table(name = "comments", index(job_id, at))]
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// Row id.
    pub id: Id<Comment>,
    /// About which job.
    #[column(on_delete = cascade)]
    pub job_id: Id<Job>,
    /// Who says it.
    #[column(on_delete = cascade)]
    pub author_id: Id<Person>,
    /// The comment that is answered; the answers go with it.
    #[column(on_delete = cascade)]
    pub reply_to: Option<Id<Comment>>,
    /// What is said.
    pub body: String,
    /// A moment, in microseconds.
    #[column(default = now)]
    pub at: Timestamp,
}

/// One emoji of one person under one comment. `job_id` says again what the comment knows: a policy is followed over two
/// tables at most (reaction, job, staff), and the way over the comment would be one more.
#[plasma::table(name = "reactions")]
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction {
    /// `Id::derive((comment_id, person_id, emoji))`.
    pub id: Id<Reaction>,
    /// Under what.
    #[column(on_delete = cascade)]
    pub comment_id: Id<Comment>,
    /// The comment's job.
    #[column(on_delete = cascade)]
    pub job_id: Id<Job>,
    /// Whose.
    #[column(on_delete = cascade)]
    pub person_id: Id<Person>,
    /// Which.
    pub emoji: Emoji,
}

/// A picture of a bicycle. The row holds a reference (hash, size, media type) and the limits are checked at the write;
/// the bytes go to the store called `photos`.
#[plasma::table(name = "photos", blobs = "photos")]
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Row id.
    pub id: Id<Photo>,
    /// Of which job.
    #[column(on_delete = cascade)]
    pub job_id: Id<Job>,
    /// The picture: never replaced, sent as soon as there is a network.
    #[column(file(max_size = "5 MiB", mime("image/*"), immutable, upload = eager))]
    pub picture: FileRef,
    /// The receipt of a part, sent when there is nothing better to do.
    #[column(file(max_size = "1 MiB", mime("image/*", "application/pdf"), upload = lazy))]
    pub receipt: Option<FileRef>,
    /// A few bytes of the picture, in the row, to be seen at once.
    pub preview: Vec<u8>,
}

/// The notice board. `auth = open`: everybody may read and write every row, and there is no policy to write.
#[plasma::table(name = "notices", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Row id.
    pub id: Id<Notice>,
    /// What it says.
    pub text: String,
    /// Stays at the top.
    #[column(default = false)]
    pub pinned: bool,
    /// The day it was put up.
    #[column(default = now)]
    pub posted_on: Date,
}
