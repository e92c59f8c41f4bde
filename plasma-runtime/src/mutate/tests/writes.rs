use super::{Recorder, id, meta, on_client, on_server, run};
use crate::ErrorKind;
use crate::mutate::{Access, Location, Reason, Tx, TxMeta};
use crate::query::ir::{self, CompareOp, Expr};
use crate::query::typed::Filter;
use crate::schema::samples::{App, Member, NewMember, NewTodo, NewUser, Org, Stray, Todo, User};
use crate::schema::{Id, NewRow, Table};
use crate::value::{Row, Timestamp, Value};

/// Runs statements; returns what the executor was asked.
pub(super) fn record(meta: &TxMeta, body: impl AsyncFnOnce(&mut Tx<'_, App>)) -> Recorder {
    let mut recorder = Recorder::default();
    {
        let mut tx = Tx::new(&mut recorder, meta);
        // Driven by hand: the closure's future is not known to be `Send`.
        let future = std::pin::pin!(body(&mut tx));
        let ready = future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready();
        assert!(ready, "a transaction over a recorder is ready at once");
    }
    recorder
}

fn value(row: &Row, column: &str) -> Value {
    row[Todo::DEF.column_index(column).expect("a column of `todos`")].clone()
}

#[test]
fn an_insert_fills_in_the_id_the_defaults_and_nulls() {
    let (meta, org) = (on_client(), id::<Org>(9));
    let mut drawn = None;
    let recorder = record(&meta, async |tx| {
        drawn = Some(tx.insert(NewTodo { title: "milk".into(), org_id: org }).await.unwrap());
    });
    let [row] = recorder.inserted()[..] else { panic!("one insert") };
    let drawn: Id<Todo> = drawn.unwrap();
    let expected: Row = vec![
        drawn.to_string().into(),
        "milk".into(),
        false.into(),
        Value::Int(0),
        Value::Int(7),
        Value::Float(1.0),
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Null,
        Value::Json("[]".into()),
        org.to_string().into(),
        Value::Null,
        Value::Null,
    ];
    assert_eq!(row, &expected);
    assert_eq!(drawn.uuid(), on_client().next_id("todos", false), "the first id of the run");
    assert_eq!(recorder.writes[0].1, Access::Checked);
}

#[test]
fn an_insert_takes_more_columns_and_a_chosen_id() {
    let (meta, org, chosen) = (on_client(), id::<Org>(9), id::<Todo>(77));
    let recorder = record(&meta, async |tx| {
        let new = NewTodo { title: "milk".into(), org_id: org }
            .with((Todo::done.to(true), Todo::note.to("late")))
            .with(Todo::title.to("bread"))
            .with(Some(Todo::due.to(Timestamp::from_micros(5))))
            .with_id(chosen);
        assert_eq!(tx.insert(new).await.unwrap(), chosen);
        assert_eq!(tx.new_id::<Todo>().uuid(), on_client().next_id("todos", false), "no id was drawn for the insert");
        // In the other order.
        let new = NewTodo { title: "x".into(), org_id: org }.with_id(chosen).with(vec![Todo::flag.to(true)]);
        assert_eq!(tx.insert(new).await.unwrap(), chosen);
    });
    let rows = recorder.inserted();
    assert_eq!(value(rows[0], "id"), chosen.to_string().into());
    assert_eq!(value(rows[0], "title"), "bread".into());
    assert_eq!(value(rows[0], "done"), true.into());
    assert_eq!(value(rows[0], "note"), "late".into());
    assert_eq!(value(rows[0], "due"), Value::Int(5));
    assert_eq!(value(rows[1], "flag"), true.into());
}

#[test]
fn a_whole_row_is_inserted_as_it_is() {
    let meta = on_client();
    let user = User { id: id(3), name: "Ada".into(), admin: true };
    let recorder = record(&meta, async |tx| {
        assert_eq!(tx.insert(user.clone()).await.unwrap(), user.id);
    });
    assert_eq!(recorder.inserted(), [&vec![user.id.to_string().into(), "Ada".into(), true.into()]]);
}

#[test]
fn insert_all_inserts_in_order() {
    let meta = on_client();
    let names = ["a", "b", "c"];
    let recorder = record(&meta, async |tx| {
        let ids = tx.insert_all(names.map(|name| NewUser { name: name.into() })).await.unwrap();
        assert_eq!(ids.len(), 3);
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(tx.insert_all(Vec::<NewUser>::new()).await.unwrap(), []);
    });
    let inserted: Vec<_> = recorder.inserted().into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(inserted, names.map(Value::from));
}

#[test]
fn what_cannot_be_stored_is_refused_before_the_store() {
    let meta = on_client();
    let recorder = record(&meta, async |tx| {
        let new = || NewTodo { title: "x".into(), org_id: id(1) };
        let nul = tx.insert(NewTodo { title: "a\0".into(), org_id: id(1) }).await.expect_err("U+0000");
        assert_eq!(nul.kind(), ErrorKind::Validation);
        let nan = tx.insert(new().with(Todo::weight.to(f64::INFINITY))).await.expect_err("not finite");
        assert!(nan.message().contains("`weight`"), "{nan}");
        let copy = tx.insert(new().with(Todo::note.to(Todo::title))).await.expect_err("no row yet");
        assert!(copy.message().contains("`note`"), "{copy}");
        let update = tx.update(id::<Todo>(1)).set(Todo::title.to("\0")).await.expect_err("U+0000");
        assert!(update.message().contains("`title`"), "{update}");
        let filter = tx.update_where(Todo::title.eq("\0")).set(Todo::done.to(true)).await.expect_err("U+0000");
        assert_eq!(filter.kind(), ErrorKind::Validation);
        let value = tx.update_where(Todo::done).set(Todo::title.to("\0")).await.expect_err("U+0000");
        assert_eq!(value.kind(), ErrorKind::Validation);
        assert!(tx.delete_where(Todo::title.eq("\0")).await.is_err());
        let several = tx.insert_all([new(), NewTodo { title: "\0".into(), org_id: id(1) }]).await;
        assert!(several.is_err());
    });
    // Only the good one of `insert_all`, which the caller's error undoes.
    assert_eq!(recorder.writes.len(), 1);
}

#[test]
fn updates_and_deletes_say_what_changes() {
    let (meta, row) = (on_client(), id::<Todo>(5));
    let recorder = record(&meta, async |tx| {
        tx.update(row)
            .set((Todo::done.to(true), Todo::points.to(3)))
            .set([Todo::title.to("a"), Todo::title.to("b")])
            .set(None::<crate::query::typed::Assign<Todo>>)
            .await
            .unwrap();
        assert_eq!(tx.update_where(Todo::done).set(Todo::note.to(Todo::title)).await.unwrap(), 1);
        tx.delete(row).await.unwrap();
        assert_eq!(tx.delete_where(Todo::points.gt(2).and(Todo::done)).await.unwrap(), 1);
        tx.delete_where(Filter::<Todo>::all()).await.unwrap();
    });
    let change = |column, value| ir::Change { column, value };
    let todo = |column| Expr::column("todos", column);
    let points = Expr::compare(CompareOp::Gt, todo("points"), Expr::Literal(Value::Int(2)));
    let table = Todo::DEF;
    let expected = [
        ir::Write::Update {
            table,
            id: row.to_string(),
            changes: vec![
                change("done", Expr::Literal(true.into())),
                change("points", Expr::Literal(Value::Int(3))),
                change("title", Expr::Literal("b".into())),
            ],
        },
        ir::Write::UpdateWhere { table, filter: todo("done"), changes: vec![change("note", todo("title"))] },
        ir::Write::Delete { table, id: row.to_string() },
        ir::Write::DeleteWhere { table, filter: points.and(todo("done")) },
        ir::Write::DeleteWhere { table, filter: Expr::And(vec![]) },
    ];
    assert_eq!(recorder.writes.into_iter().map(|(write, _)| write).collect::<Vec<_>>(), expected);
}

#[test]
fn a_missing_row_is_not_found_even_if_the_executor_only_counts() {
    let meta = on_client();
    let mut recorder = Recorder { matched: Some(0), ..Recorder::default() };
    let mut tx: Tx<'_, App> = Tx::new(&mut recorder, &meta);
    let update = run(tx.update(id::<Todo>(5)).set(Todo::done.to(true)).into_future()).expect_err("no row");
    assert_eq!(update.kind(), ErrorKind::NotFound);
    assert_eq!(run(tx.delete(id::<Todo>(5)).into_future()).expect_err("no row").kind(), ErrorKind::NotFound);
    assert_eq!(run(tx.update_where(Todo::done).set(Todo::done.to(false)).into_future()).unwrap(), 0);
}

#[test]
fn conditions_over_tables_outside_the_schema_are_defects() {
    let meta = on_client();
    let recorder = record(&meta, async |tx| {
        let stray = || Todo::note.in_query(Stray::select().project(Stray::name));
        let update = tx.update_where(stray()).set(Todo::done.to(true)).await.expect_err("not in the schema");
        assert_eq!(update.kind(), ErrorKind::Internal);
        assert!(update.message().contains("`stray`"), "{update}");
        let nested = Todo::parent_id.has(Todo::parent_id.has(stray()));
        assert_eq!(tx.delete_where(nested).await.expect_err("not in the schema").kind(), ErrorKind::Internal);
        tx.delete_where(Todo::parent_id.has(Todo::owner_id.has(User::admin))).await.unwrap();
    });
    assert_eq!(recorder.writes.len(), 1);
}

#[test]
fn an_update_without_changes_only_looks() {
    let meta = on_client();
    let rows = |n| vec![vec![Value::Null]; n];
    let mut recorder = Recorder { answers: vec![rows(1), rows(0), rows(3)], ..Recorder::default() };
    let mut tx: Tx<'_, App> = Tx::new(&mut recorder, &meta);
    let none = None::<crate::query::typed::Assign<Todo>>;
    run(tx.update(id::<Todo>(5)).set(none.clone()).into_future()).unwrap();
    let missing = run(tx.update(id::<Todo>(5)).set(none.clone()).into_future()).expect_err("no row");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(run(tx.update_where(Todo::done).set(none).into_future()).unwrap(), 3);
    assert!(recorder.writes.is_empty());
    assert!(recorder.queries.iter().all(|query| query.filter.is_some()));
}

#[test]
fn a_statement_that_is_not_awaited_does_nothing() {
    let meta = on_client();
    let recorder = record(&meta, async |tx| {
        let _ = tx.insert(NewUser { name: "a".into() });
        let _ = tx.delete(id::<Todo>(1));
        assert_eq!(tx.new_id::<User>().uuid(), on_client().next_id("users", false), "no id was drawn");
    });
    assert!(recorder.writes.is_empty());
}

/// The body of a mutator that writes an audit row on the server only.
async fn audited(tx: &mut Tx<'_, App>, ids: &mut Vec<String>) {
    ids.push(tx.insert(NewUser { name: "first".into() }).await.unwrap().to_string());
    if let Some(mut trusted) = tx.trusted() {
        trusted.insert(NewUser { name: "audit".into() }).await.unwrap();
        trusted.insert_all([NewMember { org_id: id(1), user_id: id(2) }]).await.unwrap();
        trusted.update(id::<Todo>(1)).set(Todo::done.to(true)).await.unwrap();
        trusted.update_where(Todo::done).set(Todo::done.to(true)).await.unwrap();
        trusted.delete(id::<Todo>(1)).await.unwrap();
        trusted.delete_where(Todo::done).await.unwrap();
        assert_ne!(trusted.new_id::<User>(), trusted.new_id());
    }
    ids.push(tx.insert(NewUser { name: "second".into() }).await.unwrap().to_string());
    ids.push(tx.new_id::<Org>().to_string());
    ids.push(tx.new_id_for::<Org>("label").to_string());
    ids.push(tx.now().to_string());
}

#[test]
fn every_run_of_a_mutation_draws_the_same_ids() {
    let runs = [on_client(), meta(Location::Client, Reason::Rebase), on_server(), on_server()].map(|meta| {
        let mut ids = Vec::new();
        let recorder = record(&meta, async |tx| audited(tx, &mut ids).await);
        (ids, recorder)
    });
    for (ids, _) in &runs[1..] {
        assert_eq!(ids, &runs[0].0, "a row written on the server only shifted an id");
    }
    assert_eq!(runs[0].1.writes.len(), 2, "the client writes no trusted rows");
    assert_eq!(runs[2].1.writes.len(), 8);
    let access: Vec<_> = runs[2].1.writes.iter().map(|(_, access)| *access).collect();
    assert_eq!(access[0], Access::Checked);
    assert_eq!(access[1..7], [Access::Trusted; 6]);
    assert_eq!(access[7], Access::Checked);
    // Another mutation draws others.
    let other = TxMeta::new(Location::Client, Reason::Optimistic, uuid::Uuid::from_u128(0x9999), 1_730_100_000_000);
    let mut ids = Vec::new();
    record(&other, async |tx| audited(tx, &mut ids).await);
    assert!(ids[..4].iter().all(|id| !runs[0].0.contains(id)));
}

#[test]
fn the_envelope_is_told() {
    let mut server = on_server();
    server.client_id = Some("c1".into());
    server.mutation_id = Some(12);
    server.received_at = Some(1_730_100_000_500);
    let (mut one, mut two) = (Recorder::default(), Recorder::default());
    let tx: Tx<'_, App> = Tx::new(&mut one, &server);
    assert_eq!((tx.client_id(), tx.mutation_id()), (Some("c1"), Some(12)));
    assert_eq!((tx.location(), tx.reason(), tx.is_server()), (Location::Server, Reason::Authoritative, true));
    assert_eq!(tx.now(), Timestamp::from_millis(1_730_100_000_000));
    assert_eq!(tx.received_at(), Some(Timestamp::from_millis(1_730_100_000_500)));
    let client = on_client();
    let mut tx: Tx<'_, App> = Tx::new(&mut two, &client);
    assert_eq!((tx.client_id(), tx.mutation_id(), tx.received_at()), (None, None, None));
    assert!(!tx.is_server() && tx.trusted().is_none());
}

#[test]
fn new_ids_can_stand_in_the_row_that_is_inserted() {
    let meta = on_client();
    let recorder = record(&meta, async |tx| {
        tx.insert(NewMember { org_id: tx.new_id(), user_id: tx.new_id() }.with(Member::role.to("admin")))
            .await
            .unwrap();
    });
    assert_eq!(recorder.inserted()[0][3], "admin".into());
}
