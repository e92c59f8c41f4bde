//! A default for a file.

use plasma::FileRef;
use plasma::prelude::*;

#[plasma::table]
pub struct Bill {
    pub id: Id<Bill>,
    #[column(default = "scan.png")]
    pub scan: FileRef,
}

fn main() {}
