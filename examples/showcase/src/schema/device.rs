//! What does not travel like the rest: drafts stay on the device, and the log is written by the server.

use plasma::prelude::*;

use super::jobs::Job;
use super::people::{Branch, Person};

/// A half-written comment. `local_only`: the table is on every side and never syncs, so it needs no policy. It is written
/// by `client.local(..)`, without a mutator. `crate` says where the library is found; it is only needed when a program
/// calls its dependency something else than `plasma`.
#[plasma::table(name = "drafts", local_only, crate = ::plasma)]
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Row id.
    pub id: Id<Draft>,
    /// About which job. The job may leave this device; the draft stays.
    #[column(unique, unconstrained)]
    pub job_id: Id<Job>,
    /// What was typed so far.
    pub text: String,
}

/// Who did what. The server writes it, around every policy; managers read it.
#[plasma::table(name = "audit")]
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// Row id.
    pub id: Id<Audit>,
    /// Where.
    #[column(on_delete = cascade)]
    pub branch_id: Id<Branch>,
    /// Who; none for a job of the server.
    #[column(on_delete = set_null)]
    pub person_id: Option<Id<Person>>,
    /// What.
    pub what: String,
    /// When the server did it, by its own clock.
    pub at: Timestamp,
    /// Which device asked, and which of its mutations it was; none for a job of the server.
    pub origin: Option<String>,
}
