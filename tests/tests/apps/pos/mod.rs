//! A point of sale: registers that are offline at times, money that adds up, stock that is never negative.

mod mutators;
mod schema;

use plasma::client::Client;
use plasma::prelude::*;
use plasma::query::AnyQuery;
use plasma::{Date, when};

use self::mutators::*;
use self::schema::*;
use super::{Hosted, Place, device, refused, rejected, server, sync};

struct World {
    server: Hosted<App>,
    boss: Client<App>,
    till1: Client<App>,
    till2: Client<App>,
    tea: Id<Product>,
    cake: Id<Product>,
}

/// None where there is no such database.
async fn world(place: Place) -> plasma::Result<Option<World>> {
    let Some(server) = server::<App>(place).await else { return Ok(None) };
    let (boss, till1, till2) =
        (device(&server, "boss").await, device(&server, "till1").await, device(&server, "till2").await);
    let open = OpenShop { manager: "boss".into(), cashiers: vec!["till1".into(), "till2".into()] };
    server.invoke(open).as_ctx(&Ctx { user: "system".into() }).key("open").await?;
    sync(&[&boss, &till1, &till2]).await;
    let (tea, cake) = (boss.new_id(), boss.new_id());
    let stocked = |id, barcode: &str, name: &str, price, cost, tax: &str, qty| Stocked {
        id,
        barcode: barcode.into(),
        name: name.into(),
        price: Money::cents(price),
        cost: Money::cents(cost),
        tax: tax.parse().expect("a rate"),
        qty,
    };
    boss.mutate(stocked(tea, "87101", "tea", 250, 40, "0.0900", 10)).await?;
    boss.mutate(stocked(cake, "87102", "cake", 395, 120, "0.0900", 2)).await?;
    sync(&[&boss, &till1, &till2]).await;
    Ok(Some(World { server, boss, till1, till2, tea, cake }))
}

fn sell(client: &Client<App>, scans: &[(Id<Product>, i64)], cents: i64) -> Sell {
    let scans = scans.iter().map(|(product, qty)| Scan { product: *product, qty: *qty, discount: None }).collect();
    Sell { id: client.new_id(), scans, customer: None, paid: vec![(Method::Cash, Money::cents(cents))] }
}

/// What was sold best, with the profit, which needs the table that only managers have.
fn best() -> AnyQuery<(String, Option<i64>, Option<Money>, Option<Money>)> {
    let amount = SaleLine::unit_price * SaleLine::qty - SaleLine::discount.coalesce(Money::cents(0));
    SaleLine::select()
        .inner_join(SaleLine::product_id)
        .left_join(Cost::on(Cost::product_id.eq(Product::id)))
        .group_by(Product::name)
        .having(SaleLine::qty.sum().ne(0))
        .order_by(amount.clone().sum().desc())
        .order_by_key(|name| name.asc())
        .limit(10)
        .project(|name| (name, SaleLine::qty.sum(), amount.sum(), (Cost::cost * SaleLine::qty).sum()))
        .any()
}

/// A receipt with its lines and payments.
fn receipts() -> AnyQuery<(i64, String, Vec<(String, i64)>, Vec<Money>)> {
    Sale::select()
        .inner_join(Sale::cashier_id)
        .order_by(Sale::number.asc())
        .project((Sale::number, Employee::user_name))
        .with_many(SaleLine::sale_id.rel(|line| {
            line.inner_join(SaleLine::product_id).order_by(Product::name.asc()).project((Product::name, SaleLine::qty))
        }))
        .with_many(Payment::sale_id.rel(|payment| payment.order_by(Payment::amount.asc()).project(Payment::amount)))
        .any()
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn two_registers_sell_what_there_is(place: Place) -> plasma::Result<()> {
    let Some(World { boss, till1, till2, tea, cake, .. }) = world(place).await? else { return Ok(()) };
    // Both are offline: both sell tea; both sell the last cakes, and one of them has to hear that they are gone.
    till1.mutate(sell(&till1, &[(tea, 2), (cake, 2)], 2 * 250 + 2 * 395)).await?;
    till2.mutate(sell(&till2, &[(tea, 3)], 3 * 250)).await?;
    let gone = till2.mutate(sell(&till2, &[(cake, 1)], 395)).await?;
    sync(&[&till1, &till2, &boss, &till1]).await;
    let error = gone.acknowledged().await.expect_err("the cakes are gone");
    assert_eq!((error.code(), &error.data().expect("how many")["left"]), ("out-of-stock", &0.into()));
    assert_eq!(rejected(&till2).await, ["out-of-stock"]);
    let left = Stock::select()
        .inner_join(Stock::product_id)
        .order_by(Product::name.asc())
        .project((Product::name, Stock::qty));
    for device in [&boss, &till1, &till2] {
        assert_eq!(device.all(left.clone()).await?, [("cake".to_owned(), 0), ("tea".to_owned(), 5)]);
    }
    // Receipts have no gaps: the one that was refused took no number.
    let lines = |lines: &[(&str, i64)]| lines.iter().map(|(name, qty)| ((*name).to_owned(), *qty)).collect::<Vec<_>>();
    let wanted = [
        (1, "till1".to_owned(), lines(&[("cake", 2), ("tea", 2)]), vec![Money::cents(1_290)]),
        (2, "till2".to_owned(), lines(&[("tea", 3)]), vec![Money::cents(750)]),
    ];
    assert_eq!(boss.all(receipts()).await?, wanted);

    // What is paid must be what is due; nothing of a refused sale stays.
    let short = till1.mutate(sell(&till1, &[(tea, 1)], 200)).await.expect_err("too little");
    assert_eq!((short.code(), short.data()), ("unpaid", Some(&serde_json::json!({ "due": 250, "paid": 200 }))));
    assert_eq!((till1.count(Sale::select()).await?, till1.need(Id::<Stock>::derive((shop(), tea))).await?.qty), (2, 5));
    // Points add up from two registers; a discount and two ways to pay.
    let regular = till1.new_id();
    till1.mutate(AddCustomer { id: regular, name: "Vos".into() }).await?;
    sync(&[&till1, &till2]).await;
    let discount = Some(Money::cents(50));
    let paid = vec![(Method::Card, Money::cents(100)), (Method::Other("voucher".into()), Money::cents(100))];
    let scans = vec![Scan { product: tea, qty: 1, discount }];
    till1
        .mutate(Sell { id: till1.new_id(), scans: scans.clone(), customer: Some(regular), paid: paid.clone() })
        .await?;
    till2.mutate(Sell { id: till2.new_id(), scans, customer: Some(regular), paid }).await?;
    sync(&[&till1, &till2, &boss]).await;
    assert_eq!(boss.need(regular).await?.points, 4);
    let vouchers = Payment::select().filter(Payment::method.eq(Method::Other("voucher".into())));
    assert_eq!(boss.one(vouchers.aggregate(Payment::amount.sum())).await?, Some(Money::cents(200)));
    Ok(())
}

#[test_case::test_case(Place::Sqlite; "sqlite")]
#[test_case::test_case(Place::Postgres; "postgres")]
#[tokio::test]
async fn the_office_sees_more_and_the_day_ends(place: Place) -> plasma::Result<()> {
    let Some(World { server, boss, till1, till2, tea, cake }) = world(place).await? else { return Ok(()) };
    let first = sell(&till1, &[(tea, 4), (cake, 1)], 4 * 250 + 395);
    till1.mutate(first.clone()).await?;
    sync(&[&till1, &boss, &till2]).await;
    // A cashier sees products and no costs: the same query, with and without the profit.
    let (tea_sold, cake_sold) = (Some(Money::cents(1_000)), Some(Money::cents(395)));
    let row = |name: &str, qty, sold, cost| (name.to_owned(), Some(qty), sold, cost);
    let seen = [row("tea", 4, tea_sold, Some(Money::cents(160))), row("cake", 1, cake_sold, Some(Money::cents(120)))];
    assert_eq!(boss.all(best()).await?, seen);
    let blind = [row("tea", 4, tea_sold, None), row("cake", 1, cake_sold, None)];
    assert_eq!(till1.all(best()).await?, blind);
    assert_eq!(server.db().as_ctx(&Ctx { user: "till1".into() }).all(best()).await?, blind);

    // Prices are for managers, and refunds; a refund happens once.
    assert_eq!(refused(&till1, Reprice { percent: -50 }).await, "unauthorized");
    assert_eq!(refused(&till2, Refund { id: till2.new_id(), sale: first.id }).await, "unauthorized");
    boss.mutate(Refund { id: boss.new_id(), sale: first.id }).await?;
    sync(&[&boss, &till1, &till2]).await;
    assert_eq!(refused(&boss, Refund { id: boss.new_id(), sale: first.id }).await, "conflict");
    assert_eq!(till1.all(Stock::select().order_by(Stock::qty.desc()).project(Stock::qty)).await?, [10, 2]);
    assert_eq!(boss.all(best()).await?, []);
    boss.mutate(Reprice { percent: 10 }).await?;
    sync(&[&boss, &till1]).await;
    assert_eq!(till1.need(cake).await?.price, Money::cents(434), "4.345 is rounded half to even");
    till1.mutate(sell(&till1, &[(cake, 1)], 434)).await?;
    sync(&[&till1, &boss]).await;
    // A scan is a look-up; what is cheap is said by a choice.
    let word = when(Product::price.lt(Money::cents(300))).then("cheap").otherwise("dear");
    let scanned =
        Product::select().filter(Product::barcode.eq("87101").and(Product::on_sale)).project((Product::name, word));
    assert_eq!(till1.one(scanned).await?, ("tea".to_owned(), "cheap".to_owned()));

    // The end of the day, once: sums over the day of the shop.
    let sold_at = boss.one(Sale::select().filter(Sale::id.eq(first.id)).project(Sale::sold_at.date_at(60))).await?;
    for key in ["close", "close"] {
        let close = CloseDay { day: sold_at, counted: Money::cents(430) };
        server.invoke(close).as_ctx(&Ctx { user: "system".into() }).key(key).await?;
    }
    let twice =
        server.invoke(CloseDay { day: sold_at, counted: Money::cents(0) }).as_ctx(&Ctx { user: "system".into() });
    assert_eq!(twice.key("close again").await.expect_err("the day is closed").code(), "conflict");
    sync(&[&boss, &till1]).await;
    let closing = boss.one(Closing::select()).await?;
    let sums = (closing.sales, closing.total, closing.cash_expected, closing.cash_counted);
    assert_eq!(sums, (3, Money::cents(434), Money::cents(434), Money::cents(430)));
    assert_eq!((till1.count(Closing::select()).await?, closing.day), (0, Date::constant(2026, 11, 16)));
    let missing = Closing::select().project(Closing::cash_expected - Closing::cash_counted);
    assert_eq!(boss.one(missing).await?, Money::cents(4));
    Ok(())
}
