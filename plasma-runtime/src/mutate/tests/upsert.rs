//! Upserts and statements that return their rows: the client's executor and the server's, each against SQLite's own
//! `INSERT .. ON CONFLICT`.

use std::collections::BTreeMap;

use http::request::Parts;

use super::{id, on_client, run};
use crate::client::executor::{ClientExecutor, Mode};
use crate::client::rows::{Texts, Writer};
use crate::error::{Constraint, Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{Tx, columns};
use crate::query::typed::scalar;
use crate::schema::samples::{App, Ctx, NewStock, Stock};
use crate::schema::{Id, NewRow, Schema, Table};
use crate::server::{Auth, Server, SqliteDatabase};
use crate::store::SqlConnection;
use crate::store::ddl::{Side, create_table};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Row, Value};

/// One statement: a new row, and what becomes of one that is there.
#[derive(Debug, Clone, Copy)]
struct Op {
    id: u128,
    code: i64,
    shop: i64,
    place: Option<i64>,
    by: By,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// Unsaid: the id, which the row has.
    Id,
    Code,
    Place,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Ignore,
    /// Sets the quantity.
    Qty(i64),
    /// Moves it to another code, which may be taken.
    Code(i64),
    /// Calculates from the row that is there.
    CopyShop,
}

impl Op {
    fn row(self) -> crate::mutate::New<Stock> {
        NewStock { code: self.code, shop: self.shop, place: self.place }.with_id(id(self.id))
    }

    /// SQLite's spelling of it.
    fn sql(self) -> String {
        let target = match self.by {
            // Without a key, doing nothing is about all of them.
            By::Id if self.then == Then::Ignore => "",
            By::Id => "(id)",
            By::Code => "(code)",
            By::Place => "(shop, place)",
        };
        let then = match self.then {
            Then::Ignore => "NOTHING".to_owned(),
            Then::Qty(qty) => format!("UPDATE SET qty = {qty}"),
            Then::Code(code) => format!("UPDATE SET code = {code}"),
            Then::CopyShop => "UPDATE SET qty = shop".to_owned(),
        };
        let (id, place) = (id::<Stock>(self.id), self.place.map_or("NULL".to_owned(), |place| place.to_string()));
        let (code, shop) = (self.code, self.shop);
        format!("INSERT INTO stock VALUES ('{id}', {code}, {shop}, {place}, 1) ON CONFLICT {target} DO {then}")
    }

    async fn run(self, tx: &mut Tx<'_, App>) -> Result<(Id<Stock>, bool)> {
        let insert = tx.insert(self.row());
        let upsert = match self.then {
            Then::Ignore => insert.on_conflict_ignore(),
            Then::Qty(qty) => insert.on_conflict_update(Stock::qty.to(qty)),
            Then::Code(code) => insert.on_conflict_update(Stock::code.to(code)),
            Then::CopyShop => insert.on_conflict_update(Stock::qty.to(Stock::shop)),
        };
        let done = match self.by {
            By::Id => upsert,
            By::Code => upsert.by(columns!(Stock::code)),
            By::Place => upsert.by(columns!(Stock::place, Stock::shop)),
        };
        done.await.map(|upserted| (upserted.id, upserted.inserted))
    }

    /// The ids of the rows it meets, by key.
    fn meets(self, rows: &BTreeMap<String, Row>) -> Vec<(By, String)> {
        let same = |by, test: &dyn Fn(&Row) -> bool| {
            rows.iter().filter(|(_, row)| test(row)).map(|(id, _)| (by, id.clone())).collect::<Vec<_>>()
        };
        let own = id::<Stock>(self.id).to_string();
        let place =
            |row: &Row| row[2].as_int() == Some(self.shop) && self.place.is_some_and(|p| row[3] == Value::Int(p));
        let mut met = same(By::Id, &|row| row[0].as_text() == Some(&own));
        met.extend(same(By::Code, &|row| row[1].as_int() == Some(self.code)));
        met.extend(same(By::Place, &place));
        met
    }
}

fn rows(db: &mut SqliteConnection) -> BTreeMap<String, Row> {
    let kinds: Vec<_> = Stock::DEF.columns.iter().map(|column| column.kind).collect();
    let rows = SqlConnection::query(db, "SELECT * FROM stock", &[], &kinds).unwrap();
    rows.into_iter().map(|row| (Stock::DEF.row_id(&row).to_owned(), row)).collect()
}

fn op(random: &mut u64) -> Op {
    let mut below = |n: u64| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*random >> 33) % n
    };
    Op {
        id: u128::from(below(6) + 1),
        code: below(5) as i64,
        shop: below(3) as i64,
        place: [None, Some(1), Some(2)][below(3) as usize],
        by: [By::Id, By::Id, By::Code, By::Place][below(4) as usize],
        then: [Then::Ignore, Then::Qty(below(9) as i64), Then::Code(below(5) as i64), Then::CopyShop]
            [below(4) as usize],
    }
}

/// What happened to the statements, so that no kind of them is missing.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    inserted: usize,
    updated: usize,
    ignored: usize,
    refused: usize,
    several: usize,
}

/// Runs random statements on an executor and on SQLite; both must agree on every row after each.
fn differs_from_sqlite(
    seed: u64,
    mut ours: impl FnMut(Op) -> (Result<(Id<Stock>, bool)>, BTreeMap<String, Row>),
) -> Seen {
    let mut oracle = SqliteConnection::in_memory().unwrap();
    SqlConnection::batch(&mut oracle, &create_table(Stock::DEF, Side::Client)).unwrap();
    let (mut random, mut seen) = (seed, Seen::default());
    for _ in 0..600 {
        if random.is_multiple_of(7) {
            // Room for inserts.
            random = random.wrapping_add(3);
        }
        let op = op(&mut random);
        let before = rows(&mut oracle);
        let met = op.meets(&before);
        let several = met.iter().any(|(_, id)| *id != met[0].1) && op.then != Then::Ignore;
        let theirs = if several {
            // SQLite would change one of them; here that is a conflict.
            seen.several += 1;
            None
        } else {
            Some(SqlConnection::execute(&mut oracle, &op.sql(), &[]))
        };
        let (result, now) = ours(op);
        let expected = rows(&mut oracle);
        assert_eq!(now, expected, "{op:?} over {before:?} gave {result:?}");
        match (&result, theirs) {
            (Ok((id, inserted)), Some(Ok(_))) => {
                let id = id.to_string();
                assert_eq!(*inserted, !before.contains_key(&id), "{op:?}");
                assert!(now.contains_key(&id), "{op:?}");
                if *inserted {
                    seen.inserted += 1;
                } else if now == before {
                    seen.ignored += 1;
                } else {
                    seen.updated += 1;
                }
            }
            (Err(error), None | Some(Err(_))) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{op:?}: {error}");
                let violation = error.violation().expect("it is named");
                assert_eq!((violation.constraint, violation.table.as_deref()), (Constraint::Unique, Some("stock")));
                assert!(["id", "code", "shop"].contains(&violation.columns[0].as_str()), "{violation:?}");
                seen.refused += 1;
            }
            (ours, theirs) => panic!("{op:?} over {before:?}: {ours:?}, SQLite {theirs:?}"),
        }
    }
    seen
}

fn all_kinds(seen: &Seen) {
    assert!(
        [seen.inserted, seen.updated, seen.ignored, seen.refused, seen.several].iter().all(|n| *n >= 4),
        "{seen:?}"
    );
}

#[test]
fn a_client_upserts_as_sqlite_does() {
    for seed in 0..8 {
        let mut store = SqliteConnection::in_memory().unwrap();
        SqlConnection::batch(&mut store, &create_table(Stock::DEF, Side::Client)).unwrap();
        let (definition, texts, meta) = (App::definition(), Texts::new(&App::DEF), on_client());
        let seen = differs_from_sqlite(seed, |op| {
            let mut writer = Writer::new(&mut store, &texts);
            let mut executor = ClientExecutor::new(&mut writer, &definition, &(), Mode::First);
            let result = run(op.run(&mut Tx::new(&mut executor, &meta)));
            (result, rows(&mut store))
        });
        all_kinds(&seen);
    }
}

async fn nobody(_: &Parts) -> Result<Auth<Ctx>> {
    Err(Error::unauthorized("no network here"))
}

#[test]
fn a_server_upserts_as_sqlite_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for seed in 0..3 {
        let server = runtime.block_on(Server::<App>::builder(SqliteDatabase::in_memory()).auth(nobody).open()).unwrap();
        let db = server.db().trusted();
        let seen = differs_from_sqlite(seed, |op| {
            let result = runtime.block_on(db.write(move |tx| -> BoxFuture<'_, _> { Box::pin(op.run(tx)) }));
            let all = runtime.block_on(db.all(Stock::select())).unwrap();
            let all = all.into_iter().map(|stock| {
                let place = stock.place.map_or(Value::Null, Value::Int);
                let row =
                    vec![stock.id.to_string().into(), stock.code.into(), stock.shop.into(), place, stock.qty.into()];
                (stock.id.to_string(), row)
            });
            (result, all.collect())
        });
        all_kinds(&seen);
    }
}

fn stock(code: i64, shop: i64, place: i64) -> NewStock {
    NewStock { code, shop, place: Some(place) }
}

async fn statements_return_their_rows(tx: &mut Tx<'_, App>) -> Result<()> {
    let first = tx.insert(stock(1, 1, 1).with_id(id(9))).returning().await?;
    assert_eq!(first, Stock { id: id(9), code: 1, shop: 1, place: Some(1), qty: 1 }, "defaults are filled in");
    let two = tx.insert_all([stock(2, 1, 2).with_id(id(8)), stock(3, 1, 3).with_id(id(7))]).returning().await?;
    assert_eq!(two.iter().map(|stock| stock.code).collect::<Vec<_>>(), [2, 3], "in the order given");
    let changed = tx.update(first.id).set(Stock::qty.to(Stock::shop)).set(Stock::code.to(4)).returning().await?;
    assert_eq!(changed, Stock { code: 4, ..first });
    let codes = |rows: &[Stock]| rows.iter().map(|stock| (stock.code, stock.qty)).collect::<Vec<_>>();
    let all = tx.update_where(Stock::code.gt(2)).set(Stock::qty.to(Stock::code)).returning().await?;
    assert_eq!(codes(&all), [(3, 3), (4, 4)], "in the order of their ids, as they are stored");
    let none = tx.update_where(Stock::code.gt(9)).set(Stock::qty.to(0)).returning().await?;
    assert_eq!(none, []);
    let nothing = None::<crate::query::typed::Assign<Stock>>;
    assert_eq!(tx.update(first.id).set(nothing.clone()).returning().await?.qty, 4);
    assert_eq!(tx.update_where(Stock::code.lt(3)).set(nothing).returning().await?.len(), 1);
    let put = |qty| Stock::qty.to(qty);
    assert_eq!(tx.insert(stock(4, 5, 5)).on_conflict_update(put(7)).returning().await?.id, first.id);
    assert_eq!(tx.insert(stock(4, 5, 5)).on_conflict_ignore().returning().await?.qty, 7);
    assert_eq!(tx.insert(stock(6, 5, 5)).on_conflict_update(put(7)).returning().await?.qty, 1, "it is new");
    assert_eq!(codes(&[tx.delete(first.id).returning().await?]), [(4, 7)], "as it was");
    for missing in
        [tx.update(first.id).set(put(1)).returning().await.map(drop), tx.delete(first.id).returning().await.map(drop)]
    {
        assert_eq!(missing.expect_err("it is gone").kind(), ErrorKind::NotFound);
    }
    let gone = tx.delete_where(Stock::shop.eq(1)).returning().await?;
    assert_eq!(codes(&gone), [(3, 3), (2, 1)]);
    assert_eq!(tx.count(Stock::select()).await?, 1);
    Ok(())
}

async fn a_fresh_id_meets_by_the_unique_values(tx: &mut Tx<'_, App>) -> Result<()> {
    let put = |qty| Stock::qty.to(qty);
    let one = tx.insert(stock(1, 1, 1)).on_conflict_update(put(5)).await?;
    let two = tx.insert(stock(2, 2, 2)).on_conflict_update(put(5)).await?;
    assert!(one.inserted && two.inserted && one != two);
    // By one key, by the other, by both.
    for (qty, row) in [(6, stock(1, 8, 8)), (7, stock(8, 1, 1)), (8, stock(1, 1, 1))] {
        let met = tx.insert(row).on_conflict_update(put(qty)).await?;
        assert_eq!((met.id, met.inserted), (one.id, false));
        assert_eq!(tx.need(one.id).await?.qty, qty);
    }
    let both = tx.insert(stock(1, 2, 2)).on_conflict_update(put(0)).await.expect_err("it meets two rows");
    assert_eq!(both.kind(), ErrorKind::Conflict);
    let first = tx.insert(stock(1, 2, 2)).on_conflict_ignore().await?;
    assert_eq!((first.id, first.inserted), (one.id, false));
    // Another key than the one that was asked about refuses.
    let other = tx.insert(stock(1, 9, 9)).on_conflict_update(put(0)).by(columns!(Stock::shop, Stock::place)).await;
    assert_eq!(other.expect_err("met by `code`").violation().expect("named").columns, ["code"]);
    let other = tx.insert(stock(1, 9, 9)).on_conflict_ignore().by(columns!(Stock::shop, Stock::place)).await;
    assert_eq!(other.expect_err("met by `code`").kind(), ErrorKind::Conflict);
    // Changes of nothing leave the row; a new row is inserted all the same.
    assert!(!tx.insert(stock(1, 1, 1)).on_conflict_update(()).await?.inserted);
    assert!(tx.insert(stock(3, 3, 3)).on_conflict_update(()).await?.inserted);
    // What can never meet a row is a defect, and not a row every time.
    let user = || crate::schema::samples::NewUser { name: "Ada".into() };
    let never = tx.insert(user()).on_conflict_ignore().await.expect_err("no unique column");
    assert!(never.kind() == ErrorKind::Internal && never.message().contains("with_id"), "{never}");
    let never = tx.insert(stock(4, 4, 4)).on_conflict_ignore().by(columns!(Stock::qty)).await.expect_err("no key");
    assert!(never.kind() == ErrorKind::Internal && never.message().contains("`qty`"), "{never}");
    assert!(tx.insert(user().with_id(id(3))).on_conflict_ignore().await?.inserted);
    assert!(!tx.insert(user().with_id(id(3))).on_conflict_ignore().await?.inserted);
    let all = tx.all(Stock::select().order_by(Stock::code.asc())).await?;
    assert_eq!(all.iter().map(|stock| (stock.code, stock.qty)).collect::<Vec<_>>(), [(1, 8), (2, 1), (3, 1)]);
    Ok(())
}

/// As in SQL: what one row becomes is not seen by what the next one becomes.
async fn an_update_sees_the_rows_before_the_statement(tx: &mut Tx<'_, App>) -> Result<()> {
    tx.insert_all([stock(1, 1, 1), stock(2, 1, 2), stock(3, 1, 3)]).await?;
    let most = || scalar(Stock::select().aggregate(Stock::qty.max())).coalesce(0i64);
    let all = tx.update_where(Stock::shop.eq(1)).set(Stock::qty.to(most() + Stock::code)).returning().await?;
    let mut qty: Vec<_> = all.iter().map(|stock| (stock.code, stock.qty)).collect();
    qty.sort();
    assert_eq!(qty, [(1, 2), (2, 3), (3, 4)]);
    let both = (Stock::qty.to(most()), Stock::shop.to(Stock::qty));
    let mut all = tx.update_where(Stock::code.gte(2)).set(both).returning().await?;
    all.sort_by_key(|stock| stock.code);
    assert_eq!(all.iter().map(|stock| (stock.shop, stock.qty)).collect::<Vec<_>>(), [(3, 4), (4, 4)]);
    Ok(())
}

/// A step that is the same on both sides.
type Step = for<'a> fn(&'a mut Tx<'_, App>) -> BoxFuture<'a, Result<()>>;

#[test]
fn both_sides_say_the_same() {
    let steps: [Step; 3] = [
        |tx| Box::pin(statements_return_their_rows(tx)),
        |tx| Box::pin(a_fresh_id_meets_by_the_unique_values(tx)),
        |tx| Box::pin(an_update_sees_the_rows_before_the_statement(tx)),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for step in steps {
        let mut store = SqliteConnection::in_memory().unwrap();
        for table in App::DEF.tables {
            SqlConnection::batch(&mut store, &create_table(table, Side::Client)).unwrap();
        }
        let (definition, texts, meta) = (App::definition(), Texts::new(&App::DEF), on_client());
        let mut writer = Writer::new(&mut store, &texts);
        let mut executor = ClientExecutor::new(&mut writer, &definition, &(), Mode::First);
        run(step(&mut Tx::new(&mut executor, &meta))).unwrap();
        let server = runtime.block_on(Server::<App>::builder(SqliteDatabase::in_memory()).auth(nobody).open()).unwrap();
        runtime.block_on(server.db().trusted().write(move |tx| step(tx))).unwrap();
    }
}
