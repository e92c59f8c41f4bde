//! The tables of the cooperative, and the schema that lists them.

pub mod device;
pub mod jobs;
pub mod people;
pub mod policies;
pub mod stock;
pub mod talk;
pub mod values;

use plasma::prelude::*;

pub use self::device::{Audit, Draft};
pub use self::jobs::{Invoice, Job, JobPatch, Line, NewInvoice, NewJob, NewLine};
pub use self::people::{Branch, Customer, NewBranch, NewCustomer, NewPerson, NewStaff, Person, Staff};
pub use self::stock::{NewPart, NewStock, Part, Stock};
pub use self::talk::{Comment, NewComment, NewNotice, NewPhoto, NewReaction, Notice, Photo, Reaction};
pub use self::values::{Checklist, Email, Emoji, Money, Priority, Role, Sku, Status};
use crate::mutators::{Billing, Board, Jobs, Office, Shelves, Talk};

/// What mutators and policies know about the caller.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// Who it is; none before somebody signed in.
    pub person: Option<Id<Person>>,
    /// Whether it is head office, which opens branches and keeps the catalogue.
    pub head_office: bool,
}

/// The schema: its version, who calls, every table, every set of mutators. Both sides are opened with it.
///
/// `lock` names the file that holds the shape of each version: `PLASMA_LOCK=write cargo test -p showcase plasma_lock`
/// writes it, and the build stops when the schema changes under a version that is locked. (It would be found under this
/// name by itself.)
#[plasma::schema(
    version = "2026-11",
    ctx = Caller,
    tables(Branch, Person, Staff, Customer, Part, Stock, Job, Line, Invoice, Comment, Reaction, Photo, Notice, Draft, Audit),
    mutators(Office, Jobs, Shelves, Talk, Board, Billing),
    lock = "plasma.lock"
)]
#[derive(Debug)]
pub struct App;

/// The transaction a mutator runs in.
pub type Tx<'a> = plasma::Tx<'a, App>;
