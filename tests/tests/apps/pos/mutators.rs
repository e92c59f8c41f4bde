//! What happens at the register and in the office.

use plasma::prelude::*;
use plasma::{Date, Error};
use serde_json::json;

use super::schema::*;

#[plasma::args]
#[derive(Debug, Clone)]
pub struct OpenShop {
    pub manager: String,
    pub cashiers: Vec<String>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Stocked {
    pub id: Id<Product>,
    #[arg(len(4..=14))]
    pub barcode: String,
    pub name: String,
    pub price: Money,
    pub cost: Money,
    pub tax: plasma::Fixed<4>,
    #[arg(range(0..))]
    pub qty: i64,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Reprice {
    pub percent: i64,
}

/// One scan at the register.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Scan {
    pub product: Id<Product>,
    pub qty: i64,
    pub discount: Option<Money>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Sell {
    pub id: Id<Sale>,
    #[arg(len(1..=200))]
    pub scans: Vec<Scan>,
    pub customer: Option<Id<Customer>>,
    pub paid: Vec<(Method, Money)>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct Refund {
    pub id: Id<Sale>,
    pub sale: Id<Sale>,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct AddCustomer {
    pub id: Id<Customer>,
    #[arg(trim, len(1..=80))]
    pub name: String,
}

#[plasma::args]
#[derive(Debug, Clone)]
pub struct CloseDay {
    pub day: Date,
    pub counted: Money,
}

pub struct Office;

#[plasma::mutators(App)]
impl Office {
    /// The server sets a shop up; nobody else may write employees.
    #[mutator(server_only)]
    pub async fn open_shop(tx: &mut Tx<'_>, _: &Ctx, args: OpenShop) -> plasma::Result<()> {
        let Some(mut server) = tx.trusted() else { return Ok(()) };
        server.insert(NewShop { name: "Corner".into(), utc_offset: 60 }.with_id(shop())).await?;
        let manager = std::iter::once((args.manager, Job::Manager));
        let staff = manager.chain(args.cashiers.into_iter().map(|name| (name, Job::Cashier)));
        let rows = staff.map(|(user, job)| {
            let id = Id::derive((shop(), user.as_str()));
            NewEmployee { shop_id: shop(), user, job }.with_id(id)
        });
        server.insert_all(rows).await?;
        Ok(())
    }

    pub async fn stocked(tx: &mut Tx<'_>, _: &Ctx, args: Stocked) -> plasma::Result<()> {
        let Stocked { id, barcode, name, price, cost, tax, qty } = args;
        let product = tx.insert(NewProduct { shop_id: shop(), barcode, name, price, tax }.with_id(id));
        product.on_conflict_update((Product::price.to(price), Product::on_sale.to(true))).await?;
        let side = NewCost { shop_id: shop(), product_id: id, cost }.with_id(Id::derive(id));
        tx.insert(side).on_conflict_update(Cost::cost.to(cost)).await?;
        let shelf = NewStock { shop_id: shop(), product_id: id, qty }.with_id(Id::derive((shop(), id)));
        tx.insert(shelf).on_conflict_update(Stock::qty.to(Stock::qty + qty)).await?;
        Ok(())
    }

    /// Everything by so many percent: the database calculates, the rest of the division is dropped.
    pub async fn reprice(tx: &mut Tx<'_>, _: &Ctx, Reprice { percent }: Reprice) -> plasma::Result<()> {
        let products = tx.all(Product::select().filter(Product::on_sale)).await?;
        for product in products {
            let price = product.price.0.checked_mul(100 + percent);
            let price = price.and_then(|price| price.checked_div_rounded(100, plasma::Rounding::HalfEven));
            let price = price.ok_or_else(|| Error::rejected("price", "no such price"))?;
            tx.update(product.id).set(Product::price.to(Money(price))).await?;
        }
        Ok(())
    }

    /// The end of a day: sums by the database, over the day of the shop and not of UTC.
    #[mutator(server_only)]
    pub async fn close_day(tx: &mut Tx<'_>, _: &Ctx, CloseDay { day, counted }: CloseDay) -> plasma::Result<()> {
        let Some(mut server) = tx.trusted() else { return Ok(()) };
        let offset = server.need(shop()).await?.utc_offset;
        let today = Sale::shop_id.eq(shop()).and(Sale::sold_at.date_at(offset).eq(day));
        let sales = server.count(Sale::select().filter(today.clone())).await?;
        let lines = SaleLine::select().filter(SaleLine::sale_id.has(today.clone()));
        let amount = SaleLine::unit_price * SaleLine::qty - SaleLine::discount.coalesce(Money::cents(0));
        let total = server.one(lines.aggregate(amount.sum())).await?.unwrap_or(Money::cents(0));
        let cash = Payment::select().filter(Payment::method.eq(Method::Cash)).filter(Payment::sale_id.has(today));
        let cash = server.one(cash.aggregate(Payment::amount.sum())).await?.unwrap_or(Money::cents(0));
        let new = NewClosing {
            shop_id: shop(),
            day,
            sales: i64::try_from(sales).unwrap_or(i64::MAX),
            total,
            cash_expected: cash,
            cash_counted: counted,
        };
        server.insert(new.with_id(Id::derive((shop(), day)))).await?;
        Ok(())
    }
}

pub struct Register;

#[plasma::mutators(App)]
impl Register {
    pub async fn add_customer(tx: &mut Tx<'_>, _: &Ctx, args: AddCustomer) -> plasma::Result<()> {
        tx.insert(NewCustomer { shop_id: shop(), name: args.name }.with_id(args.id)).await?;
        Ok(())
    }

    pub async fn sell(tx: &mut Tx<'_>, ctx: &Ctx, args: Sell) -> plasma::Result<()> {
        let Sell { id, scans, customer, paid } = args;
        let sale = Self::receipt(tx, ctx).await?;
        tx.insert(sale.with(Sale::customer_id.to(customer)).with_id(id)).await?;
        let mut due = 0;
        for Scan { product, qty, discount } in scans {
            let price = tx.need(product).await?.price;
            Self::line(tx, id, product, qty, price, discount).await?;
            due += price.0.minor() * qty - discount.map_or(0, |discount| discount.0.minor());
        }
        let given: i64 = paid.iter().map(|(_, amount)| amount.0.minor()).sum();
        if given != due {
            return Err(Error::rejected("unpaid", "what is paid is not what is due")
                .with_data(json!({ "due": due, "paid": given })));
        }
        for (method, amount) in paid {
            tx.insert(NewPayment { sale_id: id, shop_id: shop(), method, amount }).await?;
        }
        if let Some(customer) = customer {
            tx.update(customer).set(Customer::points.to(Customer::points + due / 100)).await?;
        }
        Ok(())
    }

    /// The receipt the other way round: negative lines and payments. Once for each receipt (`refunds` is unique).
    pub async fn refund(tx: &mut Tx<'_>, ctx: &Ctx, Refund { id, sale }: Refund) -> plasma::Result<()> {
        let receipt = Self::receipt(tx, ctx).await?;
        tx.insert(receipt.with(Sale::refunds.to(sale)).with_id(id)).await?;
        for line in tx.all(SaleLine::select().filter(SaleLine::sale_id.eq(sale))).await? {
            let discount = line.discount.and_then(|discount| discount.0.checked_neg()).map(Money);
            Self::line(tx, id, line.product_id, -line.qty, line.unit_price, discount).await?;
        }
        for payment in tx.all(Payment::select().filter(Payment::sale_id.eq(sale))).await? {
            let back =
                payment.amount.0.checked_neg().map(Money).ok_or_else(|| Error::rejected("amount", "too much"))?;
            tx.insert(NewPayment { sale_id: id, shop_id: shop(), method: payment.method, amount: back }).await?;
        }
        Ok(())
    }

    /// The next receipt of the shop. The device guesses; the server, which reads everything, decides.
    async fn receipt(tx: &mut Tx<'_>, ctx: &Ctx) -> plasma::Result<NewSale> {
        let last = Sale::select().filter(Sale::shop_id.eq(shop())).aggregate(Sale::number.max());
        let number = tx.one(last).await?.unwrap_or(0) + 1;
        Ok(NewSale { shop_id: shop(), number, cashier_id: Id::derive((shop(), ctx.user.as_str())) })
    }

    async fn line(
        tx: &mut Tx<'_>,
        sale: Id<Sale>,
        product: Id<Product>,
        qty: i64,
        price: Money,
        discount: Option<Money>,
    ) -> plasma::Result<()> {
        let shelf = Id::<Stock>::derive((shop(), product));
        let left = tx.need(shelf).await?.qty;
        if left < qty {
            let data = json!({ "product": product, "left": left });
            return Err(Error::rejected("out-of-stock", "there are not so many left").with_data(data));
        }
        tx.update(shelf).set(Stock::qty.to(Stock::qty - qty)).await?;
        let new = NewSaleLine { sale_id: sale, shop_id: shop(), product_id: product, qty, unit_price: price };
        tx.insert(new.with(SaleLine::discount.to(discount))).await?;
        Ok(())
    }
}
