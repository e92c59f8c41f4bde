//! Tables, policies, a scriptable mutator, and a connection whose statements can fail.

mod engine;

use std::sync::Arc;

#[cfg(feature = "postgres")]
pub(in crate::server) use engine::on_postgres;
pub(in crate::server) use engine::{Answer, Failure, Server, server, server_with};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::error::{Error, ErrorKind, Result};
use crate::future::BoxFuture;
use crate::inputs::Entropy;
use crate::mutate::{Access, ErasedCtx, Executor, MutatorDef, PolicyDef, TableRules, TxMeta};
use crate::protocol::{PushRequest, PushedMutation};
use crate::query::ir::{Change, ColumnRef, Expr, Query, Write};
use crate::schema::{ColumnDef, Definition, OnDelete, SchemaDef, TableDef, fingerprint};
use crate::server::{Caller, PushJob};
use crate::value::{Kind, Value, json::decode_row, json::decode_value};

const fn column(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef { nullable: true, ..ColumnDef::new(name, kind) }
}

const fn id(table: &'static str) -> ColumnDef {
    let mut def = column("id", Kind::Id);
    def.nullable = false;
    def.references = Some(table);
    def
}

const fn required(name: &'static str, kind: Kind) -> ColumnDef {
    let mut def = column(name, kind);
    def.nullable = false;
    def
}

const fn reference(name: &'static str, table: &'static str, on_delete: OnDelete) -> ColumnDef {
    let mut def = column(name, Kind::Id);
    def.references = Some(table);
    def.on_delete = on_delete;
    def
}

pub(in crate::server) static LISTS: TableDef = TableDef::new(
    "lists",
    &[id("lists"), required("name", Kind::Text), required("owner", Kind::Text), column("slug", Kind::Text).unique()],
);
pub(in crate::server) static TODOS: TableDef = TableDef::new(
    "todos",
    &[
        id("todos"),
        reference("list_id", "lists", OnDelete::Cascade),
        required("title", Kind::Text),
        column("done", Kind::Bool),
        column("n", Kind::Int),
        column("big", Kind::BigInt),
        column("ratio", Kind::Float),
        column("photo", Kind::Blob),
        column("extra", Kind::Json),
        column("at", Kind::Timestamp),
        reference("after", "todos", OnDelete::SetNull),
    ],
);
pub(in crate::server) static SHARES: TableDef = TableDef::new(
    "shares",
    &[id("shares"), reference("list_id", "lists", OnDelete::Cascade), required("user", Kind::Text)],
);
/// Refers to lists without an action: a list with pins cannot be deleted.
pub(in crate::server) static PINS: TableDef = TableDef::new(
    "pins",
    &[id("pins"), reference("list_id", "lists", OnDelete::NoAction), column("owner", Kind::Text)],
);
pub(in crate::server) static AUDIT: TableDef = {
    let mut def = TableDef::new("audit", &[id("audit"), required("what", Kind::Text)]);
    def.local_only = true;
    def
};
/// Open to everybody.
pub(in crate::server) static NOTES: TableDef = {
    let mut def =
        TableDef::new("notes", &[id("notes"), required("text", Kind::Text), column("tag", Kind::Text).unique()]);
    def.open = true;
    def
};

static TABLES: [&TableDef; 6] = [&LISTS, &TODOS, &SHARES, &PINS, &AUDIT, &NOTES];

/// The context: a user's name.
#[derive(Debug, Clone)]
pub(in crate::server) struct User(pub(in crate::server) String);

fn user(ctx: &ErasedCtx) -> Result<String> {
    ctx.downcast_ref::<User>().map(|user| user.0.clone()).ok_or_else(|| Error::internal("the context is not a `User`"))
}

fn outer(table: &'static str, column: &'static str) -> Expr {
    Expr::Column(ColumnRef { level: 1, table, column })
}

fn is_text(table: &'static str, name: &'static str, text: &str) -> Expr {
    Expr::eq(Expr::column(table, name), Expr::Literal(Value::from(text)))
}

/// Whether the row of `table` belongs to a list that `condition` holds for.
fn of_list(table: &'static str, condition: Expr) -> Expr {
    let query =
        Query::all(&LISTS).filter(Expr::eq(Expr::column("lists", "id"), outer(table, "list_id"))).filter(condition);
    Expr::Exists(Box::new(query))
}

fn visible_list(me: &str) -> Expr {
    let shared = Query::all(&SHARES)
        .filter(Expr::eq(Expr::column("shares", "list_id"), outer("lists", "id")))
        .filter(is_text("shares", "user", me));
    is_text("lists", "owner", me).or(Expr::Exists(Box::new(shared)))
}

fn lists_rules(ctx: &ErasedCtx) -> Result<TableRules> {
    let me = user(ctx)?;
    let own = is_text("lists", "owner", &me);
    Ok(TableRules { read: visible_list(&me), insert: own.clone(), update: own.clone(), delete: own, frozen: &[] })
}

fn todos_rules(ctx: &ErasedCtx) -> Result<TableRules> {
    let me = user(ctx)?;
    let rule = of_list("todos", visible_list(&me));
    let own = of_list("todos", is_text("lists", "owner", &me));
    Ok(TableRules { read: rule.clone(), insert: rule.clone(), update: rule, delete: own, frozen: &["big"] })
}

fn shares_rules(ctx: &ErasedCtx) -> Result<TableRules> {
    let me = user(ctx)?;
    let own = of_list("shares", is_text("lists", "owner", &me));
    Ok(TableRules {
        read: own.clone().or(is_text("shares", "user", &me)),
        insert: own.clone(),
        update: Expr::Or(Vec::new()),
        delete: own.or(is_text("shares", "user", &me)),
        frozen: &[],
    })
}

fn pins_rules(ctx: &ErasedCtx) -> Result<TableRules> {
    let own = is_text("pins", "owner", &user(ctx)?);
    Ok(TableRules { read: own.clone(), insert: own.clone(), update: own.clone(), delete: own, frozen: &[] })
}

/// Does what its arguments say: a list of steps, each an array whose first element names it.
fn script<'t>(
    executor: &'t mut dyn Executor,
    meta: &'t TxMeta,
    _ctx: &'t ErasedCtx,
    args: &'t str,
) -> BoxFuture<'t, Result<()>> {
    Box::pin(async move {
        let steps: Vec<Vec<Box<RawValue>>> = serde_json::from_str(args)
            .map_err(|e| Error::new(ErrorKind::InvalidArgs, format!("not a list of steps: {e}")))?;
        for step in &steps {
            run_step(executor, meta, step).await?;
        }
        Ok(())
    })
}

fn text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap()
}

fn table(raw: &RawValue) -> &'static TableDef {
    let name = text(raw);
    TABLES.into_iter().find(|table| table.name == name).unwrap()
}

fn changes(table: &'static TableDef, raw: &RawValue) -> Vec<Change> {
    let members: std::collections::BTreeMap<String, Box<RawValue>> = serde_json::from_str(raw.get()).unwrap();
    members
        .into_iter()
        .map(|(name, value)| {
            let column = table.column(&name).unwrap();
            Change {
                column: column.name,
                value: Expr::Literal(if value.get() == "null" {
                    Value::Null
                } else {
                    decode_value(column, value.get()).unwrap()
                }),
            }
        })
        .collect()
}

async fn run_step(executor: &mut dyn Executor, meta: &TxMeta, step: &[Box<RawValue>]) -> Result<()> {
    let name = text(&step[0]);
    let (name, access) = match name.strip_prefix("trusted ") {
        Some(name) => (name.to_owned(), Access::Trusted),
        None => (name, Access::Checked),
    };
    let write = match name.as_str() {
        "insert" => {
            let table = table(&step[1]);
            Write::Insert { table, row: decode_row(table, step[2].get()).unwrap() }
        }
        "update" => {
            let table = table(&step[1]);
            Write::Update { table, id: text(&step[2]), changes: changes(table, &step[3]) }
        }
        "update where title" => Write::UpdateWhere {
            table: &TODOS,
            filter: is_text("todos", "title", &text(&step[1])),
            changes: changes(&TODOS, &step[2]),
        },
        "delete" => Write::Delete { table: table(&step[1]), id: text(&step[2]) },
        "delete where title" => {
            Write::DeleteWhere { table: &TODOS, filter: is_text("todos", "title", &text(&step[1])) }
        }
        // The mutator goes on although the step failed.
        "try" => {
            let rest = &step[1..];
            let outcome = Box::pin(run_step(executor, meta, rest)).await;
            assert!(outcome.is_err(), "the step was to fail");
            return Ok(());
        }
        "reads" => {
            let rows = executor.query(&Query::all(table(&step[1]))).await?;
            let expected: usize = serde_json::from_str(step[2].get()).unwrap();
            assert_eq!(rows.len(), expected);
            return Ok(());
        }
        "note the envelope" => Write::Insert {
            table: &NOTES,
            row: vec![
                Value::Text(meta.next_id("notes", false).to_string()),
                Value::Text(format!("{} {:?}", meta.timestamp, meta.received_at)),
                Value::Null,
            ],
        },
        "reject" => {
            return Err(Error::rejected(text(&step[1]), "the application says no").with_data(json!({"left": 0})));
        }
        "panic" => panic!("at the disco"),
        // A statement is under way, where statements take their time.
        "panic while waiting" => {
            let query = Query::all(&NOTES);
            let mut read = executor.query(&query);
            return std::future::poll_fn(|cx| {
                let _ = read.as_mut().poll(cx);
                panic!("at the disco")
            })
            .await;
        }
        "fault" => return Err(Error::fault("the mail server is down")),
        "internal" => return Err(Error::internal("secret detail")),
        "await" => {
            std::future::pending::<()>().await;
            return Ok(());
        }
        "sql" => {
            executor.sql(&text(&step[1]), &[], &[Kind::BigInt]).await?;
            return Ok(());
        }
        "forever" => loop {
            executor.query(&Query::all(&NOTES)).await?;
        },
        other => panic!("unknown step {other}"),
    };
    executor.write(write, access).await.map(|_| ())
}

/// The tables as a schema, for what is typed by it.
#[derive(Debug)]
pub(in crate::server) struct App;

impl crate::schema::Schema for App {
    type Ctx = User;
    const DEF: SchemaDef = SchemaDef {
        name: "App",
        version: "app-1",
        fingerprint: fingerprint::schema(&TABLES_FOR_HASH),
        tables: &[],
        locked: &[],
    };
    fn definition() -> Definition {
        definition()
    }
}

pub(in crate::server) fn definition() -> Definition {
    Definition {
        schema: SchemaDef {
            name: "App",
            version: "app-1",
            fingerprint: const { fingerprint::schema(&TABLES_FOR_HASH) },
            tables: &TABLES,
            locked: &[],
        },
        mutators: vec![MutatorDef { name: "script", aliases: &[], server_only: false, upgrade: None, run: script }],
        policies: vec![
            PolicyDef { table: &LISTS, rules: lists_rules },
            PolicyDef { table: &TODOS, rules: todos_rules },
            PolicyDef { table: &SHARES, rules: shares_rules },
            PolicyDef { table: &PINS, rules: pins_rules },
        ],
    }
}

// Consts may not refer to statics: any two tables do for a fingerprint.
const TABLES_FOR_HASH: [&TableDef; 1] = [&TableDef::new("lists", &[id("lists"), required("name", Kind::Text)])];

/// Counts up: equal tests draw equal bytes.
#[derive(Debug, Default)]
pub(in crate::server) struct Counter(u64);

impl Entropy for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 += 1;
            chunk.copy_from_slice(&self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The UUID of a short name, for ids and keys.
pub(in crate::server) fn uuid(name: &str) -> String {
    let mut bytes = [0u8; 16];
    for (index, byte) in name.bytes().enumerate() {
        bytes[index % 16] = bytes[index % 16].wrapping_mul(31).wrapping_add(byte);
    }
    Uuid::from_bytes(bytes).to_string()
}

pub(in crate::server) fn caller(user: &str) -> Caller {
    Caller { group: user.to_owned(), ctx: Arc::new(User(user.to_owned())) }
}

/// A mutation that runs these steps. Its key is of the name, so that one name is one mutation.
pub(in crate::server) fn mutation(id: u64, key: &str, steps: Json) -> Json {
    json!({ "id": id, "key": uuid(key), "name": "script", "args": steps, "timestamp": 1_729_999_999_000_i64 })
}

/// A push of `user` by `client`.
pub(in crate::server) fn push_body(user: &str, client: &str, mutations: Json) -> Json {
    json!({
        "protocolVersion": 1, "schemaVersion": "app-1", "fingerprint": definition().schema.fingerprint_hex(),
        "clientGroupID": user, "clientID": client, "mutations": mutations
    })
}

pub(in crate::server) fn job(user: &str, client: &str, mutations: Json) -> PushJob {
    let request: PushRequest = serde_json::from_str(&push_body(user, client, mutations).to_string()).unwrap();
    let _: &Vec<PushedMutation> = &request.mutations;
    PushJob { caller: caller(user), request }
}
