//! Branches, the people who work there, and their customers.

use plasma::prelude::*;
use plasma::{Conflict, Date, Fixed, Json};

use super::values::{Email, Money, Role};

/// A workshop. The docs of a field are the docs of its column: hover over `Branch::name`.
#[plasma::table(name = "branches")]
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// Every table has it, with exactly this name and type.
    pub id: Id<Branch>,
    /// Text, never NULL. No two branches have the same name.
    #[column(unique)]
    pub name: String,
    /// A day of the calendar.
    pub opened_on: Date,
    /// Minutes ahead of UTC: what day it is depends on where one is.
    #[column(default = 60)]
    pub utc_offset: i32,
    /// Degrees north: a float, for what was measured. Money is never a float.
    pub latitude: f64,
    /// What an hour of work costs.
    #[column(default = USUAL_RATE)]
    pub hourly_rate: Money,
}

/// A default is a constant, of a newtype the one of what is inside.
const USUAL_RATE: Fixed<2> = Fixed::from_minor(4_500);

/// Somebody who works in one branch or in several.
#[plasma::table(name = "people")]
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Row id.
    pub id: Id<Person>,
    /// What colleagues say.
    pub name: String,
    /// How a program knows them.
    #[column(unique)]
    pub email: Email,
    /// The day of the mutation that inserted the row, unless it is given.
    #[column(default = now)]
    pub joined_on: Date,
}

/// Who works where, and as what: the membership that the policies ask about. One row for each pair: the pair is unique,
/// and the id follows from it (`Id::derive`), so two devices that hire the same person offline write one row.
#[plasma::table(name = "staff", unique(branch_id, person_id))]
#[derive(Debug, Clone, PartialEq)]
pub struct Staff {
    /// `Id::derive((branch_id, person_id))`.
    pub id: Id<Staff>,
    /// A foreign key: its target comes from its type. It is indexed by itself.
    #[column(on_delete = cascade)]
    pub branch_id: Id<Branch>,
    /// Who.
    #[column(on_delete = cascade)]
    pub person_id: Id<Person>,
    /// As what.
    #[column(default = Role::Mechanic)]
    pub role: Role,
}

/// Whose bicycle it is. Two people may correct the same customer while offline: `merge` decides what stays.
#[plasma::table(name = "customers", index(branch_id, name), resolve_conflict = merge)]
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    /// Row id.
    pub id: Id<Customer>,
    /// Where the customer goes.
    #[column(on_delete = cascade)]
    pub branch_id: Id<Branch>,
    /// How they are called.
    pub name: String,
    /// `Option` is what NULL is.
    pub phone: Option<String>,
    /// JSON of a type of one's own, or of anything serde knows. Not compared and not sorted; its default is
    /// written as JSON.
    #[column(default = "[]")]
    pub bikes: Json<Vec<String>>,
}

/// The last name wins, but nobody's bicycle and no telephone number is lost.
fn merge(conflict: Conflict<'_, Customer>) -> Customer {
    let Conflict { local, remote, .. } = conflict;
    let mut bikes = remote.bikes.clone();
    bikes.0.extend(local.bikes.0.iter().filter(|bike| !remote.bikes.0.contains(bike)).cloned());
    Customer { bikes, phone: local.phone.clone().or_else(|| remote.phone.clone()), ..local.clone() }
}
