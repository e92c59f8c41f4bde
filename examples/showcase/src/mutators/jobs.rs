//! Repair jobs and their lines.

use plasma::prelude::*;
use plasma::{Date, Error, Fixed, Json};

use crate::schema::{
    App, Branch, Caller, Checklist, Customer, Job, JobPatch, Line, Money, NewJob, NewLine, Part, Person, Priority,
    Status, Tx,
};

/// Accepts a bicycle.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AcceptJob {
    /// The new row.
    pub id: Id<Job>,
    /// Where.
    pub branch: Id<Branch>,
    /// Whose bicycle.
    pub customer: Id<Customer>,
    /// What is to be done.
    #[arg(trim, len(1..=200))]
    pub title: String,
    /// The day it is booked for.
    pub on: Date,
    /// The day it is promised for.
    pub due: Option<Date>,
    /// How urgent it is, when it is not `Normal`.
    pub priority: Option<Priority>,
    /// The job this one is a consequence of.
    pub follows: Option<Id<Job>>,
    /// What was looked at. An older client does not send it: an argument with a serde default may be added any time.
    #[serde(default)]
    pub checklist: Checklist,
}

/// What a form sends: the fields that were changed.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct EditJob {
    /// Which.
    pub id: Id<Job>,
    /// Absent stays, `null` clears.
    pub patch: JobPatch,
}

/// Somebody takes a job, or gives it back.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Assign {
    /// Which.
    pub id: Id<Job>,
    /// To whom.
    pub mechanic: Option<Id<Person>>,
}

/// A job goes on.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct SetStatus {
    /// Which.
    pub id: Id<Job>,
    /// To what.
    pub status: Status,
}

/// The booked day of the open jobs of a branch moves.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct MoveJob {
    /// Of which branch.
    pub branch: Id<Branch>,
    /// From which day.
    pub from: Date,
    /// To which day.
    pub to: Date,
}

/// One line, as it is added.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum NewItem {
    /// So many of a part, at the price of the catalogue.
    Part(Id<Part>, i32),
    /// Work, with its price.
    Work(String, Money),
}

/// Adds lines to a job's bill.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddLines {
    /// Of which job.
    pub job: Id<Job>,
    /// What.
    #[arg(len(1..=50))]
    pub items: Vec<NewItem>,
    /// What is taken off every line.
    pub discount: Option<Fixed<4>>,
}

/// Takes a line off.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RemoveLine {
    /// Which.
    pub id: Id<Line>,
}

/// Removes closed jobs of a branch that nobody paid anything for.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct TidyUp {
    /// Of which branch.
    pub branch: Id<Branch>,
}

/// Jobs: `jobs.accept`, ..
#[derive(Debug)]
pub struct Jobs;

#[plasma::mutators(App)]
impl Jobs {
    /// Numbering: the highest number of the branch, and one more. A mutator reads everything on the server, so the number
    /// that counts is right; the one a device shows while it is offline is a guess that the next pull corrects.
    pub async fn accept(tx: &mut Tx<'_>, caller: &Caller, args: AcceptJob) -> plasma::Result<()> {
        let signed_in = caller.person.ok_or_else(|| Error::unauthorized("sign in first"))?;
        let number = Self::next_number(tx, args.branch).await?;
        let AcceptJob { id, branch, customer, title, on, due, priority, follows, checklist } = args;
        let new = NewJob { branch_id: branch, number, title, customer_id: customer, on };
        let more = (Job::due.to(due), Job::follows.to(follows), Job::checklist.to(Json(checklist)));
        // What is urgent is done by whoever accepts it.
        let urgent = (priority == Some(Priority::High)).then(|| Job::mechanic_id.to(signed_in));
        tx.insert(new.with(more).with((priority.map(|priority| Job::priority.to(priority)), urgent)).with_id(id))
            .await?;
        Ok(())
    }

    /// A fn without `pub` is a helper and no mutator.
    async fn next_number(tx: &mut Tx<'_>, branch: Id<Branch>) -> plasma::Result<i64> {
        let highest = Job::select().filter(Job::branch_id.eq(branch)).aggregate(Job::number.max());
        Ok(tx.one(highest).await?.unwrap_or(0) + 1)
    }

    /// A patch is a change like any other, and may stand beside others.
    pub async fn edit(tx: &mut Tx<'_>, _: &Caller, EditJob { id, patch }: EditJob) -> plasma::Result<()> {
        tx.update(id).set(patch).await
    }

    /// `jobs.assign`
    pub async fn assign(tx: &mut Tx<'_>, _: &Caller, args: Assign) -> plasma::Result<()> {
        tx.update(args.id).set(Job::mechanic_id.to(args.mechanic)).await
    }

    /// A rule that needs the row: closed is closed. The error is a rejection with a code of the application's own; it
    /// stays in `client.outcomes()` with the arguments.
    pub async fn set_status(tx: &mut Tx<'_>, _: &Caller, args: SetStatus) -> plasma::Result<()> {
        let job = tx.need(args.id).await?;
        if job.status == Status::Closed {
            return Err(Error::rejected("closed", format!("job {} is closed", job.number)));
        }
        tx.update(args.id).set(Job::status.to(args.status)).await
    }

    /// Every row that satisfies a condition. `r#move` is called `jobs.move` on the wire.
    pub async fn r#move(tx: &mut Tx<'_>, _: &Caller, args: MoveJob) -> plasma::Result<()> {
        let here = Job::branch_id.eq(args.branch).and(Job::booked.eq(args.from));
        let moved: u64 = tx.update_where(here.and(Job::status.eq(Status::Open))).set(Job::booked.to(args.to)).await?;
        if moved == 0 { Err(Error::not_found("nothing is booked on that day")) } else { Ok(()) }
    }

    /// `insert_all` inserts rows of one table and returns their ids, which every run of the mutation draws alike.
    pub async fn add_lines(tx: &mut Tx<'_>, _: &Caller, args: AddLines) -> plasma::Result<()> {
        let mut lines = Vec::new();
        for item in args.items {
            let (text, unit_price, more) = match item {
                NewItem::Part(id, qty) => {
                    let part = tx.need(id).await?;
                    (part.name, part.price, (Line::part_id.to(id), Line::qty.to(qty)))
                }
                NewItem::Work(text, price) => (text, price, (Line::part_id.to(None::<Id<Part>>), Line::qty.to(1))),
            };
            lines.push(NewLine { job_id: args.job, text, unit_price }.with((more, Line::discount.to(args.discount))));
        }
        let many = lines.len();
        let ids: Vec<Id<Line>> = tx.insert_all(lines).await?;
        debug_assert_eq!(ids.len(), many);
        Ok(())
    }

    /// Without the row it fails with `not-found`; `delete_where` is the lenient form.
    pub async fn remove_line(tx: &mut Tx<'_>, _: &Caller, args: RemoveLine) -> plasma::Result<()> {
        tx.delete(args.id).await
    }

    /// A condition over other tables in a write: jobs without a line. `returning()` gives what was deleted, and the
    /// condition of the second statement is made from it.
    pub async fn tidy_up(tx: &mut Tx<'_>, _: &Caller, args: TidyUp) -> plasma::Result<()> {
        let done = Job::branch_id.eq(args.branch).and(Job::status.eq(Status::Closed));
        let unpaid = done.and(not(Line::job_id.any(Filter::<Line>::all())));
        let gone: Vec<Job> = tx.delete_where(unpaid).returning().await?;
        let customers = gone.iter().map(|job| job.customer_id);
        tx.update_where(Customer::id.is_in(customers)).set(Customer::phone.to(None::<String>)).await?;
        Ok(())
    }
}
