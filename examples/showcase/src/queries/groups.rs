//! Aggregates, groups, and rows without repetitions.

use plasma::Date;
use plasma::prelude::*;

use crate::report::Report;
use crate::schema::{Branch, Comment, Job, Line, Money, Part, Priority, Status, Stock};
use crate::world::World;

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Aggregates and groups");

    // Without groups there is one row. All but the counts are `None` when nothing was there to be added up.
    let lines: i64 = world.ben.one(Line::select().aggregate(count())).await?;
    out.say(&format!("{lines} lines"));
    let (kinds, cheapest, dearest, average): (i64, Option<Money>, Option<Money>, Option<f64>) = world
        .ben
        .one(Part::select().aggregate((Part::weight.count(), Part::price.min(), Part::price.max(), Part::weight.avg())))
        .await?;
    out.say(&format!(
        "{kinds} parts with a weight; prices from {} to {}; {:.2} kg on the average",
        cheapest.map_or_else(String::new, |price| price.to_string()),
        dearest.map_or_else(String::new, |price| price.to_string()),
        average.unwrap_or_default()
    ));
    let worth = Stock::select().inner_join(Stock::part_id).aggregate((Part::price * Stock::qty).sum());
    out.say(&format!(
        "the shelves are worth {}",
        world.ben.one(worth).await?.map_or_else(String::new, |sum: Money| sum.to_string())
    ));

    // Groups: the closure is given the keys, typed; nothing but keys and aggregates goes in.
    let per_branch = Job::select()
        .inner_join(Job::branch_id)
        .group_by((Branch::name, Job::status))
        .order_by_key(|(branch, _)| branch.asc())
        .order_by(count().desc())
        .order_by(Job::number.min().asc())
        .project(|(branch, status)| (branch, status, count(), Job::customer_id.count_distinct(), Job::priority.max()));
    let per_branch: Vec<(String, Status, i64, i64, Option<Priority>)> = world.all(per_branch).await?;
    out.list(
        "jobs by branch and status",
        per_branch.into_iter().map(|(branch, status, jobs, customers, top)| {
            format!("{branch} {status:?}: {jobs} of {customers} customers, up to {top:?}")
        }),
    );

    // After a left join a key is an `Option`. `having` chooses among groups, by aggregates.
    let dear = Line::select()
        .left_join(Line::part_id)
        .group_by(Part::sku)
        .having(Line::qty.sum().gte(2).or(count().gt(2)))
        .having(Line::unit_price.max().is_not_null().and(Line::qty.min().ne(0)))
        .having(!Line::unit_price.min().gt(Line::unit_price.max()))
        .order_by((Line::unit_price * Line::qty).sum().desc())
        .limit(5)
        .project(|sku| (sku, Line::qty.sum(), (Line::unit_price * Line::qty).sum()));
    out.list(
        "what is sold more than once",
        world.all(dear).await?.into_iter().map(|(sku, qty, sum)| {
            let sku = sku.map_or_else(|| "work".to_owned(), |sku| sku.0);
            format!("{sku}: {}, {}", qty.unwrap_or_default(), sum.map_or_else(String::new, |sum| sum.to_string()))
        }),
    );
    // One more `having`: every comparison, and what is NULL.
    let never = Job::select()
        .group_by(Job::customer_id)
        .having(Job::due.max().is_null().not().and(count().eq(1).not()))
        .having(Job::number.max().lt(9).and(Job::number.min().lte(3)))
        .project(|customer| (customer, Job::booked.min()));
    out.say(&format!("{} customers came more than once", world.all(never).await?.len()));

    // A key may be calculated: so many comments a day. The best of them, after the best.
    let days = Comment::select()
        .group_by(Comment::at.date())
        .order_by(count().desc())
        .order_by_key(|day| day.desc())
        .limit(1)
        .offset(1)
        .project(|day| (day, count(), Comment::author_id.count_distinct().eq(1)));
    let days: Vec<(Date, i64, bool)> = world.all(days).await?;
    out.list(
        "the second best day for talk",
        days.into_iter().map(|(day, n, alone)| format!("{day}: {n}, by one person: {alone}")),
    );

    // Equal rows once. What they are ordered by must be selected.
    let statuses = Job::select().order_by(Job::priority.desc()).project(Job::priority).distinct();
    out.list("priorities in use", world.all(statuses).await?.into_iter().map(|priority| format!("{priority:?}")));
    Ok(())
}
