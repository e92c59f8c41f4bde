//! An application under every lint an application may turn on: what the macros generate has documentation, and is code
//! that nobody has to allow anything for.
//!
//! `scripts/test clippy` and `scripts/test docs` compile it. Whoever adds an option to a macro uses it here.

#![deny(warnings)]
#![deny(missing_docs, missing_debug_implementations, missing_copy_implementations, unreachable_pub)]
#![deny(nonstandard_style, unused, rust_2018_idioms, keyword_idents, let_underscore)]
#![deny(single_use_lifetimes, unused_lifetimes, redundant_lifetimes, explicit_outlives_requirements)]
#![deny(trivial_casts, trivial_numeric_casts, unused_qualifications, unused_import_braces, unit_bindings)]
#![deny(variant_size_differences, meta_variable_misuse, unused_results)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(clippy::missing_docs_in_private_items, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![deny(clippy::undocumented_unsafe_blocks, clippy::allow_attributes_without_reason, clippy::absolute_paths)]
#![deny(rustdoc::all)]

use plasma::prelude::*;
use plasma::{Conflict, Date, FileRef, Fixed, Json};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ctx {
    /// The account that is signed in.
    pub user: Option<Id<Account>>,
}

/// An address of e-mail.
#[derive(Debug, Clone, PartialEq, Eq, plasma::Column)]
#[column(text)]
pub struct Email(pub String);

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, plasma::Column)]
#[column(numeric)]
pub struct Money {
    /// With cents.
    pub amount: Fixed<2>,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq, plasma::Column)]
#[column(rename_all = "kebab-case")]
pub enum Status {
    /// Not yet sent.
    Open,
    /// On its way.
    #[column(rename = "sent")]
    OnItsWay,
    /// What a later program says.
    #[column(other)]
    Other(String),
}

/// How soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, plasma::Column)]
#[column(as = int)]
pub enum Urgency {
    /// Any time.
    Low = -1,
    /// Now.
    High = 10,
    /// What a later program says.
    #[column(other)]
    Unknown,
}

/// Somebody who orders.
#[plasma::table(name = "accounts", auth = open, patch)]
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Identifies the account.
    pub id: Id<Self>,
    /// How the account is called.
    pub name: String,
    /// The birthday, if it was told.
    #[serde(rename = "born")]
    pub birthday: Option<Date>,
    /// Not for others.
    #[column(default = 0)]
    remarks: i32,
}

/// A place on a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// From the left.
    pub x: i32,
}

/// Something ordered.
#[plasma::table(
    name = "purchases",
    unique(account_id, number),
    index(account_id, status),
    check = Purchase::number.gte(1),
    patch(status, due),
    resolve_conflict = merge,
    blobs = "receipts"
)]
#[derive(Debug, Clone, PartialEq)]
pub struct Purchase {
    /// Identifies the purchase.
    pub id: Id<Self>,
    /// Who pays.
    #[column(on_delete = cascade)]
    pub account_id: Id<Account>,
    /// What it belongs to.
    #[column(on_delete = set_null)]
    pub parent_id: Option<Id<Self>>,
    /// Who brings it, in another system.
    #[column(unconstrained)]
    pub courier: Option<Id<Account>>,
    /// Counted for each account.
    pub number: i64,
    /// What became of it.
    #[column(default = Status::Open, index)]
    pub status: Status,
    /// How soon.
    pub urgency: Urgency,
    /// What it costs.
    pub price: Money,
    /// Where the receipt went.
    #[column(unique)]
    pub mail: Option<Email>,
    /// When it should come.
    pub due: Option<Date>,
    /// A share.
    #[column(default = 0.5)]
    pub share: f64,
    /// Where it stands.
    pub place: Json<Place>,
    /// A small picture.
    pub thumb: Vec<u8>,
    /// The receipt.
    #[column(file(max_size = "5 MiB", mime("image/*", "application/pdf"), immutable, upload = lazy))]
    pub receipt: Option<FileRef>,
    /// When it was made.
    #[column(default = now)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[column(default = now, on_update = now)]
    pub updated_at: Timestamp,
    /// Its place in a list.
    #[column(name = "the_order", accessor = position)]
    pub order: i32,
    /// How it is paid.
    #[column(default = "cash")]
    pub r#type: String,
}

/// Mine wins, but for its number.
fn merge(conflict: Conflict<'_, Purchase>) -> Purchase {
    Purchase { number: conflict.remote.number, ..conflict.local.clone() }
}

impl Policy<Ctx> for Purchase {
    fn read(ctx: &Ctx) -> Filter<Self> {
        ctx.user.map_or_else(Filter::nothing, |user| Self::account_id.eq(user).into())
    }
}

/// Only on this device.
#[plasma::table(local_only)]
#[derive(Debug)]
pub struct Draft {
    /// Identifies the draft.
    pub id: Id<Self>,
    /// What was typed.
    pub body: String,
    /// Seen by this crate only.
    pub(crate) seen: Option<bool>,
}

/// Not public at all.
#[plasma::table(auth = open, patch)]
#[derive(Debug)]
struct Hidden {
    /// Identifies it.
    id: Id<Self>,
    /// Its value.
    value: String,
}

plasma::alias!(
    /// What a purchase belongs to.
    pub Parent = Purchase
);
plasma::alias!(pub Payer = Account);

/// What a list shows.
#[derive(Debug, Clone, PartialEq, Eq, plasma::Projection)]
#[projection(from = Purchase)]
pub struct Card {
    /// Identifies the purchase.
    pub id: Id<Purchase>,
    /// Who pays.
    #[from(Account::name)]
    pub payer: Option<String>,
    /// The number of what it belongs to.
    #[from(Parent::col(Purchase::number))]
    pub parent: Option<i64>,
}

/// Why nothing is bought.
#[derive(Debug, Clone, PartialEq, Eq, plasma::Rejection)]
pub enum Refused {
    /// There is no more of it.
    SoldOut {
        /// What was asked for.
        purchase: Id<Purchase>,
        /// What there is.
        r#type: Option<String>,
    },
    /// Too many at once.
    #[rejection(code = "too-many", message = "that is too much")]
    TooMany(i64),
    /// Not today.
    Closed,
}

/// Seen by whoever is signed in.
#[plasma::table]
#[derive(Debug, Clone, Copy)]
pub struct Remark {
    /// Identifies the remark.
    pub id: Id<Self>,
    /// What it is about.
    pub purchase_id: Id<Purchase>,
}

/// Changed by whoever is signed in.
#[plasma::table]
#[derive(Debug, Clone, Copy)]
pub struct Vote {
    /// Identifies the vote.
    pub id: Id<Self>,
}

/// Whoever is signed in.
fn signed_in<T: Table>(ctx: &Ctx) -> Filter<T> {
    Filter::when(ctx.user.is_some())
}

plasma::policy!(Ctx => Vote: signed_in);
plasma::policy!(Ctx => Remark: read = signed_in, insert = signed_in);

/// Arguments of [`Purchases::buy`].
#[plasma::args]
#[derive(Debug, Clone)]
pub struct Buy {
    /// The new purchase.
    pub id: Id<Purchase>,
    /// Where the receipt goes.
    #[arg(email, trim)]
    pub mail: Option<String>,
    /// How it is paid.
    #[arg(len(1..=20), trim)]
    pub kind: String,
    /// How many.
    #[arg(range(1..=99))]
    pub count: i64,
    /// Where to.
    pub places: Vec<Place>,
}

/// Arguments of `Purchases::r#move`.
#[plasma::args(validate)]
#[derive(Debug, Clone, Copy)]
pub struct Move {
    /// The purchase.
    pub id: Id<Purchase>,
    /// Its new place.
    pub position: i32,
}

impl Validate for Move {
    fn validate(&self, checks: &mut Checks) {
        let _ = checks.check("position", self.position >= 0, "range", "must not be negative");
    }
}

/// Arguments of [`Cleaning::sweep`].
#[plasma::args]
#[derive(Debug, Clone, Copy)]
pub struct Sweep {}

/// What is done with purchases.
#[derive(Debug, Clone, Copy)]
pub struct Purchases;

#[plasma::mutators(App)]
impl Purchases {
    /// Buys something.
    ///
    /// # Errors
    ///
    /// When nobody is signed in.
    pub async fn buy(tx: &mut Tx<'_>, ctx: &Ctx, Buy { id, kind, mail, count, .. }: Buy) -> plasma::Result<()> {
        if count > 9 {
            return Err(Refused::TooMany(count).into());
        }
        let account_id = ctx.user.ok_or_else(|| plasma::Error::unauthorized("sign in first"))?;
        let new = NewPurchase {
            account_id,
            number: 1,
            urgency: Urgency::Low,
            price: Money { amount: Fixed::from_minor(100) },
            place: Json(Place { x: 1 }),
            thumb: Vec::new(),
            order: 1,
        };
        let changes = (Purchase::r#type.to(kind), Purchase::mail.to(mail.map(Email)));
        tx.insert(new.with_id(id).with(changes)).await.map(drop)
    }

    /// Moves a purchase.
    ///
    /// # Errors
    ///
    /// When there is no such purchase.
    pub async fn r#move(tx: &mut Tx<'_>, _: &Ctx, args: Move) -> plasma::Result<()> {
        let patch = PurchasePatch { due: Some(None), ..PurchasePatch::default() };
        tx.update(args.id).set((Purchase::position.to(args.position), patch)).await
    }
}

/// What the server does by itself.
#[derive(Debug, Clone, Copy)]
pub struct Cleaning;

#[plasma::mutators(App, name = "cleaning")]
impl Cleaning {
    /// Deletes everything.
    ///
    /// # Errors
    ///
    /// When a row cannot be deleted.
    #[mutator(server_only, name = "cleaning.sweep-all")]
    pub async fn sweep(tx: &mut Tx<'_>, _: &Ctx, _: Sweep) -> plasma::Result<()> {
        tx.delete_where(Filter::<Purchase>::all()).await.map(drop)
    }
}

/// The application.
#[plasma::schema(
    version = "1",
    ctx = Ctx,
    tables(Account, Purchase, Draft, Hidden),
    mutators(Purchases, Cleaning),
    lock = "locks/pedantic.lock"
)]
#[derive(Debug, Clone, Copy)]
pub struct App;

/// The transaction of the application's mutators.
pub type Tx<'a> = plasma::Tx<'a, App>;

/// The cards of an account.
#[must_use]
pub fn cards(account: Id<Account>) -> impl Query<Row = Card> {
    Purchase::select()
        .left_join(Purchase::account_id)
        .left_join(Parent::on(Parent::col(Purchase::id).eq(Purchase::parent_id)))
        .filter(Purchase::account_id.eq(account))
        .project_as::<Card, _>()
}
