//! What only the server does: invoices, the log, the work of the night.

use plasma::mutate::{Location, Reason};
use plasma::prelude::*;
use plasma::{Date, Error, Trusted, Upserted};

use crate::schema::device::NewAudit;
use crate::schema::{App, Audit, Branch, Caller, Invoice, Job, Line, Money, NewInvoice, Status, Tx};

/// Makes the invoice of a job.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct IssueInvoice {
    /// Of which job.
    pub job: Id<Job>,
}

/// Closes what nobody asked for any more.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct CancelStale {
    /// What was due before.
    pub before: Date,
}

/// Invoices: `billing.issue-invoice`, `billing.cancel_stale`.
#[derive(Debug)]
pub struct Billing;

#[plasma::mutators(App)]
impl Billing {
    fn say_before(made_by: &str, mut args: serde_json::Value) -> plasma::Result<serde_json::Value> {
        if let ("2026-06", Some(members)) = (made_by, args.as_object_mut())
            && let Some(until) = members.remove("until")
        {
            members.insert("before".to_owned(), until);
        }
        Ok(args)
    }

    /// `server_only`: a client queues it, the server runs it. `name` says what it is called on the wire.
    #[mutator(server_only, name = "billing.issue-invoice")]
    pub async fn issue(tx: &mut Tx<'_>, caller: &Caller, args: IssueInvoice) -> plasma::Result<()> {
        let job = tx.need(args.job).await?;
        if job.status != Status::ReadyForPickup {
            return Err(Error::rejected("not-ready", "the bicycle is not ready"));
        }
        // No policy lets anybody insert an invoice. `trusted()` is the transaction with the server's rights, and there is
        // none on a client.
        let code = Self::pickup_code(tx);
        let mut server = tx.trusted().ok_or_else(|| Error::internal("a server_only mutator ran on a client"))?;
        // The total is calculated by the database: quantity times price, summed.
        let sum = Line::select().filter(Line::job_id.eq(args.job)).aggregate((Line::unit_price * Line::qty).sum());
        let total = server.one(sum).await?.unwrap_or(Money::cents(0));
        let number = Self::next_number(&mut server, job.branch_id).await?;
        let new = NewInvoice { branch_id: job.branch_id, job_id: args.job, number, total, pickup_code: code };
        let Upserted { inserted, .. } = server.insert(new.with_id(Id::derive(args.job))).on_conflict_ignore().await?;
        if !inserted {
            return Err(Error::conflict("the job has its invoice already"));
        }
        tx.update(args.job).set(Job::status.to(Status::Closed)).await?;
        Self::log(tx, caller, job, "invoice").await
    }

    /// The work of the night: `server.invoke(CancelStale { .. }).key("2026-11-21")` runs it once.
    /// A device that was not updated yet calls it by its former name, and says `until`.
    #[mutator(server_only, alias = "billing.cancel", upgrade = Self::say_before)]
    pub async fn cancel_stale(tx: &mut Tx<'_>, caller: &Caller, args: CancelStale) -> plasma::Result<()> {
        let stale = Job::due.lt(args.before).and(Job::status.eq(Status::Open));
        let Some(mut server) = tx.trusted() else { return Ok(()) };
        let note = "nobody asked for it any more";
        let closed =
            server.update_where(stale).set((Job::status.to(Status::Closed), Job::note.to(note))).returning().await?;
        for job in closed {
            Self::log(tx, caller, job, "stale").await?;
        }
        Ok(())
    }

    /// Raw SQL that reads, for what the typed queries do not say. It obeys no policy, so only a trusted transaction has it.
    async fn next_number(server: &mut Trusted<'_, App>, branch: Id<Branch>) -> plasma::Result<i64> {
        let sql = "SELECT coalesce(max(number), 0) + 1 FROM invoices WHERE branch_id = ?";
        let next: Vec<i64> = server.sql(plasma::sql(sql, (branch,))).await?;
        next.first().copied().ok_or_else(|| Error::internal("an aggregate has one row"))
    }

    /// Randomness that every run of a mutation agrees on. (In an `async fn` that awaits nothing else than `tx`, there is
    /// nothing else that two runs could disagree about.)
    fn pickup_code(tx: &Tx<'_>) -> String {
        let letter = char::from(b'A' + u8::try_from(tx.random_below(26)).unwrap_or(0));
        let mut tail = [0; 2];
        tx.random_bytes(&mut tail);
        format!("{letter}{:04}-{:02x}{:02x}", tx.random::<u32>() % 10_000, tail[0], tail[1])
    }

    /// The log. On the server alone there is somebody to trust; its ids come from a stream of their own, so that a row
    /// the device does not write does not shift the ids of the rows after it.
    async fn log(tx: &mut Tx<'_>, caller: &Caller, job: Job, what: &str) -> plasma::Result<()> {
        // Where and why a mutator runs, who asked. What is decided by these may differ between the two sides; the log does
        // not exist on a device, so nothing can.
        debug_assert!(tx.is_server() && tx.location() == Location::Server && tx.reason() == Reason::Authoritative);
        let origin = tx.client_id().map(|client| format!("{client} #{}", tx.mutation_id().unwrap_or(0)));
        let at = tx.received_at().unwrap_or(tx.now());
        let Some(mut server) = tx.trusted() else { return Ok(()) };
        let new = NewAudit { branch_id: job.branch_id, what: format!("{what} {}", job.number), at };
        // `new_id` is the next id of the table in this run, `new_id_for` the one that belongs to a label: it stays when a
        // branch before it draws more ids or fewer.
        let id = if what == "invoice" { server.new_id_for::<Audit>(what) } else { server.new_id::<Audit>() };
        server.insert(new.with((Audit::person_id.to(caller.person), Audit::origin.to(origin))).with_id(id)).await?;
        Ok(())
    }
}

/// The id of a job's invoice.
pub fn invoice_of(job: Id<Job>) -> Id<Invoice> {
    Id::derive(job)
}
