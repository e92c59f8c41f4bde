//! Parts, and how many of each a branch has.

use plasma::Date;
use plasma::prelude::*;

use super::people::Branch;
use super::values::{Money, Sku};

/// Something that is sold.
#[plasma::table(name = "parts")]
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Row id.
    pub id: Id<Part>,
    /// What is written on the box.
    #[column(unique)]
    pub sku: Sku,
    /// What it is.
    pub name: String,
    /// What one costs.
    pub price: Money,
    /// Kilograms.
    pub weight: Option<f64>,
    /// Bytes in the row: small ones. Large ones are files.
    pub barcode: Option<Vec<u8>>,
    /// No longer made.
    #[column(default = false, index)]
    pub discontinued: bool,
    /// A typed id that the database does not hold to its target: the successor may not be in the catalogue yet.
    #[column(unconstrained)]
    pub successor: Option<Id<Part>>,
}

/// What is on the shelf. Every store refuses a write that breaks a `check`, with the code `check`; so a shelf is never
/// emptied twice by two devices.
#[plasma::table(
    name = "stock",
    unique(branch_id, part_id),
    check = Stock::qty.gte(0),
    check = Stock::qty.lte(Stock::shelf_size).or(Stock::shelf_size.is_null())
)]
#[derive(Debug, Clone, PartialEq)]
pub struct Stock {
    /// Row id.
    pub id: Id<Stock>,
    /// Where.
    #[column(on_delete = cascade)]
    pub branch_id: Id<Branch>,
    /// Of what. A part that lies on a shelf is not deleted.
    #[column(on_delete = restrict)]
    pub part_id: Id<Part>,
    /// How many: 64 bits, text on the wire.
    #[column(default = 0)]
    pub qty: i64,
    /// When to order more.
    #[column(default = 2)]
    pub reorder_at: i64,
    /// How many there is room for.
    pub shelf_size: Option<i64>,
    /// The day of the last change, kept by the library.
    #[column(on_update = now)]
    pub changed_on: Option<Date>,
}
