//! What comes back: whole rows, values, tuples, structs; and queries whose type is forgotten.

use plasma::prelude::*;
use plasma::query::AnyQuery;

use crate::report::Report;
use crate::schema::{Branch, Checklist, Customer, Job, Part, Person, Priority, Status};
use crate::world::World;

/// What a list shows of a job: a struct instead of a row. Fields come from columns of their name of `Job`, or from the
/// column that is said. In a query that joins people from the left, `mechanic` has to be an `Option`, or it does not
/// compile.
#[derive(Debug, Clone, PartialEq, plasma::Projection)]
#[projection(from = Job)]
pub struct Card {
    /// `Job::number`.
    pub number: i64,
    /// `Job::title`.
    pub title: String,
    /// `Customer::name`.
    #[from(Customer::name)]
    pub customer: String,
    /// `Person::name`.
    #[from(Person::name)]
    pub mechanic: Option<String>,
}

/// Any other shape is a closure.
#[derive(Debug, Clone, PartialEq)]
struct Ticket {
    label: String,
    worn: usize,
}

/// One of several queries, chosen at run time: all are `AnyQuery<String>`, which can be stored and compared, too.
fn names(of_people: Option<bool>) -> AnyQuery<String> {
    match of_people {
        Some(true) => Person::select().order_by(Person::name.asc()).project(Person::name).any(),
        Some(false) => Branch::select().order_by(Branch::name.asc()).project(Branch::name).any(),
        // No rows, without asking a table.
        None => AnyQuery::none(),
    }
}

/// Any query with such rows. What can be wrong with a query whatever the rows are, it says before it runs.
fn is_sound(query: &impl Query<Row = String>) -> bool {
    query.ir().is_ok()
}

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Shapes");
    out.say(&format!("the field `on` is called `{}` in SQL", Job::booked.name()));
    let cards = Job::select()
        .inner_join(Job::customer_id)
        .left_join(Job::mechanic_id)
        .filter(Job::branch_id.eq(world.zuid))
        .order_by(Job::number.asc())
        .project_as::<Card, _>();
    out.list(
        "cards",
        world.all(cards).await?.into_iter().map(|card| {
            format!(
                "{} {} for {} ({})",
                card.number,
                card.title,
                card.customer,
                card.mechanic.as_deref().unwrap_or("nobody")
            )
        }),
    );

    // A tuple of values, up to twelve; JSON comes back as its type.
    let job = Job::select().filter(Job::branch_id.eq(world.noord)).order_by(Job::number.asc()).limit(1);
    let wide = job.clone().project((
        Job::id,
        Job::number,
        Job::title,
        Job::note,
        Job::status,
        Job::priority,
        Job::mechanic_id,
        Job::booked,
        Job::due,
        Job::checklist,
        Job::created_at,
        Job::branch_id.eq(world.noord),
    ));
    let (_, number, title, note, status, priority, mechanic, on, due, checklist, created_at, here) =
        world.ben.one(wide).await?;
    assert!(here && (status, priority) == (Status::Closed, Priority::High) && mechanic.is_some());
    out.say(&format!("{number} {title} ({note:?}): {on}, {due:?}, {created_at:?}, {:?}", checklist.0));
    let tickets = job.project((Job::number, Job::checklist)).map(|(number, checklist)| {
        let plasma::Json(Checklist { worn, .. }) = checklist;
        Ticket { label: format!("N{number}"), worn: worn.len() }
    });
    out.say(&format!("{:?}", world.ben.one(tickets).await?));

    assert!(is_sound(&names(Some(true))) && !is_sound(&Part::select().filter(Part::name.eq("\0")).project(Part::name)));
    assert_ne!(names(Some(true)), names(Some(false)));
    assert_eq!(names(Some(true)), names(Some(true)).clone());
    out.list("people", world.all(names(Some(true))).await?);
    out.list("branches", world.all(names(Some(false))).await?);
    out.list("neither", world.all(names(None)).await?);
    // A count as a query: it can be live, and stand beside others.
    let cheap: AnyQuery<u64> = Part::select().filter(Part::discontinued.eq(false)).count();
    out.say(&format!("{} parts are made", world.ben.one(cheap).await?));
    Ok(())
}
