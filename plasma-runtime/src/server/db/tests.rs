//! Typed reads, writes and jobs on the server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::request::Parts;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, Result};
use crate::future::BoxFuture;
use crate::mutate::{ErasedCtx, Mutation, MutatorArgs, MutatorDef, New, PolicyDef, RunsIn, TableRules, Tx};
use crate::query::ir::{ColumnRef, Expr, Query};
use crate::query::sql::sql;
use crate::query::typed::Select;
use crate::schema::samples::{Member, NewTodo, Org, Todo, User};
use crate::schema::{Definition, Id, InSchema, NewRow, Schema, SchemaDef, Table, TableDef, fingerprint};
use crate::server::{Auth, Server, SqliteDatabase};
use crate::store::SqlConnection;
use crate::store::sqlite::{SqliteConnection, SqliteOptions};
use crate::value::Value;

/// Members read the rows of their organisations; todos are written by their owner.
#[derive(Debug)]
pub(in crate::server) struct Tracker;

#[derive(Debug, Clone)]
pub(in crate::server) struct Me(pub(in crate::server) Id<User>);

const TABLES: &[&TableDef] = &[User::DEF, Org::DEF, Member::DEF, Todo::DEF];

fn me(ctx: &ErasedCtx) -> Value {
    Value::Text(ctx.downcast_ref::<Me>().unwrap().0.to_string())
}

fn rules(read: Expr, write: Expr) -> TableRules {
    TableRules { read, insert: write.clone(), update: write.clone(), delete: write, frozen: &[] }
}

fn todos(ctx: &ErasedCtx) -> Result<TableRules> {
    let member = Query::all(Member::DEF)
        .filter(Expr::eq(
            Expr::column("members", "org_id"),
            Expr::Column(ColumnRef { level: 1, table: "todos", column: "org_id" }),
        ))
        .filter(Expr::eq(Expr::column("members", "user_id"), Expr::Literal(me(ctx))));
    let own = Expr::eq(Expr::column("todos", "owner_id"), Expr::Literal(me(ctx)));
    Ok(rules(Expr::Exists(Box::new(member)), own))
}

fn members(ctx: &ErasedCtx) -> Result<TableRules> {
    let own = Expr::eq(Expr::column("members", "user_id"), Expr::Literal(me(ctx)));
    Ok(rules(own.clone(), Expr::Or(Vec::new())))
}

fn everything(_: &ErasedCtx) -> Result<TableRules> {
    Ok(rules(Expr::And(Vec::new()), Expr::Or(Vec::new())))
}

impl Schema for Tracker {
    type Ctx = Me;
    const DEF: SchemaDef = SchemaDef {
        name: "Tracker",
        version: "1",
        fingerprint: fingerprint::schema(TABLES),
        tables: TABLES,
        locked: &[],
    };
    fn definition() -> Definition {
        Definition {
            schema: Self::DEF,
            mutators: vec![MutatorDef::of::<AddTodo>(), MutatorDef::of::<Reassign>()],
            policies: vec![
                PolicyDef { table: Todo::DEF, rules: todos },
                PolicyDef { table: Member::DEF, rules: members },
                PolicyDef { table: User::DEF, rules: everything },
                PolicyDef { table: Org::DEF, rules: everything },
            ],
        }
    }
}
impl InSchema<Tracker> for User {}
impl InSchema<Tracker> for Org {}
impl InSchema<Tracker> for Member {}
impl InSchema<Tracker> for Todo {}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::server) struct AddTodo {
    pub(in crate::server) org: Id<Org>,
    pub(in crate::server) title: String,
}

impl MutatorArgs for AddTodo {
    fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
impl Mutation for AddTodo {
    type Schema = Tracker;
    const NAME: &'static str = "todos.add";
    fn run<'a>(self, tx: &'a mut Tx<'_, Tracker>, ctx: &'a Me) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let new = NewTodo { title: self.title, org_id: self.org };
            tx.insert(new.with(Todo::owner_id.to(ctx.0))).await?;
            Ok(())
        })
    }
}
impl RunsIn<Tracker> for AddTodo {}

/// Gives every todo to somebody.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reassign {
    to: Id<User>,
}

impl MutatorArgs for Reassign {
    fn from_json(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }
    fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}
impl Mutation for Reassign {
    type Schema = Tracker;
    const NAME: &'static str = "todos.reassign";
    fn run<'a>(self, tx: &'a mut Tx<'_, Tracker>, _: &'a Me) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for todo in tx.all(Todo::select()).await? {
                tx.update(todo.id).set(Todo::owner_id.to(self.to)).await?;
            }
            Ok(())
        })
    }
}
impl RunsIn<Tracker> for Reassign {}

async fn nobody(_: &Parts) -> Result<Auth<Me>> {
    Err(crate::Error::unauthorized("no network here"))
}

pub(in crate::server) fn id<T>(n: u128) -> Id<T> {
    Id::from_uuid(uuid::Uuid::from_u128(n))
}

type Other = Box<dyn FnMut(&str) + Send>;

/// A server on one kind of database, with another program's connection to it.
pub(in crate::server) struct World {
    pub(in crate::server) kind: &'static str,
    pub(in crate::server) server: Server<Tracker>,
    other: Mutex<Other>,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    /// Raw SQL by another program, in transactions of its own.
    ///
    /// Bytes are written `bytes'00ff'`.
    pub(in crate::server) fn raw(&self, sql: &str) {
        (self.other.lock().unwrap())(sql);
    }
}

/// A server on each kind of database there is here. Two organisations; `me(1)` is a member of the first.
#[cfg_attr(feature = "postgres", expect(clippy::disallowed_methods, reason = "a client that blocks needs a thread"))]
pub(in crate::server) async fn worlds() -> Vec<World> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.db");
    let server = Server::<Tracker>::builder(SqliteDatabase::file(&path)).auth(nobody).open().await.unwrap();
    let options = SqliteOptions { create: false, ..SqliteOptions::default() };
    let mut db = SqliteConnection::open(&path, options).unwrap();
    let other =
        Mutex::new(
            Box::new(move |sql: &str| SqlConnection::batch(&mut db, &sql.replace("bytes'", "x'")).unwrap()) as Box<_>
        );
    let mut worlds = vec![World { kind: "sqlite", server, other, _folder: Some(folder) }];
    // What blocks cannot be used on a thread of the runtime.
    #[cfg(feature = "postgres")]
    if let Some(database) = std::thread::spawn(plasma_test_postgres::database).join().unwrap() {
        let place = crate::server::PostgresDatabase::url(database.url.clone());
        let server = Server::<Tracker>::builder(place).auth(nobody).open().await.unwrap();
        let raw = move |sql: &str| {
            let run = || database.connect().batch_execute(&sql.replace("bytes'", "'\\x"));
            std::thread::scope(|scope| scope.spawn(run).join().unwrap().unwrap());
        };
        worlds.push(World { kind: "postgres", server, other: Mutex::new(Box::new(raw)), _folder: None });
    }
    for world in &worlds {
        world.raw(&people());
    }
    worlds
}

pub(in crate::server) fn people() -> String {
    let user = |n: u128| format!("'{}'", uuid::Uuid::from_u128(n));
    format!(
        "INSERT INTO users (id, name) VALUES ({u1}, 'ann'), ({u2}, 'ben');
         INSERT INTO orgs (id, name) VALUES ({o1}, 'one'), ({o2}, 'two');
         INSERT INTO members (id, org_id, user_id) VALUES ({m1}, {o1}, {u1}), ({m2}, {o2}, {u2})",
        u1 = user(1),
        u2 = user(2),
        o1 = user(11),
        o2 = user(12),
        m1 = user(21),
        m2 = user(22),
    )
}

/// Two organisations; `me(1)` is a member of the first.
async fn tracker() -> Server<Tracker> {
    let server = Server::<Tracker>::builder(SqliteDatabase::in_memory()).auth(nobody).open().await.unwrap();
    let made = server.inner.backend.writer().visit(|db| crate::future::poll_once(db.batch(&people())).unwrap());
    made.await.unwrap().unwrap();
    server
}

#[tokio::test]
async fn reads_show_what_the_caller_may_read_and_writes_are_checked() {
    let server = tracker().await;
    let db = server.db();
    for (org, owner) in [(11, 1), (12, 2)] {
        let written: Id<Todo> = db
            .trusted()
            .write(move |tx| {
                Box::pin(async move {
                    let new = NewTodo { title: format!("of {org}"), org_id: id(org) };
                    tx.insert(new.with(Todo::owner_id.to(id::<User>(owner)))).await
                })
            })
            .await
            .unwrap();
        assert!(db.trusted().get(written).await.unwrap().is_some());
    }
    let (ann, trusted) = (db.as_ctx(&Me(id(1))), db.trusted());
    assert_eq!(trusted.count(Select::<Todo>::table()).await.unwrap(), 2);
    let all = ann.all(Select::<Todo>::table()).await.unwrap();
    assert_eq!(all.iter().map(|todo| todo.title.as_str()).collect::<Vec<_>>(), ["of 11"]);
    assert_eq!(ann.count(Select::<Todo>::table()).await.unwrap(), 1);
    let hidden =
        trusted.all(Select::<Todo>::table()).await.unwrap().into_iter().find(|todo| todo.title == "of 12").unwrap();
    assert_eq!(ann.get(hidden.id).await.unwrap(), None);
    assert_eq!(ann.need(hidden.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    // What may not be read does not show through a sub-query either.
    let crowded = || Select::<Org>::table().filter(Member::org_id.any(Member::user_id.eq(id::<User>(2))));
    assert_eq!(trusted.count(crowded()).await.unwrap(), 1);
    assert_eq!(ann.count(crowded()).await.unwrap(), 0);
    let gone = hidden.id;
    let error = ann.write(move |tx| Box::pin(async move { tx.delete(gone).await })).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = ann
        .write(|tx| {
            Box::pin(async move {
                let new = NewTodo { title: "x".to_owned(), org_id: id(11) };
                tx.insert(new.with(Todo::owner_id.to(id::<User>(2)))).await
            })
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(trusted.count(Select::<Todo>::table()).await.unwrap(), 2);
}

#[tokio::test]
async fn a_transaction_that_panics_or_fails_leaves_nothing() {
    let server = tracker().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let error = server
        .db()
        .trusted()
        .write(move |tx| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                tx.insert(NewTodo { title: "x".to_owned(), org_id: id(11) }).await?;
                if true {
                    panic!("half-way")
                }
                Ok(())
            })
        })
        .await
        .unwrap_err();
    assert_eq!((error.kind(), runs.load(Ordering::Relaxed)), (ErrorKind::Panic, 1));
    assert_eq!(server.db().trusted().count(Select::<Todo>::table()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_job_runs_once_per_key_with_the_rights_of_its_context() {
    let server = tracker().await;
    let add = |org: u128, title: &str| AddTodo { org: id(org), title: title.to_owned() };
    let ann = Me(id(1));
    for _ in 0..3 {
        server.invoke(add(11, "nightly")).as_ctx(&ann).key("2026-11-21").await.unwrap();
    }
    server.invoke(add(11, "nightly")).as_ctx(&ann).key("2026-11-22").await.unwrap();
    server.invoke(add(11, "no key")).as_ctx(&ann).await.unwrap();
    server.invoke(add(11, "no key")).as_ctx(&ann).await.unwrap();
    let titles = server.db().trusted().all(Select::<Todo>::table().order_by(Todo::title.asc())).await.unwrap();
    let titles: Vec<_> = titles.into_iter().map(|todo| todo.title).collect();
    assert_eq!(titles, ["nightly", "nightly", "no key", "no key"]);
    let error = server.invoke(add(11, "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("as_ctx"), "{error}");
    // By its name it is the same job.
    let args = serde_json::json!({ "org": id::<Org>(11), "title": "other words" });
    server.invoke_named("todos.add", &args).as_ctx(&ann).key("2026-11-21").await.unwrap();
    assert_eq!(server.db().trusted().count(Select::<Todo>::table()).await.unwrap(), 4, "known by its key");
    server.invoke_named("todos.add", &args).as_ctx(&ann).await.unwrap();
    assert_eq!(server.db().trusted().count(Select::<Todo>::table()).await.unwrap(), 5);
    for (name, args, kind) in [
        ("todos.nothing", serde_json::json!({}), ErrorKind::UnknownMutator),
        ("todos.add", serde_json::json!({ "org": 1 }), ErrorKind::InvalidArgs),
        ("todos.add", serde_json::json!({ "org": id::<Org>(11), "title": "\0" }), ErrorKind::InvalidArgs),
    ] {
        let error = server.invoke_named(name, &args).as_ctx(&ann).key("refused").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name} {args}");
    }
    // A reference to nothing is a conflict, the first time and ever after.
    for _ in 0..2 {
        let error = server.invoke(add(99, "x")).as_ctx(&ann).key("broken").await.unwrap_err();
        assert_eq!(error.code(), "conflict");
    }
}

/// The policy lets Ben write his own rows only, and read those of his organisations.
#[tokio::test]
async fn a_trusted_job_asks_no_policy_and_keeps_its_context() {
    let server = tracker().await;
    server.invoke(AddTodo { org: id(11), title: "ann's".to_owned() }).as_ctx(&Me(id(1))).await.unwrap();
    let owners = async || server.db().trusted().all(Todo::select().project(Todo::owner_id)).await.unwrap();
    let error = server.invoke(Reassign { to: id(2) }).as_ctx(&Me(id(2))).await.unwrap_err();
    assert_eq!(
        (error.kind(), owners().await),
        (ErrorKind::NotFound, vec![Some(id(1))]),
        "for him there is no such row"
    );
    server.invoke(Reassign { to: id(2) }).as_ctx(&Me(id(2))).trusted().await.unwrap();
    assert_eq!(owners().await, [Some(id(2))]);
}

#[tokio::test]
async fn raw_sql_reads_on_the_server_and_cannot_write() {
    let server = tracker().await;
    let db = server.db();
    let seen = db
        .trusted()
        .write(|tx| {
            Box::pin(async move {
                let new = |title: &str| NewTodo { title: title.to_owned(), org_id: id(11) };
                tx.insert_all([new("a").with(Todo::points.to(3)), new("b").with(Todo::points.to(4))]).await?;
                let mut trusted = tx.trusted().expect("on the server");
                assert_eq!(trusted.count(Todo::select()).await?, 2, "a trusted transaction reads like any other");
                let text = "SELECT title, points FROM todos WHERE org_id = ? AND points >= ? ORDER BY title DESC";
                let rows = trusted.sql(sql::<(String, i32)>(text, (id::<Org>(11), 3))).await?;
                for write in [
                    "DELETE FROM todos",
                    "UPDATE todos SET points = 0 RETURNING points",
                    "COMMIT",
                    "PRAGMA user_version",
                ] {
                    let refused = trusted.sql(sql::<i32>(write, ())).await.expect_err(write);
                    assert_eq!(refused.kind(), ErrorKind::Internal, "{write}");
                }
                Ok(rows)
            })
        })
        .await
        .unwrap();
    assert_eq!(seen, [("b".to_owned(), 4), ("a".to_owned(), 3)]);
    let all = |points: Option<i32>| {
        sql::<(String, Option<String>, i64)>("SELECT title, note, points FROM todos WHERE points = ?", (points,))
    };
    assert_eq!(db.sql(all(Some(4))).await.unwrap(), [("b".to_owned(), None, 4)]);
    assert_eq!(db.sql(all(None)).await.unwrap(), []);
    assert_eq!(db.sql(sql::<i64>("VALUES (1), (2)", ())).await.unwrap(), [1, 2]);
    assert_eq!(db.sql(sql::<String>("WITH t AS (SELECT ?) SELECT * FROM t", ("x",))).await.unwrap(), ["x"]);
    let kind = async |query| db.sql::<i64>(query).await.expect_err("refused").kind();
    for (query, expected) in [
        (sql("DELETE FROM todos", ()), ErrorKind::Internal),
        (sql("SELECT 1; DELETE FROM todos", ()), ErrorKind::Storage),
        (sql("WITH t AS (SELECT 1) DELETE FROM todos", ()), ErrorKind::Internal),
        (sql("BEGIN", ()), ErrorKind::Internal),
        (sql("PRAGMA query_only = 0", ()), ErrorKind::Internal),
        (sql("SELECT nothing FROM todos", ()), ErrorKind::Storage),
        (sql("SELECT title FROM todos", ()), ErrorKind::Storage),
        (sql("SELECT NULL", ()), ErrorKind::Storage),
        (sql("SELECT points, points FROM todos", ()), ErrorKind::Internal),
        (sql("SELECT ?", ()), ErrorKind::Internal),
        (sql("SELECT 1 WHERE ? = 'x'", ("\0",)), ErrorKind::Validation),
    ] {
        let text = format!("{query:?}");
        assert_eq!(kind(query).await, expected, "{text}");
    }
    assert_eq!(db.trusted().count(Todo::select()).await.unwrap(), 2, "nothing was written");
}

/// A mistake in raw SQL would be met by every run again: it ends the mutation, and is not tried again for ever.
#[tokio::test]
async fn a_mistake_in_raw_sql_is_a_defect_and_no_fault() {
    let server = tracker().await;
    for text in ["SELECT nothing FROM todos", "SELECT 'x'", "SELECT 1; SELECT 2", "not sql"] {
        let error = server
            .db()
            .trusted()
            .write(move |tx| Box::pin(async move { tx.trusted().expect("here").sql(sql::<i64>(text, ())).await }))
            .await
            .expect_err("a mistake");
        assert_eq!(error.kind(), ErrorKind::Internal, "{text}: {error}");
    }
}

fn new_todo(n: u128, org: u128, owner: u128) -> New<Todo> {
    let new = NewTodo { title: format!("todo {n}"), org_id: id(org) };
    new.with(Todo::owner_id.to(id::<User>(owner))).with_id(id(n))
}

/// An upsert that meets a row is an update for the policy; one that meets none is an insert. A row that may not be read
/// is no row to meet.
#[tokio::test]
async fn an_upsert_is_judged_by_what_it_becomes() {
    let server = tracker().await;
    let db = server.db();
    // 31 is Ann's own, 32 is Ben's in her organisation, 33 she may not see.
    for (n, org, owner) in [(31, 11, 1), (32, 11, 2), (33, 12, 2)] {
        db.trusted().write(move |tx| Box::pin(async move { tx.insert(new_todo(n, org, owner)).await })).await.unwrap();
    }
    let ann = db.as_ctx(&Me(id(1)));
    let upsert = async |row: fn() -> New<Todo>| {
        ann.write(move |tx| {
            Box::pin(
                async move { tx.insert(row()).on_conflict_update(Todo::points.to(5)).await.map(|done| done.inserted) },
            )
        })
        .await
    };
    // Ann may not insert a row for Ben; this one becomes an update of her own.
    assert!(!upsert(|| new_todo(31, 11, 2)).await.unwrap());
    assert!(upsert(|| new_todo(34, 11, 1)).await.unwrap());
    assert_eq!(upsert(|| new_todo(35, 11, 2)).await.unwrap_err().kind(), ErrorKind::Unauthorized, "an insert");
    assert_eq!(upsert(|| new_todo(32, 11, 1)).await.unwrap_err().kind(), ErrorKind::Unauthorized, "an update");
    // Word for word what an insert of a taken id is told.
    let hidden = upsert(|| new_todo(33, 11, 1)).await.unwrap_err();
    let insert = ann.write(move |tx| Box::pin(async move { tx.insert(new_todo(33, 11, 1)).await })).await.unwrap_err();
    assert_eq!((hidden.kind(), hidden.data()), (ErrorKind::Conflict, None));
    assert_eq!(hidden.message(), insert.message());
    let points = db.trusted().all(Todo::select().order_by(Todo::id.asc()).project(Todo::points)).await.unwrap();
    assert_eq!(points, [5, 0, 0, 0]);
    // What is left alone is not judged.
    let ignored = ann
        .write(move |tx| Box::pin(async move { tx.insert(new_todo(33, 11, 1)).on_conflict_ignore().await }))
        .await
        .unwrap();
    assert!(!ignored.inserted);
}
