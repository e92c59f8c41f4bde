//! More digits than 64 bits hold.

use plasma::prelude::*;

#[plasma::table]
pub struct Bill {
    pub id: Id<Bill>,
    pub total: plasma::Fixed<19>,
}

fn main() {}
