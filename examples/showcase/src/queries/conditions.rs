//! Conditions: which rows. Comparisons, lists, texts, NULL, and how they are put together; then order, limit and offset.

use plasma::Date;
use plasma::prelude::*;
use plasma::query::Select;

use crate::report::Report;
use crate::schema::{
    Branch, Customer, Emoji, Job, Money, Part, Person, Priority, Reaction, Role, Staff, Status, Stock,
};
use crate::world::World;

/// Several filters must all hold. A function that builds a query returns `Select<Job>`.
fn booked_between(first: Date, last: Date) -> Select<Job> {
    Job::select()
        .filter(Job::booked.between(first, last))
        .filter(Job::status.is_in([Status::Open, Status::InRepair, Status::ReadyForPickup]))
        .order_by(Job::booked.asc())
}

/// A condition with its type forgotten: both arms have one type, and a function can return it.
fn searched(words: Option<&str>, only_urgent: bool) -> Filter<Job> {
    let urgent = if only_urgent { Job::priority.eq(Priority::High).into() } else { Filter::all() };
    // `None` lets every row pass.
    urgent.and(words.map_or_else(Filter::all, |words| Job::title.contains(words).or(Job::note.contains(words)).into()))
}

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Conditions");
    let number = Job::select().order_by(Job::title.asc());
    let titles = |query: Select<Job>| world.all(query.project(Job::title));

    out.list(
        "booked from the 17th to the 18th",
        titles(booked_between(day(17), day(18)).order_by(Job::title.asc())).await?,
    );
    let compared =
        all_of((Job::number.gt(1), Job::number.lte(3), Job::priority.gte(Priority::Low), Job::booked.lt(day(30))));
    out.list("numbers above 1 and up to 3", titles(number.clone().filter(compared)).await?);
    // A column on the right side; a newtype compared with `&str`; an enum with an order.
    let late = number.clone().filter(Job::due.lt(Job::booked));
    out.list("promised for a day before the booked one", titles(late).await?);
    let ada = world.ben.one(Person::select().filter(Person::email.eq("ada@example.org"))).await?;
    out.say(&format!("{} has that address", ada.name));
    let seniors = Staff::select().filter(Staff::role.gt(Role::Apprentice).and(Staff::branch_id.eq(world.zuid)));
    out.say(&format!("{} people in Zuid may repair alone", world.ben.count(seniors).await?));

    // Lists, with and without.
    let parts =
        |filter: Filter<Part>| world.all(Part::select().filter(filter).order_by(Part::sku.asc()).project(Part::name));
    out.list("one of three", parts(Part::sku.is_in(["TUBE-28", "TYRE-28", "NONE"]).into()).await?);
    out.list("none of three", parts(Part::sku.is_not_in(["TUBE-28", "TYRE-28", "NONE"]).into()).await?);

    // NULL: `eq` is never true of it; `is` compares with an `Option`.
    let nobody: Option<Id<Person>> = None;
    out.list("nobody does it", titles(number.clone().filter(Job::mechanic_id.is(nobody))).await?);
    out.list("no weight is known", parts(Part::weight.is_null().into()).await?);
    out.list("heavy, as far as is known", parts(Part::weight.is_not_null().and(Part::weight.gt(0.2)).into()).await?);

    // A `bool` column is a condition; `!`, `not(..)` and `.not()` are its opposite. Bytes and money are compared too.
    out.list("no longer made", parts(Part::discontinued.into()).await?);
    out.list(
        "still made, and cheap",
        parts(all_of([!Part::discontinued, Part::price.lt(Money::cents(1_000))]).into()).await?,
    );
    out.list("has this barcode", parts(Part::barcode.eq(vec![0x87, 0x12]).into()).await?);
    let named = any_of((Part::name.ends_with("lamp"), not(Part::name.like("%e%")), Part::sku.eq("PAD-V")));
    out.list("a lamp, or without an `e`, or brake pads", parts(named.into()).await?);

    // Texts. `%` and `_` mean something in `like` alone.
    out.list("begins with `100%`", titles(number.clone().filter(Job::title.starts_with("100%"))).await?);
    out.list(
        "like `%brakes%`: case counts on every store",
        titles(number.clone().filter(Job::title.like("%brakes%"))).await?,
    );
    out.list("searched: urgent, `tyre`", titles(number.clone().filter(searched(Some("tyre"), true))).await?);
    out.list("searched: urgent", titles(number.clone().filter(searched(None, true))).await?);
    let tapped = Reaction::select().filter(Reaction::emoji.ne(Emoji::ThumbsUp)).order_by(Reaction::id.asc());
    out.say(&format!("{} reactions are no thumb", world.ben.count(tapped).await?));

    // Order: a second key orders what is equal by the first; NULL is first going up, unless it is said otherwise.
    let by_due = Job::select().order_by(Job::due.asc().nulls_last()).order_by(Job::title.asc()).limit(3);
    out.list(
        "due first",
        world.all(by_due.project((Job::due, Job::title))).await?.into_iter().map(|(due, title)| match due {
            Some(due) => format!("{due} {title}"),
            None => format!("some day {title}"),
        }),
    );
    let open_end = Job::select().order_by(Job::due.desc().nulls_first()).order_by(Job::title.desc());
    out.list("without a day first, then from the end, two after two", titles(open_end.offset(2).limit(2)).await?);

    // What a client is asked by.
    let first = world.ben.first(Customer::select().order_by(Customer::name.desc())).await?;
    out.say(&format!("the last customer of all is {}", first.map_or_else(String::new, |customer| customer.name)));
    let nothing_left = Stock::select().filter(Stock::qty.lte(0));
    out.say(&format!("some shelf is empty: {}", world.ben.exists(nothing_left).await?));
    let noord: Branch = world.ben.need(world.noord).await?;
    let nowhere: Option<Branch> = world.ben.get(plasma::Id::from_u128(1)).await?;
    out.say(&format!("{} is there, another is not: {}", noord.name, nowhere.is_none()));
    // Several queries on one state of the store.
    let (branches, staff) =
        world.ben.read(async |tx| Ok((tx.count(Branch::select()).await?, tx.count(Staff::select()).await?))).await?;
    out.say(&format!("{branches} branches, {staff} memberships, counted at one moment"));
    Ok(())
}

/// A day of November 2026.
pub fn day(day: u8) -> Date {
    Date::constant(2026, 11, day)
}
