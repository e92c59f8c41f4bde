//! Upserts over a base that changes: what they asked for is read, whether it was there or not.

use serde_json::{Value as Json, json};

use super::support::*;
use crate::error::{Error, Result};
use crate::future::BoxFuture;
use crate::mutate::{ErasedCtx, Executor, RunFn, Tx, TxMeta, columns};
use crate::schema::samples::{App, NewStock, Stock};
use crate::schema::{Id, NewRow, Schema, Table};
use crate::store::sqlite::SqliteConnection;
use crate::value::{Row, Value};

pub(super) const MUTATORS: [(&str, RunFn); 4] =
    [("stock.put", put_stock), ("stock.keyed", keyed), ("stock.ensure", ensure), ("stock.ensure-id", ensure_id)];

struct Args {
    id: Id<Stock>,
    new: NewStock,
    qty: i64,
}

fn args(json: &str) -> Result<Args> {
    let args: Json = serde_json::from_str(json).map_err(|e| Error::internal(e.to_string()))?;
    let int = |name: &str| args[name].as_i64().unwrap_or_default();
    let new = NewStock { code: int("code"), shop: int("shop"), place: args["place"].as_i64() };
    Ok(Args { id: id(int("id") as u32).parse()?, new, qty: int("qty") })
}

type Step<'t> = BoxFuture<'t, Result<()>>;

/// By the id.
fn put_stock<'t>(ex: &'t mut dyn Executor, meta: &'t TxMeta, _: &'t ErasedCtx, json: &'t str) -> Step<'t> {
    Box::pin(async move {
        let Args { id, new, qty } = args(json)?;
        Tx::<App>::new(ex, meta).insert(new.with_id(id)).on_conflict_update(Stock::qty.to(qty)).await.map(drop)
    })
}

/// By `shop` and `place`.
fn keyed<'t>(ex: &'t mut dyn Executor, meta: &'t TxMeta, _: &'t ErasedCtx, json: &'t str) -> Step<'t> {
    Box::pin(async move {
        let Args { new, qty, .. } = args(json)?;
        let mut tx = Tx::<App>::new(ex, meta);
        let upsert = tx.insert(new).on_conflict_update(Stock::qty.to(qty));
        upsert.by(columns!(Stock::shop, Stock::place)).await.map(drop)
    })
}

/// By anything: a row that is there stays.
fn ensure<'t>(ex: &'t mut dyn Executor, meta: &'t TxMeta, _: &'t ErasedCtx, json: &'t str) -> Step<'t> {
    Box::pin(async move { Tx::<App>::new(ex, meta).insert(args(json)?.new).on_conflict_ignore().await.map(drop) })
}

/// The same with an id of its own.
fn ensure_id<'t>(ex: &'t mut dyn Executor, meta: &'t TxMeta, _: &'t ErasedCtx, json: &'t str) -> Step<'t> {
    Box::pin(async move {
        let Args { id, new, .. } = args(json)?;
        Tx::<App>::new(ex, meta).insert(new.with_id(id)).on_conflict_ignore().await.map(drop)
    })
}

fn row(n: u32, code: i64, shop: i64, place: i64, qty: i64) -> Row {
    vec![id(n).into(), code.into(), shop.into(), place.into(), qty.into()]
}

fn put_row(n: u32, code: i64, shop: i64, place: i64, qty: i64) -> Json {
    put(Stock::DEF, row(n, code, shop, place, qty))
}

/// Code, shop, place and quantity of the visible rows.
fn visible(client: &mut Client) -> Vec<[i64; 4]> {
    let rows = client.rows(Stock::DEF);
    rows.iter().map(|row| [1, 2, 3, 4].map(|at| row[at].as_int().unwrap_or(-1))).collect()
}

fn client() -> Client {
    let store = SqliteConnection::in_memory().unwrap();
    let mut client = Client::over_schema(store, options(), App::DEF, 1).unwrap();
    client.begin();
    client
}

#[test]
fn what_was_inserted_here_is_an_update_where_somebody_was_first() {
    let mut client = client();
    client.mutate("stock.put", json!({ "id": 1, "code": 7, "shop": 1, "place": 1, "qty": 50 }));
    assert_eq!(visible(&mut client), [[7, 1, 1, 1]], "inserted");
    client.pull(vec![put_row(1, 7, 1, 1, 9)], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(visible(&mut client), [[7, 1, 1, 50]], "updated");
    // The server did the same: nothing moves.
    client.batches.clear();
    client.pull(vec![put_row(1, 7, 1, 1, 50)], Some(1));
    assert_eq!((visible(&mut client), client.batches.len()), (vec![[7, 1, 1, 50]], 0));
}

#[test]
fn what_was_updated_here_is_an_insert_where_the_row_is_gone() {
    let mut client = client();
    client.pull(vec![put_row(1, 7, 1, 1, 9)], None);
    client.mutate("stock.put", json!({ "id": 1, "code": 8, "shop": 2, "place": 2, "qty": 50 }));
    assert_eq!(visible(&mut client), [[7, 1, 1, 50]]);
    client.pull(vec![del(Stock::DEF, 1)], None);
    assert_eq!(visible(&mut client), [[8, 2, 2, 1]]);
}

#[test]
fn a_key_that_was_free_leads_to_the_row_that_took_it() {
    let mut client = client();
    client.mutate("stock.keyed", json!({ "code": 7, "shop": 1, "place": 1, "qty": 50 }));
    client.pull(vec![put_row(2, 8, 1, 2, 9)], None);
    assert_eq!((client.stats().replayed, client.stats().disjoint), (0, 1), "another place");
    client.pull(vec![put_row(3, 9, 1, 1, 9)], None);
    assert_eq!(client.stats().replayed, 1);
    assert_eq!(visible(&mut client), [[8, 1, 2, 9], [9, 1, 1, 50]]);
    // Their row moves away: the place is free again.
    client.pull(vec![put_row(3, 9, 1, 3, 9)], None);
    assert_eq!(visible(&mut client).len(), 3);
}

/// It wrote nothing: only what it asked for tells that it has to run again.
#[test]
fn a_row_that_kept_another_from_being_inserted_was_read() {
    for (name, gone) in [
        ("stock.ensure", vec![del(Stock::DEF, 1)]),
        // It no longer has the code, nor the place.
        ("stock.ensure", vec![put_row(1, 8, 2, 2, 9)]),
        ("stock.ensure-id", vec![del(Stock::DEF, 1)]),
    ] {
        let mut client = client();
        client.pull(vec![put_row(1, 7, 1, 1, 9)], None);
        client.mutate(name, json!({ "id": 1, "code": 7, "shop": 1, "place": 1 }));
        assert_eq!(visible(&mut client), [[7, 1, 1, 9]], "there is one");
        client.pull(vec![put_row(5, 15, 5, 5, 9)], None);
        assert_eq!((client.stats().replayed, client.stats().disjoint), (0, 2));
        client.pull(gone, None);
        assert_eq!(client.stats().replayed, 1, "{name}");
        assert!(visible(&mut client).contains(&[7, 1, 1, 1]), "{name}: {:?}", visible(&mut client));
    }
}

#[test]
fn a_replay_that_meets_two_rows_fails_and_comes_back() {
    let mut client = client();
    client.mutate("stock.keyed", json!({ "code": 7, "shop": 1, "place": 1, "qty": 50 }));
    client.pull(vec![put_row(1, 7, 9, 9, 9), put_row(2, 8, 1, 1, 9)], None);
    assert_eq!(visible(&mut client), [[7, 9, 9, 9], [8, 1, 1, 9]]);
    let queued = client.engine.outbox(&mut client.store).unwrap();
    assert!(queued[0].failing.as_deref().unwrap().starts_with("conflict"), "{queued:?}");
    client.pull(vec![del(Stock::DEF, 1)], None);
    assert_eq!(visible(&mut client), [[8, 1, 1, 50]]);
    assert_eq!(client.rows(Stock::DEF)[0][0], Value::from(id(2)));
}
