//! The digests of a run: the documented bytes, and what they depend on.

use super::{Recorder, id, on_client, on_server};
use crate::error::{Error, Result};
use crate::future::{BoxFuture, poll_once};
use crate::mutate::record::Record;
use crate::mutate::{Effects, ErasedCtx, Executor, MutatorDef, Tx, TxMeta};
use crate::query::ir::{Change, CompareOp, Expr, Write};
use crate::schema::samples::{App, NewUser, Todo, User};
use crate::schema::{ColumnDef, Schema, SchemaDef, Table, TableDef};
use crate::value::{Kind, Value};

const fn column(name: &'static str, kind: Kind, nullable: bool) -> ColumnDef {
    ColumnDef { nullable, ..ColumnDef::new(name, kind) }
}

static NOTES: TableDef = TableDef::new(
    "notes",
    &[column("id", Kind::Id, false), column("text", Kind::Text, false), column("tag", Kind::Text, true)],
);

const SCHEMA: SchemaDef =
    SchemaDef { name: "Notes", version: "notes-1", fingerprint: 0x5fd1_a0b3_c4d5_e6f7, tables: &[&NOTES], locked: &[] };

fn set(column: &'static str, value: Value) -> Change {
    Change { column, value: Expr::Literal(value) }
}

fn tagged(tag: &str) -> Expr {
    let (left, right) = (Box::new(Expr::column("notes", "tag")), Box::new(Expr::Literal(tag.into())));
    Expr::Compare { op: CompareOp::Eq, left, right }
}

fn insert(id: &str, text: &str) -> Write {
    Write::Insert { table: &NOTES, row: vec![id.into(), text.into(), Value::Null] }
}

fn update(id: &str, tag: &str) -> Write {
    Write::Update { table: &NOTES, id: id.into(), changes: vec![set("tag", tag.into())] }
}

fn writes(all: &[Write]) -> String {
    let mut record = Record::new(&SCHEMA, "notes.add");
    all.iter().for_each(|write| record.write(write));
    record.finish().writes
}

/// The vectors were computed with Python's `hashlib`, from the text of `docs/protocol.md`.
#[test]
fn the_digests_are_the_documented_ones() {
    let mut record = Record::new(&SCHEMA, "notes.add");
    record.rows(&Ok(vec![vec![
        "a".into(),
        Value::Int(-1),
        Value::Null,
        Value::Float(-0.0),
        Value::Bool(true),
        Value::Blob(vec![1, 255]),
        Value::Json(r#"{"a":1}"#.into()),
    ]]));
    record.written(true, &Ok(1));
    record.written(false, &Ok(1));
    record.written(true, &Err(Error::not_found("gone")));
    record.told("location", "Client");
    record.write(&update("n2", "t"));
    record.write(&insert("n1", "hi"));
    record.write(&Write::Delete { table: &NOTES, id: "n3".into() });
    let changes = vec![set("text", "new".into()), Change { column: "tag", value: Expr::column("notes", "text") }];
    record.write(&Write::UpdateWhere { table: &NOTES, filter: tagged("old"), changes });
    record.write(&Write::DeleteWhere { table: &NOTES, filter: tagged("bad") });
    let effects = Effects { reads: "1c05a2594a155f37".into(), writes: "0eda4c7f2510654b".into() };
    assert_eq!(record.finish(), effects);
}

#[test]
fn the_order_of_rows_is_none_of_the_mutators_doing_but_that_of_the_writes_to_one_row_is() {
    let (one, two) = (insert("n1", "x"), insert("n2", "y"));
    assert_eq!(writes(&[one.clone(), two.clone()]), writes(&[two, one]));
    let (first, second) = (update("n1", "a"), update("n1", "b"));
    assert_ne!(writes(&[first.clone(), second.clone()]), writes(&[second, first]));
}

#[test]
fn every_part_of_a_write_counts() {
    let all = [
        writes(&[]),
        writes(&[insert("n1", "x")]),
        writes(&[insert("n2", "x")]),
        writes(&[insert("n1", "y")]),
        writes(&[update("n1", "x")]),
        writes(&[update("n1", "x"), update("n1", "x")]),
        writes(&[Write::Delete { table: &NOTES, id: "n1".into() }]),
        writes(&[Write::DeleteWhere { table: &NOTES, filter: tagged("x") }]),
        writes(&[Write::DeleteWhere { table: &NOTES, filter: tagged("y") }]),
        writes(&[Write::UpdateWhere { table: &NOTES, filter: tagged("x"), changes: vec![set("text", "a".into())] }]),
        writes(&[Write::UpdateWhere { table: &NOTES, filter: tagged("x"), changes: vec![set("text", "b".into())] }]),
    ];
    let different: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}

/// Runs of another schema, version or mutator are never compared: their reads differ before the first of them.
#[test]
fn the_schema_and_the_mutator_are_part_of_what_was_read() {
    let reads = |schema: &SchemaDef, mutator| Record::new(schema, mutator).finish().reads;
    let all = [
        reads(&SCHEMA, "notes.add"),
        reads(&SCHEMA, "notes.edit"),
        reads(&SchemaDef { version: "notes-2", ..SCHEMA }, "notes.add"),
        reads(&SchemaDef { fingerprint: 1, ..SCHEMA }, "notes.add"),
    ];
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
}

/// The record of what `body` does with a transaction.
fn of(meta: &TxMeta, answers: Vec<Vec<crate::value::Row>>, def: MutatorDef) -> Effects {
    let mut recorder = Recorder { answers, ..Recorder::default() };
    meta.begin_record(&App::DEF, def.name);
    poll_once(def.start(&mut recorder, meta, &(), "{}")).expect("ready at once").unwrap();
    meta.effects().expect("a record was begun")
}

type Run<'t> = BoxFuture<'t, Result<()>>;

macro_rules! mutator {
    (|$tx:ident| $body:expr) => {{
        fn run<'t>(executor: &'t mut dyn Executor, meta: &'t TxMeta, _: &'t ErasedCtx, _: &'t str) -> Run<'t> {
            Box::pin(async move {
                let mut tx = Tx::<App>::new(executor, meta);
                let $tx = &mut tx;
                $body
            })
        }
        MutatorDef { name: "test", aliases: &[], server_only: false, upgrade: None, run }
    }};
}

#[test]
fn trusted_writes_are_left_out() {
    let audited = mutator!(|tx| {
        tx.insert(NewUser { name: "a".into() }).await?;
        if let Some(mut trusted) = tx.trusted() {
            trusted.insert(NewUser { name: "audit".into() }).await?;
        }
        tx.insert(NewUser { name: "b".into() }).await?;
        Ok(())
    });
    assert_eq!(of(&on_client(), vec![], audited), of(&on_server(), vec![], audited));
}

/// Who asks for what only its own side knows is not compared: the reads differ, whatever is written.
#[test]
fn what_only_one_side_knows_is_a_read() {
    let plain = mutator!(|tx| {
        tx.delete(id::<User>(1)).await?;
        Ok(())
    });
    assert_eq!(of(&on_client(), vec![], plain), of(&on_server(), vec![], plain));
    let where_am_i = mutator!(|tx| {
        let _ = tx.is_server();
        Ok(())
    });
    let why = mutator!(|tx| {
        let _ = tx.reason();
        Ok(())
    });
    let clock = mutator!(|tx| {
        let _ = tx.received_at();
        Ok(())
    });
    for asks in [where_am_i, why, clock] {
        let mut server = on_server();
        server.received_at = Some(7);
        let (here, there) = (of(&on_client(), vec![], asks), of(&server, vec![], asks));
        assert_ne!(here.reads, there.reads);
        assert_eq!(here.writes, there.writes);
    }
}

#[test]
fn rows_that_differ_are_reads_that_differ() {
    let counts = mutator!(|tx| {
        tx.count(Todo::select()).await?;
        Ok(())
    });
    let with = |n: i64| of(&on_client(), vec![vec![vec![Value::Int(n)]]], counts);
    assert_eq!(with(1), with(1));
    assert_ne!(with(1).reads, with(2).reads);
}

#[test]
fn random_values_are_the_same_in_every_run_and_trusted_ones_shift_nothing() {
    let (client, server) = (on_client(), on_server());
    let mut recorder = Recorder::default();
    let tx = Tx::<App>::new(&mut recorder, &client);
    let here: (u64, u64, [u8; 3], bool) = (tx.random(), tx.random_below(6), tx.random(), tx.random());
    let mut recorder = Recorder::default();
    let mut tx = Tx::<App>::new(&mut recorder, &server);
    let first = tx.random();
    let trusted: u64 = tx.trusted().expect("on the server").random();
    assert_eq!(here, (first, tx.random_below(6), tx.random(), tx.random()));
    assert_ne!(trusted, first);
    let mut bytes = [0; 8];
    TxMeta::new(client.location, client.reason, client.key, 0).random(false, &mut bytes);
    assert_eq!(first, u64::from_be_bytes(bytes), "the time has no part in it");
}
