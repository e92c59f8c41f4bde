//! The catalogue and the shelves.

use plasma::prelude::*;

use crate::schema::{App, Branch, Caller, Money, NewPart, NewStock, Part, Sku, Stock, Tx};

/// Adds a part to the catalogue.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddPart {
    /// The new row.
    pub id: Id<Part>,
    /// What is written on the box.
    pub sku: Sku,
    /// What it is.
    #[arg(trim, len(1..=120))]
    pub name: String,
    /// What one costs.
    pub price: Money,
    /// Kilograms.
    #[arg(range(0.0..))]
    pub weight: Option<f64>,
    /// Bytes.
    #[arg(len(..=64))]
    pub barcode: Option<Vec<u8>>,
}

/// A part is no longer made; another takes its place.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Discontinue {
    /// Which.
    pub id: Id<Part>,
    /// Which instead.
    pub successor: Option<Id<Part>>,
}

/// A box arrives.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Receive {
    /// Where.
    pub branch: Id<Branch>,
    /// Of what.
    pub part: Id<Part>,
    /// How many.
    #[arg(range(1..=1_000))]
    pub qty: i64,
}

/// Parts leave the shelf.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Take {
    /// From where.
    pub branch: Id<Branch>,
    /// Of what.
    pub part: Id<Part>,
    /// How many.
    #[arg(range(1..))]
    pub qty: i64,
}

/// Somebody counted, and says how much room there is.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct CountShelf {
    /// Which shelf.
    pub branch: Id<Branch>,
    /// What was found, part by part.
    #[arg(len(1..=200))]
    pub found: Vec<(Id<Part>, i64)>,
    /// How many there is room for.
    pub shelf_size: Option<i64>,
}

/// Why a part is not there. A variant is a code with data, which the device reads back as this type.
#[derive(Debug, Clone, PartialEq, Eq, plasma::Rejection)]
pub enum Refused {
    /// there are not so many left
    OutOfStock {
        /// Of what.
        part: Id<Part>,
        /// How many there are.
        left: i64,
    },
    /// The code is the variant's in kebab-case and the message its documentation, unless they are given.
    #[rejection(code = "no-shelf", message = "there is no such shelf")]
    NoShelf,
}

/// The catalogue and the shelves.
#[derive(Debug)]
pub struct Shelves;

#[plasma::mutators(App)]
impl Shelves {
    /// `shelves.add_part`
    pub async fn add_part(tx: &mut Tx<'_>, _: &Caller, args: AddPart) -> plasma::Result<()> {
        let AddPart { id, sku, name, price, weight, barcode } = args;
        tx.insert(NewPart { sku, name, price }.with((Part::weight.to(weight), Part::barcode.to(barcode))).with_id(id))
            .await?;
        Ok(())
    }

    /// `shelves.discontinue`
    pub async fn discontinue(tx: &mut Tx<'_>, _: &Caller, args: Discontinue) -> plasma::Result<()> {
        tx.update(args.id).set((Part::discontinued.to(true), Part::successor.to(args.successor))).await
    }

    /// An upsert: two devices may receive the first box of a part while offline. One row, and both boxes count, because
    /// the change is an expression over the row that is there. `by` names the key.
    pub async fn receive(tx: &mut Tx<'_>, _: &Caller, args: Receive) -> plasma::Result<()> {
        let shelf = NewStock { branch_id: args.branch, part_id: args.part };
        tx.insert(shelf.with(Stock::qty.to(args.qty)))
            .on_conflict_update(Stock::qty.to(Stock::qty + args.qty))
            .by(columns!(Stock::branch_id, Stock::part_id))
            .await?;
        Ok(())
    }

    /// `returning()` gives the row as it is afterwards. The table's `check` would refuse a negative number anyway; here
    /// the caller is told how many are left. An error undoes the mutation: nothing of it stays.
    pub async fn take(tx: &mut Tx<'_>, _: &Caller, args: Take) -> plasma::Result<()> {
        let shelf = Stock::select().filter(Stock::branch_id.eq(args.branch).and(Stock::part_id.eq(args.part)));
        let Some(there) = tx.first(shelf.clone()).await? else {
            return Err(Refused::NoShelf.into());
        };
        if there.qty < args.qty {
            return Err(Refused::OutOfStock { part: args.part, left: there.qty }.into());
        }
        let after = tx.update(there.id).set(Stock::qty.to(Stock::qty - args.qty)).returning().await?;
        if after.qty == 0 {
            // An empty shelf orders one more next time.
            tx.update(after.id).set(Stock::reorder_at.to(Stock::reorder_at + 1)).await?;
        }
        Ok(())
    }

    /// `insert_all` inserts several rows; here it is a loop, because each may meet one.
    pub async fn count_shelf(tx: &mut Tx<'_>, _: &Caller, args: CountShelf) -> plasma::Result<()> {
        for (part, qty) in args.found {
            let new = NewStock { branch_id: args.branch, part_id: part }.with(Stock::qty.to(qty));
            let found = Stock::qty.to(qty);
            let shelf = tx
                .insert(new)
                .on_conflict_update(found)
                .by(columns!(Stock::branch_id, Stock::part_id))
                .returning()
                .await?;
            tx.update(shelf.id).set(Stock::shelf_size.to(args.shelf_size)).await?;
        }
        Ok(())
    }
}
