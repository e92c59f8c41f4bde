//! Expressions: what is calculated. They mean the same in SQLite, in memory and on the server; overflow is an error
//! everywhere.

use plasma::prelude::*;
use plasma::{Date, Fixed, when};

use super::conditions::day;
use crate::report::Report;
use crate::schema::{Comment, Customer, Job, Line, Money, Part, Person, Priority, Status, Stock};
use crate::world::World;

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Expressions");

    // Money times a number is money; the database does it.
    let price = Line::unit_price * Line::qty;
    let lines = Line::select().order_by(price.clone().desc()).order_by(Line::text.asc()).limit(4);
    let lines: Vec<(String, i32, Money)> = world.all(lines.project((Line::text, Line::qty, price))).await?;
    out.list("dearest lines", lines.into_iter().map(|(text, qty, price)| format!("{qty} x {text}: {price}")));
    let two = Part::select()
        .filter((2i64 * Part::price - Money::cents(500)).gt(Money::cents(2_000)))
        .order_by(Part::sku.asc());
    out.list("two of them, less 5.00, are more than 20.00", world.all(two.project(Part::name)).await?);

    // Integers: `/` cuts off, `%` is the rest, `-` in front.
    let boxes = (Stock::qty / 4, Stock::qty % 4, -Stock::qty, Stock::qty + 1);
    let boxes =
        Stock::select().filter(Stock::qty.gte(Stock::reorder_at * 2)).order_by(Stock::qty.desc()).project(boxes);
    out.list("full shelves in boxes of four", world.all(boxes).await?.into_iter().map(|row| format!("{row:?}")));
    // What is NULL on one side is NULL; `coalesce` says what instead.
    let room = (Stock::shelf_size - Stock::qty).coalesce(99i64);
    let room = Stock::select().order_by(room.clone().asc()).limit(2).project(room);
    out.list("room on the fullest shelves", world.all(room).await?.iter().map(i64::to_string));
    let discount = Line::discount.coalesce(Fixed::<4>::ZERO);
    let reduced = Line::select().filter(discount.clone().gt(Fixed::ZERO)).order_by(Line::text.asc());
    let reduced: Vec<(String, Fixed<4>)> = world.all(reduced.project((Line::text, discount))).await?;
    out.list("reduced", reduced.into_iter().map(|(text, discount)| format!("{text}: {discount}")));

    // Texts: `+` is one after the other.
    let label = Person::name.upper() + " <" + Person::name.lower() + ">";
    let people = Person::select().filter(Person::name.trim().length().lte(3)).order_by(Person::name.asc());
    out.list("labels", world.all(people.project(label)).await?);
    let phone = Customer::select()
        .order_by(Customer::name.asc())
        .project((Customer::name, Customer::phone.coalesce("no telephone")));
    out.list("telephone list", world.all(phone).await?.into_iter().map(|(name, phone)| format!("{name}: {phone}")));

    // A choice. Each condition is asked in turn.
    let word = when(Job::status.eq(Status::Closed))
        .then("done")
        .when(Job::due.lt(day(17)))
        .then("late")
        .when(Job::priority.eq(Priority::High))
        .then("now")
        .otherwise("soon");
    let jobs = Job::select().order_by(Job::booked.asc()).order_by(Job::title.asc());
    out.list(
        "what of it",
        world.all(jobs.project((Job::title, word))).await?.into_iter().map(|(title, word)| format!("{title}: {word}")),
    );
    let fee = when(Job::priority.eq(Priority::High)).then(Money::cents(750)).or_null();
    let fees = Job::select().filter(fee.clone().is_not_null()).order_by(Job::title.asc()).project((Job::title, fee));
    let fees: Vec<(String, Option<Money>)> = world.all(fees).await?;
    out.list(
        "extra for haste",
        fees.into_iter()
            .map(|(title, fee)| format!("{title}: {}", fee.map_or_else(String::new, |fee| fee.to_string()))),
    );

    // Days of moments, in UTC and where clocks are an hour ahead; differences of moments are microseconds.
    let said = (Comment::body, Comment::at.date(), Comment::at.date_at(60));
    let said: Vec<(String, Date, Date)> =
        world.all(Comment::select().order_by(Comment::at.asc()).project(said)).await?;
    out.list("said on", said.into_iter().map(|(body, utc, here)| format!("{body}: {utc} in UTC, {here} here")));
    let took = Job::select()
        .filter((Job::updated_at - Job::created_at).gt(60_000_000))
        .order_by(Job::booked.asc())
        .order_by(Job::title.asc())
        .project((Job::title, (Job::updated_at - Job::created_at) / 60_000_000));
    out.list(
        "touched again after so many minutes",
        world.all(took).await?.into_iter().map(|(title, minutes)| format!("{title}: {minutes}")),
    );
    // An expression that is a condition projects as a `bool`, and compares like a column.
    let urgent = Job::select()
        .filter(Job::booked.eq(day(16)))
        .order_by(Job::title.asc())
        .project((Job::title, Job::priority.eq(Priority::High)));
    out.list(
        "booked for the 16th",
        world.all(urgent).await?.into_iter().map(|(title, urgent)| format!("{title}, urgent: {urgent}")),
    );
    Ok(())
}
