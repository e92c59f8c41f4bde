//! A default date the calendar does not have.

use plasma::Date;
use plasma::prelude::*;

#[plasma::table]
pub struct Bill {
    pub id: Id<Bill>,
    #[column(default = Date::constant(2023, 2, 29))]
    pub due: Date,
}

fn main() {}
