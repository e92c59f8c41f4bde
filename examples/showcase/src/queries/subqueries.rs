//! Queries inside of queries: in conditions, as a value, and in the place of a table.

use plasma::prelude::*;
use plasma::{col_ref, scalar};

use super::joins::Before;
use crate::report::Report;
use crate::schema::{Comment, Customer, Job, Line, Money, Part, Person, Staff, Status, Stock};
use crate::world::World;

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Sub-queries");
    let jobs = Job::select().order_by(Job::title.asc());
    let titles = |query: plasma::query::Select<Job>| world.all(query.project(Job::title));

    // Up a foreign key (`has`), down one (`any`), and neither.
    out.list(
        "of customers without a telephone",
        titles(jobs.clone().filter(Job::customer_id.has(Customer::phone.is_null()))).await?,
    );
    out.list(
        "somebody spoke about it",
        titles(jobs.clone().filter(Comment::job_id.any(Filter::<Comment>::all()))).await?,
    );
    let silent =
        jobs.clone().filter(not(Comment::job_id.any(Filter::<Comment>::all())).and(Job::status.ne(Status::Closed)));
    out.list("nobody spoke about it", titles(silent).await?);
    // They nest: a job of a branch where this person works.
    let cis = Person::name.eq("Cis");
    let hers = jobs.clone().filter(Job::branch_id.has(Staff::branch_id.any(Staff::person_id.has(cis))));
    out.list("where Cis works", titles(hers).await?);
    // A table that refers to itself: jobs that another one follows.
    out.list("had a consequence", titles(jobs.clone().filter(Job::follows.any(Job::status.eq(Status::Open)))).await?);

    // The ids of another query; with an order and a limit it is "the top two".
    let largest = Line::select()
        .order_by((Line::unit_price * Line::qty).desc())
        .order_by(Line::text.asc())
        .limit(2)
        .project(Line::job_id);
    out.list("jobs with the two dearest lines", titles(jobs.clone().filter(Job::id.in_query(largest))).await?);
    // The general form: a condition that mentions the row outside.
    let empty_shelf = Stock::select()
        .correlate::<Job>()
        .filter(Stock::branch_id.eq(Job::branch_id).and(Stock::qty.lt(Stock::reorder_at)))
        .filter(
            Stock::part_id.in_query(
                Line::select()
                    .correlate::<Job>()
                    .filter(Line::job_id.eq(Job::id))
                    .filter(Line::part_id.is_not_null())
                    .project(Line::part_id),
            ),
        );
    out.list("needs a part that runs out", titles(jobs.clone().filter(exists(empty_shelf))).await?);

    // About other rows of the same table: a second name for it.
    let earlier = Before::select()
        .correlate::<Job>()
        .filter(Before::col(Job::customer_id).eq(Job::customer_id).and(Before::col(Job::number).lt(Job::number)));
    out.list("of a customer who was here before", titles(jobs.clone().filter(exists(earlier))).await?);

    // One value of a sub-query: with each customer, the number of jobs and the last day.
    let of_customer = || Job::select().correlate::<Customer>().filter(Job::customer_id.eq(Customer::id));
    let customers = Customer::select().order_by(Customer::name.asc()).project((
        Customer::name,
        scalar(of_customer().aggregate(count())),
        scalar(of_customer().order_by(Job::booked.desc()).limit(1).project(Job::booked)),
    ));
    out.list(
        "customers",
        world.all(customers).await?.into_iter().map(|(name, jobs, last)| {
            format!(
                "{name}: {} jobs, the last on {}",
                jobs.unwrap_or_default(),
                last.map_or_else(|| "no day".to_owned(), |day| day.to_string())
            )
        }),
    );

    // A query in the place of a table. The closure is given its columns, typed; it can be joined and grouped again.
    let per_job =
        || Line::select().group_by(Line::job_id).project(|job| (job, count(), (Line::unit_price * Line::qty).sum()));
    let dear = from_subquery(per_job(), |q, (job, lines, total)| {
        q.inner_join(Job::on(Job::id.eq(job)))
            .filter(total.gt(Money::cents(3_000)).and(lines.gt(1)))
            .order_by(total.desc())
            .project((Job::title, lines, total))
    });
    out.list(
        "bills above 30.00",
        world.all(dear).await?.into_iter().map(|(title, lines, total)| {
            format!("{title}: {lines} lines, {}", total.map_or_else(String::new, |total: Money| total.to_string()))
        }),
    );
    // Its columns by name, where the typed ones are out of reach. What the types do not know is checked when it runs.
    let named = plasma::from_subquery_as("bills", ["job", "lines", "total"], per_job())
        .filter(col_ref::<i64>("bills", "lines").lt(3))
        .aggregate(col_ref::<Money>("bills", "total").max());
    out.say(&format!(
        "the dearest small bill is {}",
        world.ben.one(named).await?.map_or_else(String::new, |total| total.to_string())
    ));
    let parts = from_subquery(
        Part::select().order_by(Part::price.desc()).limit(3).project((Part::name, Part::price)),
        |q, (name, price)| q.order_by(price.asc()).project(name),
    );
    out.list("the three dearest parts, cheapest first", world.all(parts).await?);
    Ok(())
}
