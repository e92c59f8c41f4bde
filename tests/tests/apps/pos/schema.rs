//! The tables of the point of sale and who may see them.

use plasma::Fixed;
use plasma::prelude::*;
use plasma::query::Col;
use serde::{Deserialize, Serialize};

use super::mutators::{Office, Register};
use crate::apps::{Application, named};

/// Euros, exactly.
#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[column(numeric)]
pub struct Money(pub Fixed<2>);

impl Money {
    pub const fn cents(cents: i64) -> Self {
        Money(Fixed::from_minor(cents))
    }
}

#[derive(plasma::Column, Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[column(as = int)]
pub enum Job {
    Cashier = 1,
    Manager = 2,
}

#[derive(plasma::Column, Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Method {
    Cash,
    Card,
    #[column(other)]
    Other(String),
}

#[plasma::table(name = "shops", auth = open)]
#[derive(Debug, Clone, PartialEq)]
pub struct Shop {
    pub id: Id<Shop>,
    pub name: String,
    /// Minutes ahead of UTC: a day of the shop begins at its midnight.
    pub utc_offset: i32,
}

#[plasma::table(name = "employees", unique(shop_id, user))]
#[derive(Debug, Clone, PartialEq)]
pub struct Employee {
    pub id: Id<Employee>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    #[column(name = "user_name", accessor = user_name)]
    pub user: String,
    pub job: Job,
}

#[plasma::table(name = "products")]
#[derive(Debug, Clone, PartialEq)]
pub struct Product {
    pub id: Id<Product>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    #[column(unique)]
    pub barcode: String,
    pub name: String,
    pub price: Money,
    /// Of the price: `0.2100`.
    pub tax: Fixed<4>,
    #[column(default = true)]
    pub on_sale: bool,
}

/// What a product costs the shop. A cashier must not see it, and rules are about rows: so it is a table of its own, one
/// row for each product, with the id that follows from the product's.
#[plasma::table(name = "product_costs")]
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    pub id: Id<Cost>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    #[column(unique, on_delete = cascade)]
    pub product_id: Id<Product>,
    pub cost: Money,
}

#[plasma::table(name = "stock", unique(shop_id, product_id), check = Stock::qty.gte(0))]
#[derive(Debug, Clone, PartialEq)]
pub struct Stock {
    pub id: Id<Stock>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    #[column(on_delete = cascade)]
    pub product_id: Id<Product>,
    pub qty: i64,
}

/// A receipt. Numbered by shop; `refunds` is the receipt that is taken back.
#[plasma::table(name = "sales", unique(shop_id, number), index(shop_id, sold_at))]
#[derive(Debug, Clone, PartialEq)]
pub struct Sale {
    pub id: Id<Sale>,
    #[column(on_delete = restrict)]
    pub shop_id: Id<Shop>,
    pub number: i64,
    #[column(on_delete = no_action)]
    pub cashier_id: Id<Employee>,
    #[column(on_delete = set_null)]
    pub customer_id: Option<Id<Customer>>,
    #[column(unique, on_delete = restrict)]
    pub refunds: Option<Id<Sale>>,
    #[column(default = now)]
    pub sold_at: Timestamp,
}

#[plasma::table(name = "sale_lines", check = SaleLine::qty.ne(0))]
#[derive(Debug, Clone, PartialEq)]
pub struct SaleLine {
    pub id: Id<SaleLine>,
    #[column(on_delete = cascade)]
    pub sale_id: Id<Sale>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    #[column(on_delete = restrict)]
    pub product_id: Id<Product>,
    pub qty: i64,
    pub unit_price: Money,
    pub discount: Option<Money>,
}

#[plasma::table(name = "payments")]
#[derive(Debug, Clone, PartialEq)]
pub struct Payment {
    pub id: Id<Payment>,
    #[column(on_delete = cascade)]
    pub sale_id: Id<Sale>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    pub method: Method,
    pub amount: Money,
}

#[plasma::table(name = "customers", check = Customer::points.gte(0))]
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    pub id: Id<Customer>,
    #[column(on_delete = cascade)]
    pub shop_id: Id<Shop>,
    pub name: String,
    #[column(default = 0)]
    pub points: i64,
}

/// Read by managers, written by the server.
#[plasma::table(name = "closings", unique(shop_id, day))]
#[derive(Debug, Clone, PartialEq)]
pub struct Closing {
    pub id: Id<Closing>,
    #[column(on_delete = restrict)]
    pub shop_id: Id<Shop>,
    pub day: plasma::Date,
    pub sales: i64,
    pub total: Money,
    pub cash_expected: Money,
    pub cash_counted: Money,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ctx {
    pub user: String,
}

#[plasma::schema(
    version = "pos-1",
    ctx = Ctx,
    tables(Shop, Employee, Product, Cost, Stock, Sale, SaleLine, Payment, Customer, Closing),
    mutators(Office, Register),
    lock = false
)]
pub struct App;
pub type Tx<'a> = plasma::Tx<'a, App>;

impl Application for App {
    fn caller(name: &str) -> Ctx {
        Ctx { user: name.to_owned() }
    }
}

/// The shop of the tests, which is set up by the server.
pub fn shop() -> Id<Shop> {
    named("corner")
}

fn works<T: Table>(shop: Col<T, Id<Shop>>, ctx: &Ctx, job: Job) -> Filter<T> {
    let mine = Employee::select().filter(Employee::user_name.eq(ctx.user.as_str()).and(Employee::job.gte(job)));
    shop.in_query(mine.project(Employee::shop_id)).into()
}

/// One rule for the tables of a shop; a macro of the application, because the rule of each is the same.
macro_rules! of_shop {
    ($($table:ident: read $read:ident, write $write:ident;)+) => {$(
        impl Policy<Ctx> for $table {
            fn read(ctx: &Ctx) -> Filter<$table> {
                works($table::shop_id, ctx, Job::$read)
            }
            fn insert(ctx: &Ctx) -> Filter<$table> {
                works($table::shop_id, ctx, Job::$write)
            }
            fn update(ctx: &Ctx) -> Filter<$table> {
                Self::insert(ctx)
            }
            const FROZEN: Columns<$table> = columns!($table::shop_id);
        }
    )+};
}
of_shop! {
    Product: read Cashier, write Manager;
    Cost: read Manager, write Manager;
    Stock: read Cashier, write Cashier;
    SaleLine: read Cashier, write Cashier;
    Payment: read Cashier, write Cashier;
    Customer: read Cashier, write Cashier;
}

impl Policy<Ctx> for Employee {
    fn read(ctx: &Ctx) -> Filter<Employee> {
        works(Employee::shop_id, ctx, Job::Cashier)
    }
}
impl Policy<Ctx> for Sale {
    fn read(ctx: &Ctx) -> Filter<Sale> {
        works(Sale::shop_id, ctx, Job::Cashier)
    }
    /// In one's own name; a refund is for managers. Receipts are never changed.
    fn insert(ctx: &Ctx) -> Filter<Sale> {
        let own = Filter::from(Sale::cashier_id.has(Employee::user_name.eq(ctx.user.as_str())));
        own.and(Filter::from(Sale::refunds.is_null()).or(works(Sale::shop_id, ctx, Job::Manager)))
    }
}
impl Policy<Ctx> for Closing {
    fn read(ctx: &Ctx) -> Filter<Closing> {
        works(Closing::shop_id, ctx, Job::Manager)
    }
}
