//! Joins: by a foreign key, which is the relation, or on a condition; with a second name for a table that comes twice.

use plasma::prelude::*;
use plasma::query::AnyQuery;

use crate::report::Report;
use crate::schema::{Branch, Customer, Invoice, Job, Line, Part, Person, Staff};
use crate::world::World;

plasma::alias!(
    /// The job that another one follows: a job beside a job.
    pub Before = Job
);
plasma::alias!(
    /// A second person beside the mechanic.
    pub Manager = Person
);

/// Rows are tuples, one element for each table. By a foreign-key column it needs no condition.
fn with_customers() -> AnyQuery<String> {
    Job::select()
        .inner_join(Job::customer_id)
        .inner_join(Job::branch_id)
        .filter(Customer::phone.is_not_null().and(Branch::name.eq("Noord")))
        .order_by(Job::number.asc())
        .map(|(job, customer, branch): (Job, Customer, Branch)| {
            format!("{} {}: {} for {}", branch.name, job.number, job.title, customer.name)
        })
}

/// From the left: a row without a match stays, and columns of the other table are `Option`s.
fn with_mechanics() -> AnyQuery<String> {
    Job::select()
        .left_join(Job::mechanic_id)
        .order_by(Person::name.asc())
        .order_by(Job::title.asc())
        .project((Job::title, Person::name, row::<Person>()))
        .map(|(title, name, person): (String, Option<String>, Option<Person>)| {
            assert_eq!(name, person.map(|person| person.name));
            format!("{title}: {}", name.as_deref().unwrap_or("nobody"))
        })
}

/// Parts that are on no bill: what has no match is `is_missing`.
fn never_sold() -> AnyQuery<String> {
    Part::select()
        .left_join(Line::on(Line::part_id.eq(Part::id)))
        .filter(is_missing::<Line>())
        .order_by(Part::sku.asc())
        .project(Part::name)
        .any()
}

/// A table beside itself. `Before::col(..)` is a column of the second one.
fn consequences() -> AnyQuery<String> {
    Job::select()
        .inner_join(Before::on(Before::col(Job::id).eq(Job::follows)))
        .filter(Before::col(Job::customer_id).eq(Job::customer_id))
        .order_by(Job::title.asc())
        .project((Job::title, Before::col(Job::title)))
        .map(|(title, before)| format!("{title} <- {before}"))
}

/// A foreign key joined under another name (`join_as`), and a condition over three tables.
fn mechanics_and_managers() -> AnyQuery<String> {
    Job::select()
        .inner_join(Job::mechanic_id)
        .inner_join(Staff::on(Staff::branch_id.eq(Job::branch_id).and(Staff::role.eq(crate::schema::Role::Manager))))
        .inner_join(Staff::person_id.join_as::<Manager>())
        .left_join(Invoice::on(Invoice::job_id.eq(Job::id)))
        .filter(Manager::col(Person::id).ne(Person::id))
        .order_by(Job::title.asc())
        .project((Job::title, Person::name, Manager::col(Person::name), Invoice::number))
        .map(|(title, mechanic, manager, invoice): (String, String, String, Option<i64>)| {
            format!("{title}: {mechanic}, for {manager}, invoiced: {}", invoice.is_some())
        })
}

/// Prints them.
///
/// # Errors
/// Those of the queries.
pub async fn show(world: &World, out: &mut Report) -> plasma::Result<()> {
    out.chapter("Joins");
    out.list("jobs of customers one can call", world.all(with_customers()).await?);
    out.list("who does what", world.all(with_mechanics()).await?);
    out.list("never sold", world.all(never_sold()).await?);
    out.list("a consequence of", world.all(consequences()).await?);
    out.list("mechanics and managers", world.all(mechanics_and_managers()).await?);
    Ok(())
}
