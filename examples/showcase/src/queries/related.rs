//! Related rows: a row with the rows around it, as they are nested. Not a join: a branch with ten jobs comes once. Each
//! level has its own condition, order and limit.

use plasma::prelude::*;
use plasma::query::AnyQuery;

use crate::report::Report;
use crate::schema::{Branch, Comment, Customer, Invoice, Job, Line, Part, Person, Photo, Reaction, Staff, Status};
use crate::world::World;

/// What a branch's screen shows, four levels deep: branch, jobs, comments, reactions, people.
type Screen = (Branch, Vec<(Job, Customer, Option<Person>, Vec<Thread>, i64)>, i64);
/// A comment, its author, and the reactions with whose they are.
type Thread = (Comment, Person, Vec<(Reaction, Person)>);

/// The whole screen is one query. Its own type says how it was built; `any()` forgets that.
fn screen(name: &str) -> AnyQuery<Screen> {
    Branch::select()
        .filter(Branch::name.eq(name))
        .with_many(Job::branch_id.rel(|job| {
            job.filter(Job::status.ne(Status::Open))
                .order_by(Job::number.asc())
                .limit(2)
                // The row a foreign key refers to: always there, or an `Option` when the key may be NULL.
                .with_one(Job::customer_id)
                .with_one(Job::mechanic_id)
                .with_many(Comment::job_id.rel(|comment| {
                    comment
                        .order_by(Comment::at.desc())
                        .limit(2)
                        .with_one(Comment::author_id)
                        .with_many(Reaction::comment_id.rel(|reaction| reaction.with_one(Reaction::person_id)))
                }))
                .with_count(Line::job_id)
        }))
        .with_count(Staff::branch_id)
        .any()
}

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Related rows");
    for (branch, jobs, staff) in world.all(screen("Noord")).await? {
        out.say(&format!("{}, {staff} people", branch.name));
        for (job, customer, mechanic, comments, lines) in jobs {
            let who = mechanic.map_or_else(|| "nobody".to_owned(), |person| person.name);
            out.say(&format!("  {} {} for {} ({who}), {lines} lines", job.number, job.title, customer.name));
            for (comment, author, reactions) in comments {
                let mut tapped: Vec<String> = reactions
                    .iter()
                    .map(|(reaction, person)| format!("{:?} by {}", reaction.emoji, person.name))
                    .collect();
                tapped.sort();
                out.say(&format!("    {}: {} [{}]", author.name, comment.body, tapped.join(", ")));
            }
        }
    }

    // `with_opt` keeps a row whose other row is not on this client; `parent` says more of that row, `rel` of the rows
    // below: conditions, a projection, joins.
    let jobs = Job::select()
        .filter(Job::branch_id.eq(world.noord))
        .order_by(Job::number.asc())
        .with_opt(
            Job::customer_id.parent(|customer| customer.filter(Customer::phone.is_not_null()).project(Customer::name)),
        )
        .with_many(
            Line::job_id
                .rel(|line| line.left_join(Line::part_id).order_by(Line::text.asc()).project((Line::text, Part::sku))),
        )
        .with_count(Photo::job_id.rel(|photo| photo.filter(Photo::receipt.is_not_null())))
        .with_many(Invoice::job_id.rel(|invoice| invoice.project(Invoice::number)));
    out.list(
        "jobs of Noord",
        world.all(jobs).await?.into_iter().map(|(job, customer, lines, receipts, invoices)| {
            let lines: Vec<String> = lines
                .into_iter()
                .map(|(text, sku)| sku.map_or_else(|| text.clone(), |sku| format!("{text} [{}]", sku.0)))
                .collect();
            format!(
                "{}: {}; {}; {receipts} receipts; invoices {invoices:?}",
                job.title,
                customer.as_deref().unwrap_or("(nobody to call)"),
                lines.join(", ")
            )
        }),
    );

    // `with_one` with a condition: only jobs of a customer who has a telephone.
    let reachable = Job::select()
        .order_by(Job::title.asc())
        .with_one(Job::customer_id.parent(|c| c.filter(Customer::phone.is_not_null())));
    out.say(&format!("{} jobs of {}", world.all(reachable).await?.len(), world.ben.count(Job::select()).await?));
    // Through a link: the people of a branch, without the rows between.
    let teams = Branch::select().order_by(Branch::name.asc()).with_many(
        Staff::branch_id
            .rel(|staff| staff.inner_join(Staff::person_id).order_by(Person::name.asc()).project(Person::name)),
    );
    out.list(
        "teams",
        world.all(teams).await?.into_iter().map(|(branch, people)| format!("{}: {}", branch.name, people.join(", "))),
    );
    Ok(())
}
