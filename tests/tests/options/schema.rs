//! A shop: stock that is never negative, places that are taken once, papers with limits.

use plasma::prelude::*;
use plasma::{Date, FileRef};

/// A place in a hall: each number once.
#[plasma::table(name = "seats", auth = open, unique(hall, number), patch(guest, number))]
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Seat {
    pub id: Id<Seat>,
    pub hall: String,
    pub number: Option<i32>,
    pub guest: Option<String>,
}

/// So many of a thing.
#[plasma::table(name = "stock", auth = open, check = Stock::qty.gte(0), check = Stock::qty.lte(Stock::limit_))]
#[derive(Debug, Clone, PartialEq)]
pub struct Stock {
    pub id: Id<Stock>,
    pub qty: i32,
    pub wanted: i32,
    #[column(name = "max_qty", accessor = limit_)]
    pub limit: Option<i32>,
    #[column(default = now)]
    pub created_at: Timestamp,
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
    #[column(on_update = now)]
    pub day: Option<Date>,
}

/// A paper about a seat that may not be there any more.
#[plasma::table(name = "papers", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Paper {
    pub id: Id<Paper>,
    #[column(unconstrained)]
    pub seat_id: Id<Seat>,
    #[column(file(max_size = "1 KiB", mime("image/*"), immutable))]
    pub scan: Option<FileRef>,
}

#[plasma::schema(version = "1", ctx = (), tables(Seat, Stock, Paper), mutators(Shop))]
pub struct App;
pub type Tx<'a> = plasma::Tx<'a, App>;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Take {
    pub id: Id<Seat>,
    pub hall: String,
    pub number: Option<i32>,
    pub guest: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Change {
    pub id: Id<Seat>,
    pub patch: SeatPatch,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Deliver {
    pub id: Id<Stock>,
    pub qty: i32,
    pub wanted: i32,
    pub limit: Option<i32>,
}

/// Brings stock to what is wanted: one row, or every row.
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Fill {
    pub id: Option<Id<Stock>>,
    /// Only the server does it.
    pub on_server: bool,
    /// A refusal does not matter.
    pub swallow: bool,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Touch {
    pub id: Id<Stock>,
    pub updated_at: Option<Timestamp>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct File {
    pub id: Id<Paper>,
    pub scan: Option<FileRef>,
    pub add: bool,
    pub on_server: bool,
}

pub struct Shop;

#[plasma::mutators(App)]
impl Shop {
    pub async fn take(tx: &mut Tx<'_>, _: &(), args: Take) -> plasma::Result<()> {
        let seat = NewSeat { hall: args.hall }.with_id(args.id).with(Seat::guest.to(args.guest));
        tx.insert(seat.with(args.number.map(|number| Seat::number.to(number)))).await?;
        Ok(())
    }

    pub async fn change(tx: &mut Tx<'_>, _: &(), args: Change) -> plasma::Result<()> {
        tx.update(args.id).set(args.patch).await
    }

    pub async fn deliver(tx: &mut Tx<'_>, _: &(), args: Deliver) -> plasma::Result<()> {
        tx.insert(NewStock { qty: args.qty, wanted: args.wanted }.with_id(args.id).with(Stock::limit_.to(args.limit)))
            .await?;
        Ok(())
    }

    pub async fn fill(tx: &mut Tx<'_>, _: &(), args: Fill) -> plasma::Result<()> {
        if args.on_server && !tx.is_server() {
            return Ok(());
        }
        let full = Stock::qty.to(Stock::wanted);
        let filled = match args.id {
            Some(id) => tx.update(id).set(full).await,
            None => tx.update_where(Filter::<Stock>::all()).set(full).await.map(drop),
        };
        if args.swallow { Ok(()) } else { filled }
    }

    pub async fn touch(tx: &mut Tx<'_>, _: &(), args: Touch) -> plasma::Result<()> {
        let set = args.updated_at.map(|at| Stock::updated_at.to(at));
        tx.update(args.id).set(Stock::qty.to(1)).set(set).await
    }

    pub async fn file(tx: &mut Tx<'_>, _: &(), args: File) -> plasma::Result<()> {
        if args.on_server && !tx.is_server() {
            return Ok(());
        }
        if args.add {
            let paper = NewPaper { seat_id: tx.new_id() }.with_id(args.id);
            tx.insert(paper.with(Paper::scan.to(args.scan))).await?;
            Ok(())
        } else {
            tx.update(args.id).set(Paper::scan.to(args.scan)).await
        }
    }
}
