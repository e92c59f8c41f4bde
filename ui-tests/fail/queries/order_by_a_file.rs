//! Files have no order.

use plasma::{Date, FileRef, Fixed};
use plasma::prelude::*;

#[plasma::table]
pub struct Bill {
    pub id: Id<Bill>,
    pub total: Fixed<2>,
    pub due: Date,
    pub scan: FileRef,
}

fn main() {
    let _ = Bill::scan.asc();
}
