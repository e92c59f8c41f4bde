//! Types of column values that are the application's own: newtypes and enums with `#[derive(plasma::Column)]`.
//!
//! serde's derives are only needed where a type is also a field of a mutator's arguments, which travel as JSON.

use std::fmt;

use plasma::Fixed;
use serde::{Deserialize, Serialize};

/// A newtype of text. `#[column(text)]` lets a query compare it with a plain `&str`; only an `Email` is stored.
#[derive(plasma::Column, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[column(text)]
pub struct Email(pub String);

/// The number on the box, such as `TUBE-28`. Without `text` it would be compared with other `Sku`s alone.
#[derive(plasma::Column, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[column(text)]
pub struct Sku(pub String);

/// Euros and cents, exactly. `#[column(numeric)]`: sums and differences of money, products with plain numbers.
#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[column(numeric)]
pub struct Money(pub Fixed<2>);

impl Money {
    /// So many cents.
    pub const fn cents(cents: i64) -> Self {
        Money(Fixed::from_minor(cents))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Stored as the number, and ordered by it: `Staff::role.gte(Role::Manager)` means something. The numbers are in the
/// database, so every one must be written down.
#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[column(as = int)]
pub enum Role {
    /// Learns.
    Apprentice = 1,
    /// Repairs.
    Mechanic = 2,
    /// Runs the branch.
    Manager = 3,
}

/// How urgent a job is. A number that a newer program wrote is read, kept, and written back as it was.
/// (`repr` is rustc's wish for numbers beside a variant with a field.)
#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[column(as = int)]
#[repr(i32)]
pub enum Priority {
    /// Whenever there is time.
    Low = 1,
    /// In order.
    Normal = 2,
    /// Somebody waits at the counter.
    High = 3,
    /// What this program does not know.
    #[column(other)]
    Other(i32),
}

/// Stored as text: the variant in snake_case (`in_repair`), or as `rename` says. Such an enum has no order, because it
/// would be the alphabet's. A value of a newer program is read as `Unknown` and cannot be written: the newer value
/// would be lost.
#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Accepted.
    Open,
    /// On the stand.
    InRepair,
    /// To be fetched.
    #[column(rename = "ready")]
    ReadyForPickup,
    /// Fetched.
    Closed,
    /// What this program does not know.
    #[column(other)]
    Unknown,
}

/// Stored as `thumbs-up`. Any other text is an emoji too.
#[derive(plasma::Column, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[column(rename_all = "kebab-case")]
pub enum Emoji {
    /// Agreed.
    ThumbsUp,
    /// Done in the end.
    PartyPopper,
    /// Whatever the keyboard has.
    #[column(other)]
    Other(String),
}

/// What is looked at when a bicycle comes in: a document without columns of its own, stored as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checklist {
    /// Looked at and fine.
    pub fine: Vec<String>,
    /// Looked at and worn.
    pub worn: Vec<String>,
}
