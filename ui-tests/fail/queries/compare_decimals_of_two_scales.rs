//! Decimals with different numbers of digits.

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
    let _ = Bill::total.eq(Fixed::<4>::ZERO);
}
