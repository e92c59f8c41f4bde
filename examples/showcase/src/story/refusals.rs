//! What is refused, by whom, and how a program learns of it.

use plasma::client::OutcomeStatus;
use plasma::prelude::*;

use super::Cast;
use crate::mutators::{EditJob, Hire, OpenBranch, Refused, Resign, Say, SetStatus, Take};
use crate::queries::conditions::day;
use crate::report::Report;
use crate::schema::{Audit, Branch, Caller, Customer, Invoice, Job, JobPatch, Role, Status, Stock};
use crate::world::{World, caller, person};

fn told(error: &plasma::Error) -> String {
    format!("{}: {}", error.code(), error.message())
}

/// Meets them.
///
/// # Errors
/// When something is not refused.
pub(super) async fn meet(world: &World, cast: &Cast, out: &mut Report) -> plasma::Result<()> {
    out.chapter("What is refused");
    let none = || plasma::Error::internal("it was not refused");

    // By the rules of the arguments, all at once, before anything runs.
    let args = Hire {
        person: world.dee.new_id(),
        name: "Line Manager".into(),
        email: "nowhere".into(),
        branch: world.zuid,
        role: Role::Manager,
    };
    let error = world.dee.mutate(args).await.err().ok_or_else(none)?;
    let broken: Vec<String> = error
        .data()
        .and_then(|data| data["fields"].as_array())
        .into_iter()
        .flatten()
        .map(|field| format!("{} {}", field["field"].as_str().unwrap_or("?"), field["message"].as_str().unwrap_or("?")))
        .collect();
    out.list(&format!("a bad hire is {}", error.code()), broken);

    // By the mutator, with a rejection of its own.
    let take = Take { branch: world.zuid, part: cast.part("TYRE-28")?, qty: 10 };
    let error = world.ben.mutate(take).await.err().ok_or_else(none)?;
    let Some(Refused::OutOfStock { left, .. }) = error.parse() else { return Err(error) };
    out.say(&format!("{} ({left})", told(&error)));
    // By the policy, already on the device where it has the rows.
    let error = world
        .ben
        .mutate(OpenBranch {
            id: world.ben.new_id(),
            name: "Ben's own".into(),
            opened_on: day(1),
            utc_offset: 0,
            latitude: 0.0,
            hourly_rate: None,
        })
        .await
        .err()
        .ok_or_else(none)?;
    out.say(&told(&error));
    // By a unique column; the violation names it.
    let open = OpenBranch {
        id: world.head.new_id(),
        name: "Noord".into(),
        opened_on: day(1),
        utc_offset: 0,
        latitude: 0.0,
        hourly_rate: None,
    };
    let error = world.head.mutate(open).await.err().ok_or_else(none)?;
    let violation = error.violation().ok_or_else(none)?;
    out.say(&format!(
        "{}: {:?} of {:?} {:?}",
        error.code(),
        violation.constraint,
        violation.table.unwrap_or_default(),
        violation.columns
    ));

    // By the server, of what a device could not know: two people take the last part while they are offline.
    let lamp = || -> plasma::Result<Take> { Ok(Take { branch: world.noord, part: cast.part("LAMP-F")?, qty: 1 }) };
    let (first, second) = (world.ada.mutate(lamp()?).await?, world.ben.mutate(lamp()?).await?);
    world.sync().await?;
    first.acknowledged().await?;
    let error = second.acknowledged().await.err().ok_or_else(none)?;
    out.say(&format!("the second one to take the last lamp: {}", told(&error)));
    let rejected: Vec<_> =
        world.ben.outcomes().await?.into_iter().filter(|outcome| outcome.status == OutcomeStatus::Rejected).collect();
    out.say(&format!("{} rejection stays on Ben's device: {}", rejected.len(), rejected[0].name));
    out.say(&format!(
        "as a type: {}",
        rejected[0].parse() == Some(Refused::OutOfStock { part: cast.part("LAMP-F")?, left: 0 })
    ));
    let left = world.ada.one(Stock::select().filter(Stock::part_id.eq(cast.part("LAMP-F")?))).await?;
    out.say(&format!("{} lamps left, the shelf wants {} by now", left.qty, left.reorder_at));
    // By the rules of the row that is there.
    let closed = SetStatus { id: cast.job("Flat tyre, rear")?, status: Status::Open };
    out.say(&told(&world.ada.mutate(closed).await.err().ok_or_else(none)?));

    // By nobody: two people write a note on one job while both are offline, and the table says what becomes of it
    // (`resolve_conflict`).
    let job = cast.job("New chain")?;
    let note = |note: &str| JobPatch { note: Some(Some(note.into())), ..JobPatch::default() };
    world.ada.mutate(EditJob { id: job, patch: note("call first") }).await?;
    world.ben.mutate(EditJob { id: job, patch: note("the gears slip, too") }).await?;
    world.sync().await?;
    world.sync().await?;
    let (ada, ben) = (world.ada.need(job).await?.note, world.ben.need(job).await?.note);
    out.say(&format!("both notes stay: {}; on both devices: {}", ada.clone().unwrap_or_default(), ada == ben));

    // A mutation by its name, as a tool has it.
    let args = serde_json::json!({ "id": world.ada.new_id::<Customer>(), "branch": world.noord, "name": "  Smit ", "phone": null, "bikes": [] });
    world.ada.mutate_named("office.register_customer", &args).await?;
    world.sync().await?;
    let smit = world
        .ada
        .one(Customer::select().order_by(Customer::name.desc()).filter(Customer::name.starts_with("S")))
        .await?;
    out.say(&format!("{:?} has {} bicycles", smit.name, smit.bikes.0.len()));

    out.chapter("Who sees what");
    let counts = async |who: &Caller| -> plasma::Result<[u64; 4]> {
        let db = world.server.db();
        let db = db.as_ctx(who);
        Ok([
            db.count(Branch::select()).await?,
            db.count(Job::select()).await?,
            db.count(Invoice::select()).await?,
            db.count(Audit::select()).await?,
        ])
    };
    let guest = Caller { person: None, head_office: false };
    for (name, who) in [
        ("a guest", guest),
        ("head office", caller("head")),
        ("Ada", caller("ada")),
        ("Ben", caller("ben")),
        ("Dee", caller("dee")),
    ] {
        let [branches, jobs, invoices, log] = counts(&who).await?;
        out.say(&format!("{name}: {branches} branches, {jobs} jobs, {invoices} invoices, {log} entries of the log"));
    }
    // Raw SQL that reads, on the server alone. It obeys no policy.
    let rows: Vec<(String, i64)> = world
        .server
        .db()
        .sql(plasma::sql("SELECT b.name, count(*) FROM jobs j JOIN branches b ON b.id = j.branch_id WHERE j.number > ? GROUP BY b.name ORDER BY b.name", (1i64,)))
        .await?;
    out.list("by raw SQL, above number 1", rows.iter().map(|(branch, jobs)| format!("{branch}: {jobs}")));
    // Somebody leaves: the rows leave the device with the next pull.
    world.dee.mutate(Resign { person: person("ben"), branch: world.zuid }).await?;
    world.sync().await?;
    out.say(&format!("Ben left Zuid: {} jobs on his device", world.ben.count(Job::select()).await?));
    // His device does not know the job any more, so it cannot tell; the server can.
    let job = cast.job("Squeaking brakes")?;
    let late = world.ben.mutate(Say { id: world.ben.new_id(), job, reply_to: None, body: "Bye".into() }).await?;
    world.sync().await?;
    out.say(&format!("and what he says there is {}", told(&late.acknowledged().await.err().ok_or_else(none)?)));
    let hire = Hire {
        person: person("ben"),
        name: "Ben".into(),
        email: "ben@example.org".into(),
        branch: world.zuid,
        role: Role::Mechanic,
    };
    world.dee.mutate(hire).await?;
    world.sync().await?;
    out.say(&format!("and came back: {}", world.ben.count(Job::select()).await?));
    Ok(())
}
