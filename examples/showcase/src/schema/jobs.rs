//! Repair jobs, what goes into them, and what is paid for them.

use plasma::prelude::*;
use plasma::{Conflict, Date, Fixed, Json};

use super::people::{Branch, Customer, Person};
use super::stock::Part;
use super::values::{Checklist, Money, Priority, Status};

/// A repair. Numbered by branch: `unique(branch_id, number)`. `index(..)` is for reading in that order. `patch(..)` makes
/// `JobPatch`, which a form fills in and a mutator applies: it names its columns, so that no client changes others.
#[plasma::table(
    name = "jobs",
    unique(branch_id, number),
    index(branch_id, status, on),
    patch(title, note, priority, due),
    resolve_conflict = Job::merge
)]
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Job {
    /// Row id.
    pub id: Id<Job>,
    /// Where.
    #[column(on_delete = cascade)]
    pub branch_id: Id<Branch>,
    /// The number on the ticket.
    pub number: i64,
    /// What is to be done.
    pub title: String,
    /// What nobody else should forget.
    pub note: Option<String>,
    /// How far it is.
    #[column(default = Status::Open)]
    pub status: Status,
    /// How urgent it is.
    #[column(default = Priority::Normal)]
    pub priority: Priority,
    /// Whose bicycle it is. A customer with jobs is not deleted.
    #[column(on_delete = restrict)]
    pub customer_id: Id<Customer>,
    /// Who does it. When that person leaves, nobody does.
    #[column(on_delete = set_null)]
    pub mechanic_id: Option<Id<Person>>,
    /// The job this one is a consequence of: a reference to its own table.
    #[column(on_delete = set_null)]
    pub follows: Option<Id<Job>>,
    /// The day it is booked for. `Job::on` is a function of every table and `on` a word of SQL, so the column is called
    /// `booked` in SQL and `Job::booked` here; the field keeps its name.
    #[column(name = "booked", accessor = booked)]
    pub on: Date,
    /// The day it was promised for.
    pub due: Option<Date>,
    /// What was looked at. The default of a JSON column is written as JSON.
    #[column(default = r#"{"fine":[],"worn":[]}"#)]
    pub checklist: Json<Checklist>,
    /// When it was accepted, by the clock of the device that did; the same in every run of the mutation.
    #[column(default = now)]
    pub created_at: Timestamp,
    /// When it was changed last.
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
}

impl Job {
    /// Somebody changed the job since this user saw it (`base`). `remote` is the row as the server has it, `local` the row
    /// as the mutation makes it. Two notes become one, and what is urgent for one side is urgent.
    fn merge(conflict: Conflict<'_, Job>) -> Job {
        let Conflict { base, local, remote } = conflict;
        let before = base.and_then(|base| base.note.as_ref());
        let note = match (&local.note, &remote.note) {
            (Some(ours), Some(theirs)) if ours != theirs && before != Some(theirs) => Some(format!("{theirs}; {ours}")),
            (ours, _) => ours.clone(),
        };
        let urgent = local.priority == Priority::High || remote.priority == Priority::High;
        Job { note, priority: if urgent { Priority::High } else { local.priority }, ..local.clone() }
    }
}

/// One line of a job's bill: a part, or work.
#[plasma::table(name = "lines", check = Line::qty.gt(0))]
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    /// Row id.
    pub id: Id<Line>,
    /// Of which job; it goes with it.
    #[column(on_delete = cascade)]
    pub job_id: Id<Job>,
    /// Which part, or none for work. `no_action` is what a foreign key does by itself: a part that is on a bill stays.
    #[column(on_delete = no_action)]
    pub part_id: Option<Id<Part>>,
    /// What the customer reads.
    pub text: String,
    /// How many: 32 bits, a number on the wire.
    #[column(default = 1)]
    pub qty: i32,
    /// What one costs on this bill: prices change, bills do not.
    pub unit_price: Money,
    /// The part of the price that is not asked, to four digits: `0.1500` is 15 %.
    pub discount: Option<Fixed<4>>,
}

/// What a customer paid for. One for each job (the id follows from the job's); made by the server alone.
#[plasma::table(name = "invoices", unique(branch_id, number))]
#[derive(Debug, Clone, PartialEq)]
pub struct Invoice {
    /// `Id::derive(job_id)`.
    pub id: Id<Invoice>,
    /// Whose number it has.
    #[column(on_delete = restrict)]
    pub branch_id: Id<Branch>,
    /// What was done.
    #[column(unique, on_delete = restrict)]
    pub job_id: Id<Job>,
    /// Without gaps, by branch.
    pub number: i64,
    /// The sum of the lines.
    pub total: Money,
    /// When.
    #[column(default = now)]
    pub issued_at: Timestamp,
    /// What the customer shows at the counter.
    pub pickup_code: String,
}
