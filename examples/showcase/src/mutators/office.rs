//! Branches, staff and customers.

use plasma::prelude::*;
use plasma::{Date, Error, Json};

use crate::schema::{
    App, Branch, Caller, Customer, Email, Money, NewBranch, NewCustomer, NewPerson, NewStaff, Person, Role, Staff, Tx,
};

/// Opens a branch. The arguments are what travels and what waits in the outbox, so they are a struct one can read. Rules
/// in `#[arg(..)]` are checked before the optimistic run, on the server, and at every replay; all that are broken are
/// told at once.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct OpenBranch {
    /// The new row, from `client.new_id()`: the caller wants to know it.
    pub id: Id<Branch>,
    /// White space at the ends is removed before the other rules look.
    #[arg(trim, len(1..=80))]
    pub name: String,
    /// When.
    pub opened_on: Date,
    /// Minutes ahead of UTC.
    #[arg(range(-720..=840))]
    pub utc_offset: i32,
    /// Degrees north.
    #[arg(range(-90.0..=90.0))]
    pub latitude: f64,
    /// What an hour costs, when it is not the usual.
    pub hourly_rate: Option<Money>,
}

/// Somebody begins to work in a branch, or gets another role there.
#[plasma::args(validate)]
#[derive(Debug, Clone)]
pub struct Hire {
    /// The person's row, if the address is a new one.
    pub person: Id<Person>,
    /// The name, if so.
    #[arg(trim, len(1..=80))]
    pub name: String,
    /// Who.
    #[arg(email)]
    pub email: String,
    /// Where.
    pub branch: Id<Branch>,
    /// As what.
    pub role: Role,
}

/// A rule of one's own beside those of the fields: `#[plasma::args(validate)]` asks for it.
impl Validate for Hire {
    fn validate(&self, checks: &mut Checks) {
        let free = !self.name.to_lowercase().contains("manager");
        checks.check("name", free, "title", "is a name, not a title");
    }
}

/// Somebody leaves a branch.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Resign {
    /// Who.
    pub person: Id<Person>,
    /// From where.
    pub branch: Id<Branch>,
}

/// A new customer.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct RegisterCustomer {
    /// The new row.
    pub id: Id<Customer>,
    /// Of which branch.
    pub branch: Id<Branch>,
    /// How they are called.
    #[arg(trim, len(1..=120))]
    pub name: String,
    /// An optional argument is checked when it is there.
    #[arg(len(3..=30))]
    pub phone: Option<String>,
    /// At most ten.
    #[arg(len(..=10))]
    pub bikes: Vec<String>,
}

/// Corrects a customer.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct CorrectCustomer {
    /// Which.
    pub id: Id<Customer>,
    /// Another name.
    #[arg(trim, len(1..=120))]
    pub name: Option<String>,
    /// Another telephone number.
    pub phone: Option<String>,
    /// One more bicycle.
    pub bike: Option<String>,
}

/// Branches, staff and customers: `office.open_branch`, ..
#[derive(Debug)]
pub struct Office;

#[plasma::mutators(App)]
impl Office {
    /// A row is inserted by its required columns: leaving one out does not compile. `with` adds those that have a default
    /// or may be NULL.
    pub async fn open_branch(tx: &mut Tx<'_>, _: &Caller, args: OpenBranch) -> plasma::Result<()> {
        let OpenBranch { id, name, opened_on, utc_offset, latitude, hourly_rate } = args;
        let rate = hourly_rate.map(|rate| Branch::hourly_rate.to(rate));
        let branch = NewBranch { name, opened_on, latitude };
        // Changes are a tuple, an `Option`, a `Vec` or an array of changes.
        tx.insert(branch.with((Branch::utc_offset.to(utc_offset), rate)).with_id(id)).await?;
        Ok(())
    }

    /// Several tables, one transaction. Both inserts may meet a row that is there: the person by the address (`unique`),
    /// the membership by its derived id.
    pub async fn hire(tx: &mut Tx<'_>, _: &Caller, args: Hire) -> plasma::Result<()> {
        let Hire { person, name, email, branch, role } = args;
        let new = NewPerson { name, email: Email(email) }.with_id(person);
        let person = tx.insert(new).on_conflict_ignore().by(columns!(Person::email)).await?.id;
        // One more way to say that the branch has to be there; the foreign key says it too, but not in these words.
        tx.get(branch).await?.ok_or_else(|| Error::not_found("there is no such branch"))?;
        tx.insert(
            NewStaff { branch_id: branch, person_id: person }
                .with(Staff::role.to(role))
                .with_id(membership(branch, person)),
        )
        .on_conflict_update(Staff::role.to(role))
        .await?;
        Ok(())
    }

    /// The id is computed and not looked up. Without the row the delete fails with `not-found`.
    pub async fn resign(tx: &mut Tx<'_>, _: &Caller, args: Resign) -> plasma::Result<()> {
        tx.delete(membership(args.branch, args.person)).await
    }

    /// `office.register_customer`
    pub async fn register_customer(tx: &mut Tx<'_>, _: &Caller, args: RegisterCustomer) -> plasma::Result<()> {
        let RegisterCustomer { id, branch, name, phone, bikes } = args;
        let more = (Customer::phone.to(phone), Customer::bikes.to(Json(bikes)));
        tx.insert(NewCustomer { branch_id: branch, name }.with(more).with_id(id)).await?;
        Ok(())
    }

    /// Changes of a row are collected and written once; `None` changes nothing. A column that a mutator calculates from
    /// the row (here the list of bicycles) is read first: `need` fails with `not-found` when there is no row.
    pub async fn correct_customer(tx: &mut Tx<'_>, _: &Caller, args: CorrectCustomer) -> plasma::Result<()> {
        let mut bikes = tx.need(args.id).await?.bikes;
        bikes.0.extend(args.bike);
        tx.update(args.id)
            .set([args.name.map(|name| Customer::name.to(name)), args.phone.map(|phone| Customer::phone.to(phone))])
            .set(Customer::bikes.to(bikes))
            .await
    }
}

/// The id of the membership of a person in a branch: the same on every device.
pub fn membership(branch: Id<Branch>, person: Id<Person>) -> Id<Staff> {
    Id::derive((branch, person))
}
